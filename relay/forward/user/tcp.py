"""TCP and TLS listeners: they accept, count and cut.

Rules of this file: a few connections are accepted in a turn of the loop; whoever comes is let in,
and where there are too many, the oldest of those goes that have no allocation.
"""

import asyncio
import errno
import socket
import ssl

from relay.address import ClientAddress, FiveTuple, ServerAddress, Transport
from relay.effects import Via
from relay.errors import DropReason
from relay.forward.listener import Listener
from relay.forward.meter import Tally
from relay.forward.user import sockets
from relay.forward.user.arrival import Arrival
from relay.forward.user.connection import Connection
from relay.forward.user.core import Core
from relay.forward.user.routes import Outlet, Route
from relay.forward.user.streams import Streams

_ACCEPTS = 16  # in one turn of the loop: half a millisecond
_REST_S = 1.0  # without a descriptor, or memory, for one more connection
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class TcpListener(Listener):
    """One socket that clients connect to.

    Args:
        context: with the certificate loaded, for a socket on which TLS is spoken, and TURN without
            TLS as well; None for TURN without TLS alone.
        streams: what it shares with the other listeners.
    """

    def __init__(
        self,
        address: ServerAddress,
        core: Core,
        tally: Tally,
        context: ssl.SSLContext | None,
        streams: Streams,
    ) -> None:
        self._socket = sockets.open_tcp(address)
        self.address = sockets.bound_address(self._socket)
        self.transports = (Transport.TLS, Transport.TCP) if context else (Transport.TCP,)
        self.context = context
        self.core = core
        self.tally = tally
        self.streams = streams
        self.connections: dict[FiveTuple, Connection] = {}
        self._arrivals: set[Arrival] = set()
        self._rest: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Accept from now on."""
        loop.add_reader(self._socket, self._accept)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Accept no longer, and cut every connection."""
        if self._rest is not None:
            self._rest.cancel()
        loop.remove_reader(self._socket)
        self._socket.close()
        for arrival in list(self._arrivals):
            arrival.cut()

    def send(self, client: FiveTuple, datagram: bytes) -> None:
        connection = self.connections.get(client)
        if connection is not None:
            connection.send(datagram)

    def outlet(self, client: FiveTuple) -> Outlet | None:
        connection = self.connections.get(client)
        return None if connection is None else Outlet(connection.send_media)

    def set_route(self, client: FiveTuple, channel: Via, route: Route) -> None:
        connection = self.connections.get(client)
        if connection is not None:
            connection.set_route(channel, route)

    def drop_route(self, client: FiveTuple, channel: Via) -> None:
        connection = self.connections.get(client)
        if connection is not None:
            connection.drop_route(channel)

    @property
    def routes(self) -> int:
        return sum(len(connection.routes) for connection in self.connections.values())

    @property
    def strangers(self) -> int:
        """Count the connections without an allocation."""
        return sum(arrival.is_stranger for arrival in self._arrivals)

    def make_stream(self, arrival: Arrival, transport: Transport) -> Connection:
        """Make what reads a connection that has begun to speak."""
        return Connection(self, arrival, FiveTuple(transport, arrival.client, self.address))

    def forget(self, arrival: Arrival) -> None:
        """Forget a connection that has ended."""
        self._arrivals.discard(arrival)

    def _accept(self) -> None:
        for _ in range(_ACCEPTS):
            try:
                sock, name = self._socket.accept()
            except OSError as error:
                if error.errno in _EXHAUSTED and not self.streams.make_room():
                    self._pause()
                return
            self._take_in(sock, ClientAddress.parse(*name[:2]))

    def _take_in(self, sock: socket.socket, client: ClientAddress) -> None:
        if not self.streams.descriptors.find_room():
            self.tally.dropped(DropReason.CROWDED)
            sock.close()
            return
        sock.setblocking(False)
        self._arrivals.add(Arrival(self, sock, client))

    def _pause(self) -> None:
        """Wait for somebody to go: whoever connects meanwhile is in the kernel's queue."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        self._rest = loop.call_later(_REST_S, loop.add_reader, self._socket, self._accept)
