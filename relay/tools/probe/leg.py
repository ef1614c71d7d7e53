"""One party of the probe, at the client's end of an allocation."""

import asyncio
import time

from aioice.turn import TurnTransport

PING, ECHO, HELLO = b"ping", b"echo", b"helo"
"""What a datagram starts with; a ping and its echo go on with a number of eight bytes."""


class Leg(asyncio.DatagramProtocol):
    """One party: answers pings, keeps when its own pings came back, and where data came from."""

    def __init__(self) -> None:
        self.transport: TurnTransport
        self.heard = asyncio.Event()
        self.closed = asyncio.Event()
        self.changed = asyncio.Event()
        self.sources: set[tuple[str, int]] = set()
        self.returned: dict[int, float] = {}
        self.error: Exception | None = None

    @property
    def relayed(self) -> tuple[str, int]:
        """Its relayed address."""
        address: tuple[str, int] = self.transport.get_extra_info("sockname")
        return address

    @property
    def mapped(self) -> tuple[str, int]:
        """What the relay told it as its own address."""
        address: tuple[str, int] = self.transport.get_extra_info("related_address")
        return address

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """aioice's own transport, which is no asyncio one."""

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        now = time.perf_counter()
        self.sources.add(addr)
        kind, number = data[:4], data[4:12]
        if kind == PING:
            self.transport.sendto(ECHO + data[4:], addr)
        elif kind == ECHO:
            self.returned.setdefault(int.from_bytes(number), now)
            self.changed.set()
        elif kind == HELLO:
            self.heard.set()

    def error_received(self, exc: Exception) -> None:
        self.error = exc

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
