"""Half-relayed calls: the one unmasked party may reach its siblings from its own address.

The relayed address of a masked leg is a socket then, an outer port, and behind it are the unmasked
party's own addresses. Whose an address is, is shown by an allocation: the party has authenticated
from that IP, over a nonce that was sent there. Nothing that a party writes, or sends from anywhere
else, makes the relay send to an address or take anything from it.
"""

import ipaddress
import math

from relay.address import ClientAddress, FiveTuple, PeerAddress, ServerAddress, Transport
from relay.turn.effects import NO_CHANNEL, ClosePort, Effect
from relay.turn.routes import Routes
from relay.turn.table import Allocation, Binding, ClosedCall, Leg, Table

_OWN_ADDRESSES = 16
"""Known behind one outer port: a host has a few interfaces, and NAT gives each a few ports."""

_OWN_IPS = 8  # of one party: it moves between networks while it talks


class OwnAddress(Allocation):
    """An unmasked party's own address, as one masked allocation of its call knows it.

    It stands in the table as an allocation would whose client talks to that one's outer port
    without TURN, on a channel that it has bound for good. So permissions, channels and routes mean
    what they mean between siblings.
    """

    __slots__ = ("_ip",)

    def __init__(self, address: PeerAddress, leg: Leg, of: Allocation, port: ServerAddress) -> None:
        client = ClientAddress(address.packed, address.port)
        super().__init__(FiveTuple(Transport.UDP, client, port), leg, address, math.inf)
        self._ip = address.packed
        self.channels[NO_CHANNEL] = Binding(NO_CHANNEL, of, math.inf)

    def permit(self, by: Allocation, until: float) -> None:
        """For every port of its IP: RFC 8656 section 9. Behind NAT it has another for each peer."""
        if by.outer is not None:
            by.outer.permissions[self._ip] = until

    def permitted_until(self, by: Allocation) -> float:
        """Until when it may; 0 for never."""
        return by.outer.permissions.get(self._ip, 0.0) if by.outer is not None else 0.0


class OuterPort:
    """A masked allocation's relayed address as a socket, and the own addresses known behind it.

    Args:
        server: what this host calls the relayed address.
        of: the allocation.
    """

    __slots__ = ("_of", "is_open", "own", "permissions", "server")

    def __init__(self, server: ServerAddress, of: Allocation) -> None:
        self.server = server
        self.is_open = True
        self.own: dict[PeerAddress, OwnAddress] = {}
        self.permissions: dict[bytes, float] = {}
        self._of = of

    def peer(self, address: PeerAddress) -> OwnAddress | None:
        """The unmasked party's own address that this is; None for all else.

        It is one if the party has authenticated from its IP, whatever anybody says.
        """
        if not self.is_open:
            return None
        known = self.own.get(address)
        if known is None:
            leg = self._leg_at(address.packed)
            if leg is not None and self._has_room():
                known = self.own[address] = OwnAddress(address, leg, self._of, self.server)
        return known

    def forget(self, own: OwnAddress) -> None:
        """This address is a peer no longer; its routes have been dropped."""
        own.is_alive = False
        own.channels.clear()  # it leads back: without this only the cyclic collector frees both
        del self.own[own.relayed]

    def close(self) -> list[Effect]:
        """Nobody is a peer any longer; all routes have been dropped."""
        for own in list(self.own.values()):
            self.forget(own)
        was_open, self.is_open = self.is_open, False
        return [ClosePort(self.server)] if was_open else []

    def _leg_at(self, ip: bytes) -> Leg | None:
        legs = self._of.leg.call.legs.values()
        return next((leg for leg in legs if not leg.masked and ip in leg.own_ips), None)

    def _has_room(self) -> bool:
        """Whether one more can be known, once one that no channel leads to is forgotten."""
        if len(self.own) < _OWN_ADDRESSES:
            return True
        for own in self.own.values():
            if self._of.binding_to(own) is None:
                self.forget(own)
                return True
        return False


class OuterPorts:
    """Closes what calls may have open no longer."""

    def __init__(self, table: Table, routes: Routes) -> None:
        self._table = table
        self._routes = routes

    def confine(self, call: ClosedCall, *, is_half_relayed: bool) -> list[Effect]:
        """Masked parties' own addresses are peers no longer; in a call that is not half-relayed any
        more nobody's are, and its outer ports are closed.
        """
        effects: list[Effect] = []
        for allocation in call.by_port.values():
            outer = allocation.outer
            if outer is None:
                continue
            for own in [own for own in outer.own.values() if own.leg.masked or not is_half_relayed]:
                effects += self._routes.drop(own)
                outer.forget(own)
            if not is_half_relayed:
                effects += outer.close()
        return effects

    def lose(self, port: ServerAddress) -> None:
        """A port could not be opened: nobody reaches the allocation from outside."""
        allocation = self._table.by_outer_port.get(port)
        if allocation is not None and allocation.outer is not None:
            allocation.outer.close()


def remember_own(leg: Leg, client: FiveTuple, relay_ips: frozenset[bytes]) -> None:
    """A leg's party has authenticated from this address.

    Args:
        relay_ips: packed; no party's, but for loopback, which is everybody's there.
    """
    ip = client.client.packed
    is_party = ip not in relay_ips or ipaddress.ip_address(ip).is_loopback
    if not leg.masked and is_party and ip not in leg.own_ips:
        leg.own_ips = (*leg.own_ips, ip)[-_OWN_IPS:]
