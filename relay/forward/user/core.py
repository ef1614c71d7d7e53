"""What the listeners ask of the core, wired by the daemon."""

from typing import NamedTuple, Protocol

from relay.address import FiveTuple


class Receiver(Protocol):
    """Decides about datagrams, and applies the effects."""

    def receive(self, datagram: bytes, client: FiveTuple) -> None:
        """Take a datagram, or a frame of a stream, that no route forwards."""
        ...


class IcmpError(NamedTuple):
    """Type and code of an ICMP error, and what the kernel read from it: a path MTU, or 0."""

    type: int
    code: int
    info: int


class PortReceiver(Receiver, Protocol):
    """Decides about what comes to relayed ports."""

    def receive_error(self, error: IcmpError, client: FiveTuple) -> None:
        """Take an ICMP error for what an outer port has sent there."""
        ...


class Judge(Protocol):
    """Tells clients from strangers, and strangers from forged sources."""

    def is_known(self, client: FiveTuple) -> bool:
        """Whether this client holds an allocation, or else is one that this is for."""
        ...

    def is_proven(self, datagram: bytes, client: FiveTuple) -> bool:
        """Whether a datagram has what only its client was told, such as a nonce made for it."""
        ...


class Core(Receiver, Protocol):
    """Decides about what clients of a listener send."""

    def disconnect(self, client: FiveTuple) -> None:
        """Hear that a client's connection has ended."""
        ...

    def is_known(self, client: FiveTuple) -> bool:
        """Whether this client holds an allocation."""
        ...
