"""A TURN client over UDP for tests that share the relay's event loop."""

from typing import Self

import asyncio_dgram
from asyncio_dgram.aio import DatagramClient

from relay.address import Address, PeerAddress
from tests.kit import wire
from tests.kit.turn import Client, Credential, Exchange


class AsyncTurnClient:
    """One five-tuple with one credential; nothing is repeated, as loopback loses nothing."""

    def __init__(self, stream: DatagramClient, credential: Credential) -> None:
        self._stream = stream
        self._turn = Client(credential)

    @classmethod
    async def connect(cls, server: Address, credential: Credential) -> Self:
        """A client of that listener."""
        return cls(await asyncio_dgram.connect(server.reveal()), credential)

    async def allocate(self) -> PeerAddress:
        """Allocate; returns the relayed address."""
        assert (await self._run(self._turn.allocate())).code == 0
        return self._turn.relayed

    async def bind(self, channel: int, peer: PeerAddress) -> int:
        """ChannelBind; 0 or the error code."""
        return (await self._run(self._turn.bind(channel, peer))).code

    async def send(self, datagram: bytes) -> None:
        """Whatever it is."""
        await self._stream.send(datagram)

    async def receive(self) -> bytes:
        """The next datagram from the relay."""
        data: bytes
        data, _ = await self._stream.recv()
        return data

    def close(self) -> None:
        """Close the socket."""
        self._stream.close()

    async def _run(self, exchange: Exchange) -> wire.Stun:
        """Carry an exchange's requests and answers. Returns: the last answer."""
        request = next(exchange)
        while True:
            await self.send(request)
            answer = wire.parse(await self.receive())
            try:
                request = exchange.send(answer)
            except StopIteration:
                return answer
