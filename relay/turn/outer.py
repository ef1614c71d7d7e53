"""Half-relayed calls: the one unmasked party may reach its siblings from its own address.

The relayed address of a masked leg is a socket then, an outer port, and behind it are the unmasked
party's own addresses. Whose an address is, is shown by an allocation: the party has authenticated
from that IP, over a nonce that was sent there. Nothing that a party writes, or sends from anywhere
else, makes the relay send to an address or take anything from it.
"""

import ipaddress
import math

from relay.address import ClientAddress, FiveTuple, PeerAddress, ServerAddress, Transport
from relay.effects import NO_CHANNEL, ClosePort, Effect, OpenOuterPort
from relay.turn import demand
from relay.turn.bindings import Binding
from relay.turn.legs import ClosedCall, Leg
from relay.turn.routes import Routes
from relay.turn.table import CHANNEL_REST_S, Allocation

_OWN_ADDRESSES = 16
"""Known behind one outer port: a host has a few interfaces, and NAT gives each a few ports."""

_OWN_IPS = 8  # of one party: it moves between networks while it talks


class OwnAddress(Allocation):
    """An unmasked party's own address, as one masked allocation of its call knows it.

    It stands in the table as an allocation would whose client talks to that one's outer port
    without TURN, on a channel that it has bound for good. So permissions, channels and routes mean
    what they mean between siblings. Until it is shown to be a party's it is not alive.
    """

    __slots__ = ("_ip", "of")

    def __init__(self, address: PeerAddress, of: Allocation, port: ServerAddress) -> None:
        client = ClientAddress(address.packed, address.port)
        super().__init__(FiveTuple(Transport.UDP, client, port), of.leg, address, math.inf)
        self._ip = address.packed
        self.of = of
        self.is_alive = False

    def belong(self, leg: Leg) -> None:
        """It is this party's."""
        self.leg = leg
        self.is_alive = True
        self.channels.clear()
        self.bound.clear()
        self.bind(Binding(NO_CHANNEL, self.of.relayed, self.of, math.inf))

    def end(self) -> None:
        """It is nobody's any more."""
        self.is_alive = False
        demand.forget(self.of, self.relayed)
        self.bound.clear()
        self.channels.clear()  # they lead back: without this only the cyclic collector frees both

    def permit(self, by: Allocation, until: float) -> None:
        """For every port of its IP: RFC 8656 section 9. Behind NAT it has another for each peer."""
        if by.outer is not None:
            by.outer.permit(self._ip, until)

    def permitted_until(self, by: Allocation) -> float:
        """Until when it may; 0 for never."""
        return by.outer.permissions.get(self._ip, 0.0) if by.outer is not None else 0.0


class OuterPort:
    """A masked allocation's relayed address as a socket, and the own addresses known behind it.

    Args:
        server: what this host calls the relayed address.
        of: the allocation.
    """

    __slots__ = ("is_open", "is_opened", "of", "own", "permissions", "server")

    def __init__(self, server: ServerAddress, of: Allocation) -> None:
        self.server = server
        self.is_open = True
        self.is_opened = False
        self.own: dict[PeerAddress, OwnAddress] = {}
        self.permissions: dict[bytes, float] = {}
        self.of = of

    def open(self) -> list[Effect]:
        """Have the socket opened, if the call has been accepted: while it rings nobody outside
        may see which ports there are.
        """
        if self.is_opened or not self.is_open or not self.of.leg.call.open:
            return []
        self.is_opened = True
        return [OpenOuterPort(self.server)]

    def permit(self, ip: bytes, until: float) -> None:
        """Let the allocation exchange data with this IP; the one permitted longest ago makes room.

        What is expected is forgotten, and who names enough of it would fill the memory.
        """
        self.permissions.pop(ip, None)
        self.permissions[ip] = until
        if len(self.permissions) > _OWN_ADDRESSES:
            del self.permissions[next(iter(self.permissions))]

    def is_known(self, client: ClientAddress) -> bool:
        """Whether data from there has come, and is the unmasked party's."""
        own = self.own.get(PeerAddress(client.packed, client.port))
        return own is not None and own.is_alive

    def peer(self, address: PeerAddress, mono: float) -> OwnAddress | None:
        """The unmasked party's own address that this is; None for all else.

        It is one if the party has authenticated from its IP, whatever anybody says.
        """
        known = self.own.get(address)
        if known is not None:
            return known
        leg = next((leg for leg in self._unmasked() if address.packed in leg.own_ips), None)
        if leg is None:
            return None
        own = self._add(address, mono)
        if own is not None:
            own.belong(leg)
        return own

    def expect(self, address: PeerAddress, mono: float) -> OwnAddress | None:
        """An address that may turn out to be the unmasked party's; None where that is settled.

        Its client tells the other side candidates before it has an allocation. What is refused then
        is not asked for again, so it is noted, and nothing crosses until the party has shown up.
        While the call rings nothing is settled: what is refused would tell that it has.
        """
        own_ips = [ip for leg in self._unmasked() for ip in leg.own_ips]
        is_settled = self.of.leg.call.open and any(len(ip) == len(address.packed) for ip in own_ips)
        is_relay = address.packed in (self.server.packed, self.of.relayed.packed)
        if is_settled or is_relay or address.family != self.server.family:
            return None
        return self._add(address, mono)

    def confirm(self, ip: bytes, leg: Leg) -> list[OwnAddress]:
        """A party has authenticated from there. Returns: its own among those expected."""
        own = [own for own in self.own.values() if own.relayed.packed == ip and not own.is_alive]
        for each in own:
            each.belong(leg)
        return own

    def forget(self, own: OwnAddress) -> None:
        """This address is a peer no longer; its routes have been dropped."""
        own.end()
        del self.own[own.relayed]

    def close(self) -> list[Effect]:
        """Nobody is a peer any longer; all routes have been dropped."""
        for own in list(self.own.values()):
            self.forget(own)
        was_open, self.is_open = self.is_open and self.is_opened, False
        return [ClosePort(self.server)] if was_open else []

    def _unmasked(self) -> list[Leg]:
        return [leg for leg in self.of.leg.call.legs.values() if not leg.masked]

    def _add(self, address: PeerAddress, mono: float) -> OwnAddress | None:
        if not self.is_open or not self._has_room(mono):
            return None
        own = self.own[address] = OwnAddress(address, self.of, self.server)
        return own

    def _has_room(self, mono: float) -> bool:
        """Whether one more can be known, once one that neither channel nor route leads to is
        forgotten.
        """
        if len(self.own) < _OWN_ADDRESSES:
            return True
        for own in self.own.values():
            binding = self.of.binding_to(own)
            is_bound = binding is not None and mono < binding.expires + CHANNEL_REST_S
            if not (is_bound or own.is_routed):
                self.forget(own)
                return True
        return False


def confine(call: ClosedCall, routes: Routes, *, is_half_relayed: bool) -> list[Effect]:
    """Masked parties' own addresses are peers no longer; in a call that is not half-relayed any
    more nobody's are, and its outer ports are closed.
    """
    effects: list[Effect] = []
    for outer in _outer_ports(call):
        for own in list(outer.own.values()):
            if not is_half_relayed or (own.is_alive and own.leg.masked):
                effects += routes.drop(own)
                outer.forget(own)
        if not is_half_relayed:
            effects += outer.close()
    return effects


def remember_own(leg: Leg, client: FiveTuple, relay_ips: frozenset[bytes]) -> list[OwnAddress]:
    """A leg's party has authenticated from this address.

    Args:
        relay_ips: packed; no party's, but for loopback, which is everybody's there.
    Returns: what siblings have expected to be its own, and is.
    """
    ip = client.client.packed
    is_party = ip not in relay_ips or ipaddress.ip_address(ip).is_loopback
    if leg.masked or not is_party or ip in leg.own_ips:
        return []
    leg.own_ips = (*leg.own_ips, ip)[-_OWN_IPS:]
    return [own for outer in _outer_ports(leg.call) for own in outer.confirm(ip, leg)]


def _outer_ports(call: ClosedCall) -> list[OuterPort]:
    return [each.outer for each in call.by_port.values() if each.outer is not None]
