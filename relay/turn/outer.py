"""Half-relayed calls: the one unmasked party may reach its siblings from its own address.

The relayed address of a masked leg is a socket then, an outer port, and behind it are the unmasked
party's own addresses. Whose an address is, is shown by an allocation: the party has authenticated
from that IP, over a nonce that was sent there. Nothing that a party writes, or sends from anywhere
else, makes the relay send to an address or take anything from it.
"""

import ipaddress
import math

from relay.address import ClientAddress, FiveTuple, PeerAddress, ServerAddress, Transport
from relay.calls.call import Leg
from relay.effects import NO_CHANNEL, ClosePort, Effect, OpenPort
from relay.turn.peer import CHANNEL_REST_S, Binding, Peer
from relay.turn.routes import forget_demand

_OWN_ADDRESSES = 16
"""Known behind one outer port: a host has a few interfaces, and NAT gives each a few ports."""

_OWN_IPS = 8  # of one party: it moves between networks while it talks


class OwnAddress(Peer):
    """An unmasked party's own address, as one masked allocation of its call knows it.

    Its one channel is NO_CHANNEL, bound for good: it talks to that allocation's outer port without
    TURN. So permissions, channels and routes mean what they mean between allocations. Until it is
    shown to be a party's it is not alive.
    """

    __slots__ = ("port",)

    def __init__(self, address: PeerAddress, port: "OuterPort") -> None:
        client = ClientAddress(address.packed, address.port)
        five_tuple = FiveTuple(Transport.UDP, client, port.server)
        super().__init__(five_tuple, port.of.leg, address, math.inf)
        self.port = port
        self.is_alive = False

    def belong(self, leg: Leg) -> None:
        """Take the address for this party's: it has authenticated from its IP."""
        self.leg = leg
        self.is_alive = True
        self.clear()
        of = self.port.of
        self.bind(Binding(self, NO_CHANNEL, of.relayed, of, math.inf))

    def end(self) -> None:
        """Take the address for nobody's."""
        self.is_alive = False
        forget_demand(self.port.of, self.relayed)
        self.clear()

    def permit(self, by: Peer, until: float) -> None:
        """For every port of its IP: RFC 8656 section 9. Behind NAT it has another for each peer."""
        if by is self.port.of:
            self.port.permit(self.relayed.packed, until)

    def named_until(self, by: Peer) -> float:
        """Until when a permission of the allocation lets it; 0 for never."""
        return self.port.permissions.get(self.relayed.packed, 0.0) if by is self.port.of else 0.0


class OuterPort:
    """A masked allocation's relayed address as a socket, and the own addresses known behind it.

    Args:
        server: what this host calls the relayed address.
        of: the allocation.
    """

    __slots__ = ("_is_opened", "is_over", "of", "own", "permissions", "server")

    def __init__(self, server: ServerAddress, of: Peer) -> None:
        self.server = server
        self.of = of
        self.own: dict[PeerAddress, OwnAddress] = {}
        self.permissions: dict[bytes, float] = {}
        self.is_over = False
        self._is_opened = False

    def open(self) -> list[Effect]:
        """Have the socket opened, if the call has been accepted: while it rings nobody outside
        may see which ports there are.
        """
        if self._is_opened or self.is_over or not self.of.leg.call.is_active:
            return []
        self._is_opened = True
        return [OpenPort(self.server, is_outer=True)]

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
        is_active = self.of.leg.call.is_active
        is_settled = is_active and any(len(ip) == len(address.packed) for ip in own_ips)
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

    def close(self, *, is_lost: bool = False) -> list[Effect]:
        """Nobody is a peer any longer; all routes have been dropped.

        Args:
            is_lost: it could not be opened.
        """
        for own in list(self.own.values()):
            self.forget(own)
        was_open, self.is_over = self._is_opened and not self.is_over, True
        return [ClosePort(self.server)] if was_open and not is_lost else []

    def _unmasked(self) -> list[Leg]:
        return [leg for leg in self.of.leg.call.legs if not leg.masked]

    def _add(self, address: PeerAddress, mono: float) -> OwnAddress | None:
        if self.is_over or not self._has_room(mono):
            return None
        own = self.own[address] = OwnAddress(address, self)
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


def is_partys(ip: bytes, relay_ips: frozenset[bytes]) -> bool:
    """Whether a party may be at an IP: at none of the relay's, but for loopback, which is
    everybody's there.
    """
    return ip not in relay_ips or ipaddress.ip_address(ip).is_loopback


def remember_ip(leg: Leg, ip: bytes) -> None:
    """A leg's party has authenticated from this IP; the one known longest makes room."""
    leg.own_ips = (*leg.own_ips, ip)[-_OWN_IPS:]
