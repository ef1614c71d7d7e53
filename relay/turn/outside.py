"""Who may be a peer outside of the relay: the rules of outer ports.

Rules of this file: each is a list of what may be, never of what may not, but for `Anywhere`, which
is classic TURN. None of them ever names the relay or its host.
"""

import ipaddress
from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from relay.address import PeerAddress
from relay.calls.call import Call, Leg
from relay.calls.reach import Listed, Reach
from relay.special_use import LOOPBACK, Denied, is_in
from relay.turn.settings import TurnSettings

_OWN_ADDRESSES = 16
"""Known behind one outer port: a host has a few interfaces, and NAT gives each a few ports."""

_OWN_IPS = 8  # of one party: it moves between networks while it talks

_PEERS = 256
"""Of one allocation, as many as it may have channels."""


class Outside(Protocol):
    """Who may be a peer of an allocation that has an outer port.

    `most`: so many at once. `is_shown`: an allocation shows whose an address is; else somebody has
    named it, and without peers the allocation is of no use. `leg`: what comes from there is charged
    to it, unless it is a leg's of the call. `is_over`: nobody is a peer, any more.
    """

    most: int
    is_shown: bool

    @property
    def leg(self) -> Leg | None: ...

    @property
    def is_over(self) -> bool: ...

    def leg_at(self, address: PeerAddress) -> Leg | None:
        """The leg that data from this address is charged to; None where no peer may be there."""
        ...

    def expects(self, address: PeerAddress) -> bool:
        """Whether it may yet turn out that a peer is there."""
        ...

    def keeps(self, leg: Leg) -> bool:
        """Whether what was a leg's address may still be a peer."""
        ...


class Unmasked:
    """Half-relayed calls: the one unmasked party may reach its siblings from its own address.

    Whose an address is, is shown by an allocation: the party has authenticated from that IP, over a
    nonce that was sent there.
    """

    most = _OWN_ADDRESSES
    is_shown = True
    leg = None

    def __init__(self, call: Call) -> None:
        self._call = call

    @property
    def is_over(self) -> bool:
        return not self._call.half_relayed

    def leg_at(self, address: PeerAddress) -> Leg | None:
        return next((leg for leg in self._unmasked() if address.packed in leg.own_ips), None)

    def expects(self, address: PeerAddress) -> bool:
        """While the call rings nothing is settled: what is refused would tell that the party has
        allocated.
        """
        own_ips = [ip for leg in self._unmasked() for ip in leg.own_ips]
        return not (self._call.is_active and any(len(ip) == len(address.packed) for ip in own_ips))

    def keeps(self, leg: Leg) -> bool:
        return not leg.masked

    def _unmasked(self) -> list[Leg]:
        return [leg for leg in self._call.legs if not leg.masked]


class MediaServers:
    """The media servers of a call, at the addresses that the signaling server declared."""

    most = _PEERS
    is_shown = False
    leg = None

    def __init__(self, call: Call, reach: Reach) -> None:
        self._call = call
        self._reach = reach

    @property
    def is_over(self) -> bool:
        return not self._call.media_servers

    def leg_at(self, address: PeerAddress) -> Leg | None:
        for leg in self._call.media_servers:
            if leg.listed is not None and leg.listed.has(address):
                return leg if self._reach.admits(address) else None
        return None

    def expects(self, address: PeerAddress) -> bool:
        return False

    def keeps(self, leg: Leg) -> bool:
        return leg in self._call.legs


class Anywhere:
    """Hosts that the operator allows to whoever is in no closed call: those that are listed, or all
    that are not denied.

    Args:
        leg: of one allocation, for what comes to it.
        listed: None for `peers: any`.
    """

    most = _PEERS
    is_shown = False

    def __init__(self, leg: Leg, reach: Reach, listed: Sequence[Listed] | None) -> None:
        self.leg: Leg = leg
        self._reach = reach
        self._listed = listed

    @property
    def is_over(self) -> bool:
        return self.leg.call.closed

    def leg_at(self, address: PeerAddress) -> Leg | None:
        listed = self._listed
        if listed is None:
            is_named = address.port > 0 and not is_in(address.packed, LOOPBACK)
        else:
            is_named = any(each.has(address) for each in listed)
        return self.leg if is_named and self._reach.admits(address) else None

    def expects(self, address: PeerAddress) -> bool:
        return False

    def keeps(self, leg: Leg) -> bool:
        return leg is self.leg


class Kind(Enum):
    """Which rule an allocation's outer port has; NOBODY where it has none."""

    NOBODY = "nobody"
    UNMASKED = "unmasked"
    MEDIA_SERVERS = "media_servers"
    ANYWHERE = "anywhere"


class Outsides:
    """Chooses the rule for a leg."""

    def __init__(self, settings: TurnSettings) -> None:
        own = (*settings.relayed_ips, *settings.local_ips)
        ports, is_this_host, relayed = settings.own_ports, settings.is_this_host, settings.ports
        special = Denied(default=True, allowed=settings.allow_private)
        is_any = settings.peers == "any"
        denied = settings.denied_peers if is_any else special
        self._listed_reach = Reach(own, ports, special, is_this_host, relayed)
        self._reach = Reach(own, ports, denied, is_this_host, relayed)
        self._listed = None if is_any else settings.listed_peers
        self._is_wide = settings.peers in ("listed", "any")

    def kind(self, leg: Leg) -> Kind:
        """Which rule a leg's allocations have."""
        call = leg.call
        if call.media_servers:
            return Kind.MEDIA_SERVERS
        if call.half_relayed and leg.masked:
            return Kind.UNMASKED
        return Kind.ANYWHERE if self._is_wide and not call.closed else Kind.NOBODY

    def of(self, leg: Leg, port: int) -> Outside:
        """The rule for one allocation of a leg, which is not NOBODY's.

        Args:
            port: of its relayed address, for a name that no other leg has.
        """
        call, kind = leg.call, self.kind(leg)
        if kind is Kind.MEDIA_SERVERS:
            return MediaServers(call, self._listed_reach)
        if kind is Kind.UNMASKED:
            return Unmasked(call)
        charged = Leg(call, f"{leg.id} from outside to {port}", "", masked=False)
        return Anywhere(charged, self._reach, self._listed)

    def may_be_media_server(self, listed: Listed) -> bool:
        """Whether a media server may be declared at these addresses."""
        first = PeerAddress(listed.network.network_address.packed, listed.ports.start)
        return self._listed_reach.admits(first)


def is_partys(ip: bytes, relay_ips: frozenset[bytes]) -> bool:
    """Whether a party may be at an IP: at none of the relay's, but for loopback, which is
    everybody's there.
    """
    return ip not in relay_ips or ipaddress.ip_address(ip).is_loopback


def remember_ip(leg: Leg, ip: bytes) -> None:
    """A leg's party has authenticated from this IP; the one known longest makes room."""
    leg.own_ips = (*leg.own_ips, ip)[-_OWN_IPS:]
