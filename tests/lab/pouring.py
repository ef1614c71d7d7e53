"""A flood that the relay cannot slow down: so many Allocates of forged sources per second.

Each is of another source and transaction. Run as a module it pours until it is killed.
"""

import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import numpy as np

from benchmarks.mmsg import Slots
from relay.stun.message import Class, Method
from relay.tools.audit.packets import UDP
from tests.kit import wire
from tests.kit.namespaces import close_pipes
from tests.lab.relay import UDP_PORT, Relay
from tests.lab.topology import ANYWHERE, RELAY

_ROOT = Path(__file__).parents[2]
_BATCH = 64
_NETWORK = ANYWHERE.network_address.packed
_SOURCE_AT, _PORT_AT, _TRANSACTION_AT = 12, 20, 28 + 8
_READY = "pouring\n"


@contextmanager
def pouring(relay: Relay, per_s: int, padding: int = 0) -> Iterator[None]:
    """A flood for one `with` block; it has begun before the block does.

    Args:
        per_s: datagrams; what a stall of its own made it miss is not made up for.
        padding: bytes in each that say nothing.
    """
    command = [sys.executable, "-m", "tests.lab.pouring", str(per_s), str(padding)]
    process = relay.lab.popen(relay.lab.sink, command, cwd=_ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == _READY
        yield
    finally:
        process.kill()
        process.wait()
        close_pipes(process.stdout)


def _pour(per_s: int, padding: int) -> None:
    slots = _allocates(padding)
    rng = np.random.default_rng()
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.connect((RELAY.v4, 0))
        slots.send(raw.fileno(), 0, _BATCH)
        sys.stdout.write(_READY)
        sys.stdout.flush()
        due = time.monotonic()
        while True:
            due = max(due + _BATCH / per_s, time.monotonic())
            time.sleep(max(due - time.monotonic(), 0))
            noise = rng.integers(0, 256, (_BATCH, 16), dtype=np.uint8)
            slots.data[:, _SOURCE_AT + 1 : _SOURCE_AT + 4] = noise[:, :3]
            slots.data[:, _SOURCE_AT + 1] = _NETWORK[1] | noise[:, 0] & 0x3F
            slots.data[:, _PORT_AT : _PORT_AT + 2] = noise[:, 3:5] | 0x10
            slots.data[:, _TRANSACTION_AT : _TRANSACTION_AT + 8] = noise[:, 5:13]
            slots.send(raw.fileno(), 0, _BATCH)


def _allocates(padding: int) -> Slots:
    """A batch of whole packets; the kernel fills in the IP header's checksum, UDP has none."""
    attributes = [wire.transport(17), *([(0x8022, bytes(padding))] if padding else [])]
    payload = wire.build(Method.ALLOCATE, Class.REQUEST, bytes(12), attributes)
    length = 8 + len(payload)
    packet = (
        struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, UDP, 0)
        + _NETWORK
        + ip_address(RELAY.v4).packed
        + struct.pack("!HHHH", 4096, UDP_PORT, length, 0)
        + payload
    )
    slots = Slots(_BATCH, len(packet))
    slots.data[:] = np.frombuffer(packet, np.uint8)
    return slots


if __name__ == "__main__":
    _pour(int(sys.argv[1]), int(sys.argv[2]))
