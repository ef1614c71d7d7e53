"""What the listeners ask of the core, wired by the daemon."""

from typing import Protocol

from relay.address import FiveTuple


class Receiver(Protocol):
    """What decides about datagrams, with the effects of its decisions applied."""

    def receive(self, datagram: bytes, client: FiveTuple) -> None:
        """Take a datagram, or a frame of a stream, that no route forwards."""
        ...


class Judge(Protocol):
    """What knows clients from strangers, and strangers from forged ones."""

    def is_known(self, client: FiveTuple) -> bool:
        """Whether this client holds an allocation, or else is one that this is for."""
        ...

    def is_proven(self, datagram: bytes, client: FiveTuple) -> bool:
        """Whether a datagram has what only its client was told, such as a nonce made for it."""
        ...


class Core(Receiver, Protocol):
    """The TURN server."""

    def disconnect(self, client: FiveTuple) -> None:
        """A client's connection has ended."""
        ...

    def is_known(self, client: FiveTuple) -> bool:
        """Whether this client holds an allocation."""
        ...
