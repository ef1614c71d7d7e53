"""One client's stream: frames in, frames out.

Rules of this file: what one client costs is bounded. Inbound: a share of each turn of the loop, one
unfinished frame, and what was read and waits for its turn, while nothing more is read. Outbound: a
queue of a fixed size; media beyond it is lost, as on a full UDP socket, and so a slow reader loses
its own media and delays nobody. A connection without an allocation says little, and is cut.
"""

import asyncio
import time
from collections.abc import Iterator
from itertools import islice
from typing import Protocol, cast

from relay.address import FiveTuple, PeerAddress
from relay.effects import Via
from relay.errors import DropReason, Malformed
from relay.forward.meter import Tally
from relay.forward.user.arrival import Arrival, Stream
from relay.forward.user.core import Core
from relay.forward.user.lane import Lane
from relay.forward.user.routes import Route
from relay.forward.user.streams import Streams
from relay.stun import framing, indications
from relay.stun.demux import CHANNELS

IDLE_S = 10.0
"""How long a connection may be without an allocation."""

MEDIA_QUEUE_BYTES = 64 * 1024  # a quarter of a second of video: later than that it is of no use
_ANSWER_QUEUE_BYTES = 256 * 1024  # whoever does not even read its answers is cut
_READ_AHEAD_BYTES = 64 * 1024  # over TLS, in user space, while nothing is read
_SLICE = 16  # frames of one client, then it is the next one's turn

STRANGERS_FRAME_BYTES = 2048
"""The longest frame before an allocation: an Allocate with the longest username has some 900."""
STRANGERS_FRAMES = 4
"""Of one connection are free: an Allocate, the same with credentials, and some to spare. What comes
after them and is no allocation yet, counts against the rate of all strangers of the source."""


class StreamListener(Protocol):
    """What a connection asks of its listener."""

    core: Core
    tally: Tally
    streams: Streams
    connections: "dict[FiveTuple, Connection]"


class Connection(Stream):
    """Carries one client's stream: frames in, answers and media out."""

    __slots__ = (
        "_arrival",
        "_client",
        "_framer",
        "_frames",
        "_idle",
        "_listener",
        "_loop",
        "_said",
        "_transport",
        "routes",
    )

    def __init__(self, listener: StreamListener, arrival: Arrival, client: FiveTuple) -> None:
        self._listener = listener
        self._arrival = arrival
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._framer = framing.Framer(STRANGERS_FRAME_BYTES)
        self._frames: Iterator[bytes] | None = None  # read, and not taken yet
        self._said = 0  # frames, while a stranger
        self._transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None
        self.routes: dict[bytes, Route] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The stream can be read and written."""
        self._transport = cast(asyncio.Transport, transport)
        if transport.get_extra_info("sslcontext") is not None:
            # asyncio's method for it, which its type does not name.
            transport.set_read_buffer_limits(high=_READ_AHEAD_BYTES)  # type: ignore[attr-defined]
        self._arrival.begun()
        if self._client in self._listener.connections:
            # Through two load balancers, or to two addresses of a wildcard listener.
            self._listener.tally.dropped(DropReason.CLIENT_TAKEN)
            self.cut()
            return
        self._listener.connections[self._client] = self
        self._watch()

    def connection_lost(self, _: Exception | None) -> None:
        """The client is gone, for whatever reason."""
        self.routes.clear()
        self._frames = None
        if self._idle is not None:
            self._idle.cancel()
        # No cycles: the collector comes seldom, and what TLS keeps of a connection is large.
        self._transport = self._idle = None
        self._arrival.end()
        if self._listener.connections.get(self._client) is self:
            del self._listener.connections[self._client]
            self._listener.core.disconnect(self._client)

    def get_buffer(self, _: int) -> memoryview:
        """Give the buffer to read into, which bounds one read."""
        streams = self._listener.streams
        return streams.strangers_buffer if self._arrival.is_stranger else streams.buffer

    def buffer_updated(self, size: int) -> None:
        """Take what the stream brought, or as much of it as there is time for."""
        self._frames = self._framer.receive(bytes(self._listener.streams.buffer[:size]))
        lane = self._lane()
        if lane.is_free() and self._take(None):
            return
        if self._transport is not None:
            self._transport.pause_reading()
        self._wait()

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

    def set_route(self, channel: Via, route: Route) -> None:
        """Forward what this client sends on this channel, or to this peer; replaces."""
        self.routes[_key(channel)] = route

    def drop_route(self, channel: Via) -> None:
        """Forward it no longer."""
        self.routes.pop(_key(channel), None)

    def cut(self) -> bool:
        """End the connection at once, whatever is queued."""
        if self._transport is None:
            return False
        self._frames = None
        self._transport.abort()
        return True

    def _lane(self) -> Lane:
        streams = self._listener.streams
        return streams.strangers_lane if self._arrival.is_stranger else streams.clients_lane

    def _wait(self) -> None:
        is_stranger = self._arrival.is_stranger
        self._lane().wait(self._arrival.source if is_stranger else self, self._go_on)

    def _go_on(self) -> None:
        """Take what had to wait for this connection's turn."""
        if not self._take(_SLICE):
            self._wait()
        elif self._transport is not None:
            self._transport.resume_reading()

    def _take(self, most: int | None) -> bool:
        """Take frames while there is time; a stream that cannot be read on is cut.

        Args:
            most: frames; None for as many as there is time for.
        Returns: whether none is left.
        """
        lane = self._lane()
        try:
            for number, frame in enumerate(islice(self._frames or (), most), 1):
                self._take_frame(frame, time.monotonic_ns())
                if self._frames is None:  # cut meanwhile
                    return True
                if number == most or lane.is_over(time.monotonic_ns()):
                    return False
        except Malformed as malformed:
            self._listener.tally.dropped(malformed.reason)
            self.cut()
        self._frames = None
        return True

    def _take_frame(self, frame: bytes, now_ns: int) -> None:
        route, payload = self._route_of(frame)
        if route is not None and now_ns < route.expires_ns:
            self._forward(payload, route, now_ns)
            return
        self._listener.core.receive(frame, self._client)
        if self._arrival.is_stranger:
            self._judge(now_ns)

    def _judge(self, now_ns: int) -> None:
        """Who has an allocation is no stranger; a stranger who goes on without one is cut."""
        if self._listener.core.is_known(self._client):
            self._arrival.greet()
            self._framer.longest = framing.LONGEST_FRAME
            return
        self._said += 1
        if self._said <= STRANGERS_FRAMES:
            return
        if not self._listener.streams.may_say_more(self._client.client, now_ns * 1e-9):
            self._listener.tally.dropped(DropReason.UNAUTHENTICATED_RATE)
            self.cut()

    def _route_of(self, frame: bytes) -> tuple[Route | None, bytes]:
        """What a frame of data takes, live or not, and the data in it."""
        if frame[0] in CHANNELS:
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
        if self._listener.core.is_known(self._client):
            self._watch()
        else:
            self.cut()


def _key(channel: Via) -> bytes:
    """What a route is found by. Peers' keys are longer than channels'."""
    if isinstance(channel, PeerAddress):
        return indications.peer_key(channel)
    return channel.to_bytes(2)
