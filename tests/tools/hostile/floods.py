"""What a flood of 200 Mbit/s from one host does to a running call, to newcomers and to the API."""

import os
import socket
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from relay.stun.message import Method
from tests.kit import wire
from tests.kit.namespaces import Namespace
from tests.kit.sockets import TurnClient
from tests.lab.calls import Access, connect, flowing, legs, mint
from tests.lab.relay import Relay
from tests.tools.hostile.flooder import KINDS, flooding

MBIT_PER_S = 200
_PER_S = 200  # packets of the running call, each way
_RTO_S = 0.5  # RFC 8489 section 6.2.1
_NEWCOMER_S = 5.0
_SETTLE_S = 2.0
_CORES = (0, 1)
"""The relay's; and that of the flood and of what is measured, before which the flood gives way."""

TITLES = {
    "pipelined": "4 TCP connections pipeline Allocates of 28 bytes",
    "attributes": "4 TCP connections send requests of 64 KiB with 16,000 attributes",
    "permissions": "a member's CreatePermissions name 5,200 addresses",
    "idle": "6,000 idle TCP connections, new ones all the time",
    "half-open": "18,000 TLS handshakes that are not finished, new ones all the time",
    "forged": "Allocates of 28 bytes over UDP, each from another address",
    "forged-large": "Allocates of 1,000 bytes over UDP, each from another address",
    "one-host": "Allocates of 28 bytes over UDP from one host",
}


@dataclass
class Figures:
    """What one flood did.

    Args:
        sent: what the flood says it has sent.
        seconds: for how long.
        flowed, lost: packets of the running call, both ways together.
        delays_ms: of those that arrived.
        deletes_ms: how long each DELETE took; newcomers: by transport, seconds to an allocation,
            None where it took more than five.
        idle_bytes, most_bytes, after_bytes: resident memory before, meanwhile, and a while after.
    """

    sent: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    flowed: int = 0
    lost: int = 0
    delays_ms: list[float] = field(default_factory=list)
    deletes_ms: list[float] = field(default_factory=list)
    newcomers: dict[str, list[float | None]] = field(default_factory=dict)
    idle_bytes: int = 0
    most_bytes: int = 0
    after_bytes: int = 0


def measure(relay: Relay, kind: str, seconds: float, mbit_per_s: float = MBIT_PER_S) -> Figures:
    """Flood a relay while a call runs, clients come and calls end; see `Figures`."""
    figures = Figures()
    _pin(relay.pid, _CORES[0])
    _pin(os.getpid(), _CORES[1])
    stop = threading.Event()
    with ExitStack() as stack:
        stack.callback(stop.set)
        call = stack.enter_context(legs(relay))
        call.bind()
        figures.idle_bytes = relay.resident_bytes()
        beside = [
            threading.Thread(target=work, args=(stop,))
            for work in (
                partial(_end_calls, relay, figures),
                partial(_newcomers, relay, "udp", figures),
                partial(_newcomers, relay, "tcp", figures),
                partial(_weigh, relay, figures),
            )
        ]
        flood = stack.enter_context(flooding(relay, kind, mbit_per_s))
        _pin(flood.process.pid, _CORES[1])
        os.setpriority(os.PRIO_PROCESS, flood.process.pid, 19)
        flow = stack.enter_context(flowing(call, _PER_S, _SETTLE_S))
        for thread in beside:
            thread.start()
        begun = time.monotonic()
        time.sleep(seconds)
        figures.seconds = time.monotonic() - begun
        figures.sent = flood.end()
        stop.set()
        flow.stop()
        for thread in beside:
            thread.join()
    figures.flowed, figures.lost = 2 * flow.sent, flow.lost()
    figures.delays_ms = [delay * 1000 for delay in flow.delays_s()]
    figures.after_bytes = _settled_bytes(relay, figures.idle_bytes)
    return figures


def _end_calls(relay: Relay, figures: Figures, stop: threading.Event) -> None:
    while not stop.is_set():
        begun = time.monotonic()
        with suppress(OSError):  # no answer in 20 s, which is what it then took
            call = relay.create_call()
            begun = time.monotonic()
            relay.end_call(call)
        figures.deletes_ms.append((time.monotonic() - begun) * 1000)
        stop.wait(0.2)


def _newcomers(relay: Relay, transport: str, figures: Figures, stop: threading.Event) -> None:
    """Clients of a call each, from behind NAT, one after the other."""
    took = figures.newcomers.setdefault(transport, [])
    while not stop.is_set():
        begun = time.monotonic()
        is_in = _comes_in(relay, relay.lab.caller, transport, len(took))
        took.append(time.monotonic() - begun if is_in else None)
        stop.wait(0.1)


def _comes_in(relay: Relay, where: Namespace, transport: str, number: int) -> bool:
    credential = mint(f"newcomer-{transport}-{number}", "leg")
    end = time.monotonic() + _NEWCOMER_S
    with suppress(OSError), connect(relay, where, Access(transport), credential) as plain:
        client = Patient(plain.sock, *credential)
        client.end = end
        client.sock.settimeout(_NEWCOMER_S)
        answer = client.request(Method.ALLOCATE, wire.transport(17))
        return answer.code == 0 and time.monotonic() < end
    return False


class Patient(TurnClient):
    """A client that repeats its requests as RFC 8489 section 6.2.1 says, until its time is up."""

    end = 0.0

    def exchange(self, datagram: bytes) -> wire.Stun:
        """Raises: TimeoutError."""
        wait_s, is_stream = _RTO_S, self.sock.type == socket.SOCK_STREAM
        while time.monotonic() < self.end:
            self.send_raw(datagram)
            again = min(self.end, time.monotonic() + (_NEWCOMER_S if is_stream else wait_s))
            wait_s *= 2
            while (frame := self.receive(again - time.monotonic())) is not None:
                if frame[0] < 0x40 and frame[8:20] == datagram[8:20]:
                    return wire.parse(frame)
        raise TimeoutError("no response")


def _weigh(relay: Relay, figures: Figures, stop: threading.Event) -> None:
    while not stop.wait(0.2):
        figures.most_bytes = max(figures.most_bytes, relay.resident_bytes())


def _settled_bytes(relay: Relay, idle_bytes: int) -> int:
    """Resident memory once the strangers' time is over, at the latest half a minute after."""
    end = time.monotonic() + 30
    while (now := relay.resident_bytes()) > idle_bytes + (4 << 20) and time.monotonic() < end:
        time.sleep(1)
    return now


def _pin(pid: int, core: int) -> None:
    """Let every thread of a process run on one core."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


assert set(TITLES) == set(KINDS)
