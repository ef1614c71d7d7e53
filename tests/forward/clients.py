"""Clients of the listeners on loopback, and what they say."""

import asyncio
import socket

from relay.address import ClientAddress, FiveTuple, Transport
from relay.forward.user.tcp import TcpListener
from relay.forward.user.udp import UdpListener
from tests.kit import wire

STUN = wire.build(wire.Method.ALLOCATE, wire.Class.REQUEST, b"transaction!", [wire.transport(17)])


class UdpClient:
    """A client of one UDP listener."""

    def __init__(self, listener: UdpListener) -> None:
        host, port = listener.address.reveal()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind((host, 0))
        self.sock.connect((host, port))
        client = ClientAddress.parse(*self.sock.getsockname()[:2])
        self.five_tuple = FiveTuple(Transport.UDP, client, listener.address)

    def say(self, datagram: bytes) -> None:
        """Send; it is in the listener's queue when this returns."""
        self.sock.send(datagram)

    async def hear(self) -> bytes:
        """The next datagram from the listener."""
        return await asyncio.get_running_loop().sock_recv(self.sock, 65536)

    def close(self) -> None:
        self.sock.close()


class StreamClient:
    """A client of one TCP or TLS listener, which reads only what the test asks for."""

    def __init__(
        self, listener: TcpListener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader = reader
        self.writer = writer
        client = ClientAddress.parse(*writer.get_extra_info("sockname")[:2])
        is_tls = writer.get_extra_info("sslcontext") is not None
        transport = Transport.TLS if is_tls else Transport.TCP
        self.five_tuple = FiveTuple(transport, client, listener.address)

    def say(self, data: bytes) -> None:
        """Write to the stream."""
        self.writer.write(data)

    async def hear(self) -> bytes:
        """The next frame as it is on the stream, ChannelData's padding included."""
        head = await self.reader.readexactly(4)
        length = int.from_bytes(head[2:])
        if head[0] < 0x40:
            return head + await self.reader.readexactly(16 + length)
        return head + await self.reader.readexactly(length + -length % 4)

    async def is_cut(self) -> bool:
        """Whether the stream ends, now or at some time, with nothing more on it."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        self.writer.transport.abort()


Client = UdpClient | StreamClient


def channel_data(channel: int, payload: bytes, length: int | None = None) -> bytes:
    """ChannelData without padding; `length` for one that is wrong."""
    size = len(payload) if length is None else length
    return channel.to_bytes(2) + size.to_bytes(2) + payload


def padded(channel: int, payload: bytes, padding: bytes = b"\0\0\0") -> bytes:
    """ChannelData as a stream carries it."""
    return channel_data(channel, payload) + padding[: -len(payload) % 4]


def as_sent_over(transport: Transport, channel: int, payload: bytes) -> bytes:
    """ChannelData, padded where the transport wants it."""
    return (channel_data if transport is Transport.UDP else padded)(channel, payload)
