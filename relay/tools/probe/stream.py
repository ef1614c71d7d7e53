"""A relayed transport address as a stream of asyncio-dgram, over aioice's TURN client."""

import asyncio
from typing import Any, Self

from aioice.turn import TurnTransport, create_turn_endpoint
from asyncio_dgram.aio import DatagramServer, Protocol


class _Transport:
    """aioice's transport, with the one question more that asyncio-dgram asks."""

    def __init__(self, turn: TurnTransport) -> None:
        self.sendto, self.close = turn.sendto, turn.close
        self.get_extra_info = turn.get_extra_info

    def is_closing(self) -> bool:
        """Always no: the stream's protocol hears it when the allocation has been deleted."""
        return False


class RelayedStream(DatagramServer):
    """One allocation: `recv` and `send` are with peers, and `sockname` is its relayed address."""

    mapped: tuple[str, int]
    """What the relay told as the client's own address."""

    @classmethod
    async def open(cls, server: tuple[str, int], **options: Any) -> Self:
        """Allocate.

        Args:
            server: the TURN server.
            options: of `aioice.turn.create_turn_endpoint`.
        Raises: what that raises.
        """
        received: asyncio.Queue[Any] = asyncio.Queue()
        errors: asyncio.Queue[Exception] = asyncio.Queue()
        drained = asyncio.Event()
        turn, _ = await create_turn_endpoint(
            lambda: Protocol(received, errors, drained), server, **options
        )
        stream = cls(_Transport(turn), received, errors, drained)  # type: ignore[arg-type]  # its stub asks for a protocol
        stream.mapped = turn.get_extra_info("related_address")
        return stream
