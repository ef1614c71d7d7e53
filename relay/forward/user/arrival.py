"""A connection from accept until its client has an allocation: what a stranger costs, and its end.

Rules of this file: before its first byte a connection is a socket and a timer; TLS begins once a
ClientHello is there to its end, so that it is dealt with when TLS begins and not at a time that
clients choose, and at the strangers' turn, one handshake in a turn of the loop. Behind a load
balancer nothing is known of a client before the PROXY header is there to its end; from then on
the client is who the header says, and the load balancer is nobody.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

from relay.address import ClientAddress, Transport
from relay.crowd import Crowd, source_of
from relay.errors import DropReason, Malformed
from relay.forward.meter import Tally
from relay.forward.user import proxy_header
from relay.forward.user.streams import Stranger, Streams
from relay.stun.demux import TLS_HANDSHAKE

HANDSHAKE_S = 5.0
"""From accept to the first byte, and over TLS to the end of the handshake, with a PROXY header."""

_RECORD_HEAD, _RECORD_MAX = 5, 1 << 14  # bytes of it: the last two of its head are its length


class Stream(asyncio.BufferedProtocol):
    """Reads a connection from its first bytes on."""

    def cut(self) -> bool:
        """End the connection at once. Returns: False where there is no transport to end yet."""
        raise NotImplementedError


class Acceptor(Protocol):
    """Accepts connections: what an arrival asks of its listener."""

    context: ssl.SSLContext | None
    streams: Streams
    tally: Tally

    def make_stream(self, arrival: "Arrival", transport: Transport) -> Stream:
        """Make what reads the connection; called once at most."""
        ...

    def forget(self, arrival: "Arrival") -> None:
        """Forget a connection that has ended."""
        ...


class Arrival:
    """
    Args:
        sock: just accepted and not blocking; it is the arrival's from now on.
        client: where the connection comes from; becomes the client's address with a PROXY header.
    """

    __slots__ = (
        "_awaits_header",
        "_is_over",
        "_listener",
        "_loop",
        "_sock",
        "_stream",
        "_task",
        "_timer",
        "client",
        "is_stranger",
        "source",
    )

    def __init__(self, listener: Acceptor, sock: socket.socket, client: ClientAddress) -> None:
        self._listener = listener
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._stream: Stream | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_over = False
        self._awaits_header = listener.streams.is_balancer(client)
        self.client = client
        self.source = source_of(client)
        self.is_stranger = True
        listener.streams.descriptors.taken += 1
        self._timer = self._loop.call_later(HANDSHAKE_S, self._give_up)
        if self._awaits_header:
            self._join(listener.streams.unnamed)
            self._wait_for(proxy_header.HEAD, self._on_proxy_head)
        else:
            self._enter()

    def begun(self) -> None:
        """Stop the handshake timer: the stream can be read."""
        self._timer.cancel()

    def greet(self) -> None:
        """Count the client no longer as a stranger: it has an allocation."""
        self.is_stranger = False
        self._listener.streams.strangers.leave(self)
        self._listener.streams.in_tls.leave(self)

    def cut(self) -> None:
        """End the connection at once, whatever it has come to."""
        if self._is_over or (self._stream is not None and self._stream.cut()):
            return
        if self._task is not None:
            self._task.cancel()
        else:
            self._loop.remove_reader(self._sock)
            self._close()

    def crowd_out(self) -> None:
        """End the connection, since others have come after it."""
        self._listener.tally.dropped(DropReason.CROWDED)
        self.cut()

    def end(self) -> None:
        """Forget a connection that has ended."""
        if self._is_over:
            return
        self._is_over = True
        self._timer.cancel()
        self.greet()
        self._listener.streams.unnamed.leave(self)
        self._listener.streams.descriptors.taken -= 1
        self._listener.forget(self)
        # No cycles: the collector comes seldom, and a handshake is large.
        self._stream = self._task = None

    def _enter(self) -> None:
        """Take the client in as a stranger: it is known who it is."""
        self._join(self._listener.streams.strangers)
        self._loop.add_reader(self._sock, self._on_first_byte)

    def _join(self, crowd: Crowd[Stranger]) -> None:
        crowded = crowd.join(self, self.source)
        if crowded is not None:
            crowded.crowd_out()

    def _on_proxy_head(self, head: bytes) -> None:
        try:
            size = proxy_header.size_of(head)
        except Malformed as malformed:
            self._refuse(malformed.reason)
            return
        self._wait_for(size, self._on_proxy_header, flags=0)

    def _on_proxy_header(self, header: bytes) -> None:
        try:
            client = proxy_header.parse(header)
        except Malformed as malformed:
            self._refuse(malformed.reason)
            return
        self._awaits_header = False
        self._listener.streams.unnamed.leave(self)
        if client is not None:
            self.client, self.source = client, source_of(client)
        self._enter()

    def _give_up(self) -> None:
        """End the connection: time is up, or the stream, before what was waited for was there."""
        if self._awaits_header:
            self._listener.tally.dropped(DropReason.BAD_PROXY_HEADER)
        self.cut()

    def _refuse(self, reason: DropReason) -> None:
        self._listener.tally.dropped(reason)
        self.cut()

    def _wait_for(
        self, size: int, then: Callable[[bytes], None], flags: int = socket.MSG_PEEK
    ) -> None:
        """Read the next so many bytes once they are all there; cut if the stream ends before."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
        self._loop.add_reader(self._sock, self._on_bytes, size, then, flags)

    def _on_bytes(self, size: int, then: Callable[[bytes], None], flags: int) -> None:
        try:
            found = self._sock.recv(size, flags)
        except BlockingIOError:
            return
        except OSError:
            found = b""
        if len(found) < size:
            self._give_up()
            return
        self._loop.remove_reader(self._sock)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        then(found)

    def _on_first_byte(self) -> None:
        try:
            head = self._sock.recv(_RECORD_HEAD, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            head = b""
        if not head:
            self.cut()
            return
        is_tls = head[0] == TLS_HANDSHAKE and self._listener.context is not None
        self._loop.remove_reader(self._sock)
        if is_tls:
            self._wait_for_hello(head)
        else:
            self._open(Transport.TCP)

    def _wait_for_hello(self, head: bytes) -> None:
        """Be told when the first record is there to its end, or the stream ends."""
        size = _RECORD_HEAD
        if len(head) == size:
            size += max(1, min(int.from_bytes(head[3:]), _RECORD_MAX))
        self._wait_for(size, self._on_hello)

    def _on_hello(self, record: bytes) -> None:
        if len(record) == _RECORD_HEAD:
            self._wait_for_hello(record)
        else:
            self._wait_for_tls()

    def _wait_for_tls(self) -> None:
        streams = self._listener.streams
        crowded = streams.in_tls.join(self, self.source)
        if crowded is not None:
            streams.strangers.leave(crowded)
            crowded.crowd_out()
        if streams.strangers_lane.is_free():
            self._start_tls()
        else:
            streams.strangers_lane.wait(self.source, self._start_tls)

    def _start_tls(self) -> None:
        if not self._is_over:
            # The keys are exchanged when the loop reads next: a millisecond, after this turn.
            self._listener.streams.strangers_lane.use_up()
            self._open(Transport.TLS)

    def _open(self, transport: Transport) -> None:
        self._stream = self._listener.make_stream(self, transport)
        context = self._listener.context if transport is Transport.TLS else None
        self._task = self._loop.create_task(self._connect(self._stream, context))
        self._task.add_done_callback(self._on_connected)

    async def _connect(self, stream: Stream, context: ssl.SSLContext | None) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: stream, self._sock, ssl=context)
        except OSError:  # whatever the client did
            self._close()

    def _on_connected(self, task: "asyncio.Task[None]") -> None:
        """The handshake has ended: well, or it was cut."""
        if task.cancelled():
            self._close()

    def _close(self) -> None:
        self._sock.close()
        self.end()
