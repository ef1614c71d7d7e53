"""What comes to relayed transport addresses that are open, as listeners and gates ask about it."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from relay.address import FiveTuple
from relay.clock import Now
from relay.effects import Effect
from relay.forward.forwarder import Forwarder
from relay.forward.user.core import IcmpError
from relay.forward.user.gate import USERNAME, Gate
from relay.server import Server
from relay.stun.values import Icmp

_PARTY_PER_S = 400
"""Datagrams from one address of a party that no route forwards: its checks, which are 50 ms apart
where it has one of them to make (RFC 8445 section 14.2) and cost 70 µs each, and data too early."""

T = TypeVar("T")

Decide = Callable[[T, FiveTuple, Now], list[Effect]]
"""What the server makes of a datagram, or of an ICMP error."""


class Decider(Protocol):
    """Has the server decide, and does what follows. Raises: nothing."""

    def __call__(self, core: Decide[T], came: T, client: FiveTuple) -> None: ...


class PortCore:
    """
    Args:
        decide: see `Decider`.
        answers_per_s: what one source may have before it has authenticated.
    """

    def __init__(
        self,
        server: Server,
        forwarder: Forwarder,
        decide: Decider,
        answers_per_s: int,
    ) -> None:
        self._server = server
        self._decide = decide
        gate = Gate(self, answers_per_s, proof=USERNAME, client_per_s=_PARTY_PER_S)
        # Of data to an allocation, which no client of it has to prove anything for, more may come.
        forwarder.receive_ports(self, gate, outer=Gate(self, answers_per_s))

    def receive(self, datagram: bytes, client: FiveTuple) -> None:
        """Decide about a datagram that came to a port, and do what follows. Raises: nothing."""
        self._decide(self._server.receive_at_port, datagram, client)

    def receive_error(self, error: IcmpError, client: FiveTuple) -> None:
        """Decide about an ICMP error for what an outer port has sent. Raises: nothing."""
        self._decide(self._server.receive_icmp, Icmp(*error), client)

    def is_known(self, client: FiveTuple) -> bool:
        """Whether a party of that port is at this address, or may be. Raises: nothing."""
        return self._server.is_known_at_port(client)

    def is_proven(self, datagram: bytes, client: FiveTuple) -> bool:
        """Whether a datagram names what only that port's party was told. Raises: nothing."""
        return self._server.is_proven_at_port(datagram, client)
