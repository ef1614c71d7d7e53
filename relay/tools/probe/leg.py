"""One party of the probe, at the client's end of an allocation."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aioice import stun
from asyncio_dgram import TransportClosed

from relay.tools.probe.stream import RelayedStream

PING, ECHO, HELLO = b"ping", b"echo", b"helo"
"""What a datagram starts with; a ping and its echo go on with a number of eight bytes."""


class Leg:
    """One party: answers pings, keeps when its own pings came back, and where data came from.

    Args:
        stream: its allocation.
    """

    def __init__(self, stream: RelayedStream) -> None:
        self._stream = stream
        self.relayed: tuple[str, int] = stream.sockname
        self.mapped = stream.mapped
        self.heard = asyncio.Event()
        self.changed = asyncio.Event()
        self.sources: set[tuple[str, int]] = set()
        self.returned: dict[int, float] = {}
        self.error: Exception | None = None
        self._receiving = asyncio.create_task(self._receive())

    async def send(self, data: bytes, peer: tuple[str, int]) -> None:
        """Send to a peer, whose channel is bound before; how that went shows in `error` later."""
        with self._noting_errors():
            await self._stream.send(data, peer)

    async def close(self, timeout_s: float) -> None:
        """Delete the allocation; where nobody answers in that time, it ends with its lifetime."""
        self._stream.close()
        await asyncio.wait({self._receiving}, timeout=timeout_s)
        self._receiving.cancel()

    async def _receive(self) -> None:
        """Take what comes until the allocation is gone."""
        while True:
            with self._noting_errors():
                try:
                    data, source = await self._stream.recv()
                except TransportClosed:
                    return
                await self._take(data, source, time.perf_counter())

    async def _take(self, data: bytes, source: Any, now: float) -> None:
        self.sources.add(source)
        kind, number = data[:4], data[4:12]
        if kind == PING:
            await self._stream.send(ECHO + data[4:], source)
        elif kind == ECHO:
            self.returned.setdefault(int.from_bytes(number), now)
            self.changed.set()
        elif kind == HELLO:
            self.heard.set()

    @contextmanager
    def _noting_errors(self) -> Iterator[None]:
        """Keep what the stream raises: errors of earlier sends, at the next use of it."""
        try:
            yield
        except (stun.TransactionError, OSError) as error:
            self.error = error
