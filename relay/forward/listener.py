"""What the forwarder asks of a listener, whichever transport its clients use."""

import asyncio
from abc import ABC, abstractmethod

from relay.address import FiveTuple, ServerAddress, Transport
from relay.effects import Via
from relay.forward.user.routes import Outlet, Route


class Listener(ABC):
    """A socket of the relay that clients reach, and the routes from them.

    `address` is where it is bound; `transports` are those over which its clients may come, the one
    that it is for first. A client that is gone is no error: nothing is sent to it, and no route
    starts there.
    """

    address: ServerAddress
    transports: tuple[Transport, ...]

    @abstractmethod
    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Receive from now on."""

    @abstractmethod
    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Receive no longer, and give the port back."""

    @abstractmethod
    def send(self, client: FiveTuple, datagram: bytes) -> None:
        """Send an answer to a client."""

    def send_whole(self, client: FiveTuple, datagram: bytes) -> None:
        """Send relayed data that is lost where it does not fit the path whole; a stream has none
        that does not.
        """
        self.send(client, datagram)

    @abstractmethod
    def outlet(self, client: FiveTuple) -> Outlet | None:
        """Find the way to send relayed data to a client; None if the client is gone."""

    @abstractmethod
    def set_route(self, client: FiveTuple, channel: Via, route: Route) -> None:
        """Forward what this client sends on this channel, or to this peer; replaces."""

    @abstractmethod
    def drop_route(self, client: FiveTuple, channel: Via) -> None:
        """Forward no longer on this channel. A route that does not exist is no error."""

    @property
    @abstractmethod
    def routes(self) -> int:
        """Count the routes that start at this listener."""
