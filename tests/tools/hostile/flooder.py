"""One flood at a steady rate: `python -m tests.tools.hostile.flooder KIND MBIT_PER_S`.

It says when it has begun, floods until its stdin is closed, then says in JSON on stdout what it has
sent. Nothing is waited for: what a socket does not take is not sent.
"""

import json
import os
import random
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address
from pathlib import Path

import numpy as np

from benchmarks.mmsg import Slots
from relay.stun.message import Class, Method
from tests.kit import wire
from tests.kit.namespaces import close_pipes
from tests.kit.sockets import TurnClient
from tests.lab.calls import mint
from tests.lab.flood import datagram
from tests.lab.relay import TCP_PORT, TLS_PORT, Relay
from tests.lab.topology import ANYWHERE, RELAY, SINK
from tests.tools.hostile import messages

_ROOT = Path(__file__).parents[3]
_BEGUN = "flooding"
_SLOTS, _BURST = 1024, 32
_SOURCE_AT, _PORT_AT, _TRANSACTION_AT = 12, 20, 20 + 8 + 8
_CHUNK_BYTES = 65_536
_STREAMS = 4
_LATE_S = 0.02  # a schedule is not caught up with for longer: a stall must not become a burst

Sent = dict[str, int]


class Pace:
    """How much is due by now at a steady rate."""

    def __init__(self, bytes_per_s: float) -> None:
        self._bytes_per_s = bytes_per_s
        self._due_s = time.monotonic()

    def take(self, size: int) -> bool:
        """Whether so many bytes are due; if so they count as sent. Sleeps a little where not."""
        now = time.monotonic()
        if self._due_s > now:
            time.sleep(min(self._due_s - now, 0.001))
            return False
        self._due_s = max(self._due_s, now - _LATE_S) + size / self._bytes_per_s
        return True


def allocate(size: int, rng: random.Random) -> bytes:
    """An Allocate without credentials of so many bytes."""
    padding = [(0x8022, bytes(size - 32))] if size > 32 else []
    attributes = [wire.transport(17), *padding]
    return wire.build(Method.ALLOCATE, Class.REQUEST, rng.randbytes(12), attributes)


def datagrams(size: int, *, is_forged: bool) -> Callable[[Pace], Iterator[Sent]]:
    """Allocates over UDP, every one from another address and port, or from one host's ports."""

    def run(pace: Pace) -> Iterator[Sent]:
        rng, random_bytes = random.Random(os.getpid()), np.random.default_rng(os.getpid())
        packet = datagram(IPv4Address(SINK.v4), 50_000, allocate(size, rng))
        length = len(packet)
        ring = Slots(_SLOTS, length)
        ring.data[:] = np.frombuffer(packet, np.uint8)
        source = np.frombuffer(ANYWHERE.network_address.packed, np.uint8)
        sent = 0
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.connect((RELAY.v4, 0))
            while True:
                noise = random_bytes.integers(0, 256, (_SLOTS, 18), np.uint8)
                if is_forged:
                    ring.data[:, _SOURCE_AT : _SOURCE_AT + 4] = source
                    ring.data[:, _SOURCE_AT + 1] |= noise[:, 0] & 0x3F
                    ring.data[:, _SOURCE_AT + 2 : _SOURCE_AT + 4] = noise[:, 1:3]
                ring.data[:, _PORT_AT] = noise[:, 3] | 0x40
                ring.data[:, _PORT_AT + 1] = noise[:, 4]
                ring.data[:, _TRANSACTION_AT : _TRANSACTION_AT + 12] = noise[:, 5:17]
                for first in range(0, _SLOTS, _BURST):
                    while not pace.take(_BURST * length):
                        yield {"datagrams": sent}
                    sent += ring.send(raw.fileno(), first, _BURST)
                yield {"datagrams": sent}

    return run


def streams(
    chunk: Callable[[], bytes], greet: Callable[[], socket.socket]
) -> Callable[[Pace], Iterator[Sent]]:
    """One chunk again and again over a few connections, new ones wherever the relay hangs up."""

    def run(pace: Pace) -> Iterator[Sent]:
        data, sent, connections = chunk(), 0, 0
        opened: dict[socket.socket, int] = {}
        while True:
            while len(opened) < _STREAMS:
                with suppress(OSError):
                    opened[_nonblocking(greet())] = 0
                    connections += 1
                yield {"bytes": sent, "connections": connections}
            for stream, at in list(opened.items()):
                if not pace.take(_CHUNK_BYTES):
                    continue
                try:
                    sent += _write(stream, data, opened, at)
                except OSError:
                    stream.close()
                    del opened[stream]
            yield {"bytes": sent, "connections": connections}

    return run


def _nonblocking(stream: socket.socket) -> socket.socket:
    stream.setblocking(False)
    return stream


def _write(stream: socket.socket, data: bytes, opened: dict[socket.socket, int], at: int) -> int:
    """Write what is taken, and read the answers away. Raises: OSError where it is cut."""
    with suppress(BlockingIOError):
        while not (answered := stream.recv(1 << 20)):
            raise ConnectionError("the relay has hung up")
        del answered
    try:
        written = stream.send(memoryview(data)[at : at + _CHUNK_BYTES])
    except BlockingIOError:
        return 0
    opened[stream] = (at + written) % len(data)
    return written


def connections(port: int, first: bytes, *, hold: int) -> Callable[[Pace], Iterator[Sent]]:
    """Connections that say next to nothing; the oldest make room once so many are held."""

    def run(_: Pace) -> Iterator[Sent]:
        held: list[socket.socket] = []
        opened = 0
        while True:
            stream = socket.socket()
            stream.setblocking(False)
            with suppress(OSError):
                stream.connect((RELAY.v4, port))
            held.append(stream)
            if first:
                with suppress(OSError):
                    _wait_connected(stream)
                    stream.send(first)
            opened += 1
            if len(held) > hold:
                held.pop(0).close()
            if opened % 16 == 0:
                time.sleep(0.001)
            yield {"connections": opened}

    return run


def _wait_connected(stream: socket.socket) -> None:
    poll = select.poll()  # `select` knows 1,024 descriptors
    poll.register(stream, select.POLLOUT)
    poll.poll(50)


def _plain() -> socket.socket:
    return socket.create_connection((RELAY.v4, TCP_PORT), 5)


class _Insider:
    """A member of a call: signs one request, again and again."""

    def __init__(self) -> None:
        self._client: TurnClient | None = None

    def greet(self) -> socket.socket:
        """A connection with an allocation."""
        stream = _plain()
        client = TurnClient(stream, *mint(f"hostile-{os.getpid()}", "member"))
        client.allocate()
        self._client = client
        return stream

    def permissions(self) -> bytes:
        """CreatePermission with as many addresses as fit. Over any connection its MAC is right."""
        if self._client is None:
            self.greet().close()
        assert self._client is not None
        rng = random.Random(os.getpid())
        transaction_id = rng.randbytes(12)
        named = messages.peers(rng, transaction_id, 5200)
        return self._client.turn.signed(Method.CREATE_PERMISSION, named, transaction_id)


def _requests() -> bytes:
    rng = random.Random(os.getpid())
    return b"".join(allocate(0, rng) for _ in range(4096))


def _long_requests() -> bytes:
    rng = random.Random(os.getpid())
    return wire.build(Method.ALLOCATE, Class.REQUEST, rng.randbytes(12), [(0x8022, b"")] * 16_000)


_insider = _Insider()
KINDS: dict[str, Callable[[Pace], Iterator[Sent]]] = {
    "pipelined": streams(_requests, _plain),
    "attributes": streams(_long_requests, _plain),
    "permissions": streams(_insider.permissions, _insider.greet),
    "idle": connections(TCP_PORT, b"", hold=6000),
    "half-open": connections(TLS_PORT, b"\x16\x03\x01", hold=18_000),
    "forged": datagrams(0, is_forged=True),
    "forged-large": datagrams(1000, is_forged=True),
    "one-host": datagrams(0, is_forged=False),
}
"""By name; `tests.tools.hostile.floods` says what each is."""


class Flood:
    """A flood from the sink, in a process of its own, which has begun."""

    def __init__(self, relay: Relay, kind: str, mbit_per_s: float) -> None:
        command = [sys.executable, "-m", __name__, kind, str(mbit_per_s)]
        pipe = subprocess.PIPE
        self.process = relay.lab.popen(relay.lab.sink, command, cwd=_ROOT, stdin=pipe, stdout=pipe)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{_BEGUN}\n"

    def end(self) -> Sent:
        """End it. Returns: what it has sent."""
        out, _ = self.process.communicate(timeout=20)
        sent: Sent = json.loads(out or "{}")
        return sent


@contextmanager
def flooding(relay: Relay, kind: str, mbit_per_s: float) -> Iterator[Flood]:
    """A flood for one `with` block."""
    flood = Flood(relay, kind, mbit_per_s)
    try:
        yield flood
    finally:
        flood.process.kill()
        flood.process.wait()
        close_pipes(flood.process.stdin, flood.process.stdout)


def _wait_for_end(closed: threading.Event) -> None:
    sys.stdin.read()
    closed.set()


def main(kind: str, mbit_per_s: float) -> None:
    """Flood until stdin is closed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    closed = threading.Event()
    threading.Thread(target=_wait_for_end, args=(closed,), daemon=True).start()
    flood = KINDS[kind](Pace(mbit_per_s * 1e6 / 8))
    sent = next(flood)
    print(_BEGUN, flush=True)  # noqa: T201  it is a command
    while not closed.is_set():
        sent = next(flood)
    print(json.dumps(sent))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
