"""TCP and TLS listeners: the same relay over streams.

Rules of this file: what one client costs is bounded. Inbound: one unfinished frame. Outbound: a
queue of a fixed size; media beyond it is lost, as on a full UDP socket, and so a slow reader loses
its own media and delays nobody. A connection without an allocation is cut.
"""

import asyncio
import ssl
import time
from typing import cast

from relay.address import ClientAddress, FiveTuple, PeerAddress, ServerAddress, Transport
from relay.errors import DropReason, Malformed
from relay.forward import sockets
from relay.forward.core import Core
from relay.forward.routes import Route, Tally
from relay.stun import framing, indications
from relay.turn.effects import Via

IDLE_S = 10.0
"""How long a connection may be without an allocation."""

MEDIA_QUEUE_BYTES = 64 * 1024  # a quarter of a second of video: later than that it is of no use
_ANSWER_QUEUE_BYTES = 256 * 1024  # whoever does not even read its answers is cut
_STRANGERS_MAX = 4096  # connections of one listener that may be without an allocation
_CHANNELS = range(0x40, 0x80)  # first byte of ChannelData: see relay.stun.channel_data


class TcpListener:
    """One TCP or TLS socket that clients connect to.

    Args:
        context: for TLS, with the certificate loaded; None for TCP.
    """

    def __init__(
        self, address: ServerAddress, core: Core, tally: Tally, context: ssl.SSLContext | None
    ) -> None:
        self._socket = sockets.open_tcp(address)
        self.address = sockets.bound_address(self._socket)
        self.transport = Transport.TLS if context else Transport.TCP
        self._context = context
        self._server: asyncio.Server | None = None
        self.core = core
        self.tally = tally
        self.connections: dict[FiveTuple, Connection] = {}
        self.strangers = 0

    async def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Accept from now on."""
        self._server = await loop.create_server(
            lambda: Connection(self, loop),
            sock=self._socket,
            ssl=self._context,
            ssl_handshake_timeout=IDLE_S if self._context else None,
            backlog=1024,
        )

    async def close(self) -> None:
        """Stop, and cut every connection."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections.values()):
            connection.cut()

    @property
    def routes(self) -> int:
        """How many routes start here."""
        return sum(len(connection.routes) for connection in self.connections.values())

    def is_crowded(self) -> bool:
        """Whether no further connection without an allocation may be kept."""
        return self.strangers >= _STRANGERS_MAX


class Connection(asyncio.Protocol):
    """One client's stream."""

    __slots__ = (
        "_client",
        "_framer",
        "_idle",
        "_is_stranger",
        "_listener",
        "_loop",
        "_transport",
        "routes",
    )

    def __init__(self, listener: TcpListener, loop: asyncio.AbstractEventLoop) -> None:
        self._listener = listener
        self._loop = loop
        self._framer = framing.Framer()
        self._client: FiveTuple | None = None
        self._transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._is_stranger = False
        self.routes: dict[bytes, Route] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected; over TLS the handshake is done."""
        self._transport = cast(asyncio.Transport, transport)
        listener = self._listener
        if listener.is_crowded():
            listener.tally.dropped(DropReason.UNAUTHENTICATED_RATE)
            self._transport.abort()
            return
        peer = transport.get_extra_info("peername")
        if peer is None:  # reset before it was accepted
            self._transport.abort()
            return
        client = ClientAddress.parse(*peer[:2])
        self._client = FiveTuple(listener.transport, client, listener.address)
        listener.connections[self._client] = self
        self._is_stranger = True
        listener.strangers += 1
        self._watch()

    def connection_lost(self, _: Exception | None) -> None:
        """The client is gone, for whatever reason."""
        self.routes.clear()
        if self._client is None:
            return
        self._listener.connections.pop(self._client, None)
        if self._idle is not None:
            self._idle.cancel()
        self._listener.strangers -= self._is_stranger
        self._listener.core.disconnect(self._client)

    def data_received(self, data: bytes) -> None:
        """Take what the stream brought; a stream that cannot be read on is cut."""
        if self._client is None:
            return
        now_ns = time.monotonic_ns()
        try:
            for frame in self._framer.receive(data):
                route, payload = self._route_of(frame)
                if route is not None and now_ns < route.expires_ns:
                    self._forward(payload, route, now_ns)
                else:
                    self._listener.core.receive(frame, self._client)
                    if self._is_stranger:
                        self._greet()
        except Malformed as malformed:
            self._listener.tally.dropped(malformed.reason)
            self.cut()

    def send(self, datagram: bytes) -> None:
        """Send an answer. A client with a long queue of unread answers is cut."""
        if self._queued() > _ANSWER_QUEUE_BYTES:
            self._listener.tally.dropped(DropReason.SLOW_READER)
            self.cut()
            return
        self._write(datagram)

    def send_media(self, datagram: bytes) -> None:
        """Send relayed data, unless the client has not read what it was sent before."""
        if self._queued() > MEDIA_QUEUE_BYTES:
            self._listener.tally.dropped(DropReason.SLOW_READER)
            return
        self._write(datagram)

    def cut(self) -> None:
        """End the connection at once, whatever is queued."""
        if self._transport is not None:
            self._transport.abort()

    def set_route(self, channel: Via, route: Route) -> None:
        """Forward what this client sends on this channel, or to this peer; replaces."""
        self.routes[_key(channel)] = route

    def drop_route(self, channel: Via) -> None:
        """Forward it no longer."""
        self.routes.pop(_key(channel), None)

    def _route_of(self, frame: bytes) -> tuple[Route | None, bytes]:
        """What a frame of data takes, live or not, and the data in it."""
        if frame[0] in _CHANNELS:
            return self.routes.get(frame[:2]), frame[4:]
        if self.routes and frame.startswith(indications.SEND):
            found = indications.read(frame, 0, len(frame))
            if found is not None:
                peer, start, end = found
                return self.routes.get(peer), frame[start:end]
        return None, b""

    def _forward(self, payload: bytes, route: Route, now_ns: int) -> None:
        reason = route.meter.charge(len(payload), now_ns)
        if reason is not None:
            self._listener.tally.dropped(reason)
            return
        self._listener.tally.forwarded(len(payload))
        route.pass_on(payload)

    def _write(self, datagram: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            self._listener.tally.dropped(DropReason.SEND_FAILED)
            return
        self._transport.write(framing.pad(datagram))

    def _queued(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport else 0

    def _watch(self) -> None:
        self._idle = self._loop.call_later(IDLE_S, self._check_allocation)

    def _check_allocation(self) -> None:
        """Cut whoever has no allocation by now, or no longer; look at the others again later."""
        if self._client is None or not self._listener.core.is_known(self._client):
            self.cut()
        else:
            self._watch()

    def _greet(self) -> None:
        """Stop counting the client as a stranger once it has an allocation."""
        if self._client is not None and self._listener.core.is_known(self._client):
            self._is_stranger = False
            self._listener.strangers -= 1


def _key(channel: Via) -> bytes:
    """What a route is found by. Peers' keys are longer than channels'."""
    if isinstance(channel, PeerAddress):
        return indications.peer_key(channel)
    return channel.to_bytes(2)
