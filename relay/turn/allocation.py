"""What one client holds: RFC 8656 section 3."""

from typing import cast

from relay.address import FiveTuple, PeerAddress
from relay.calls.call import Call, Leg
from relay.turn.names import Name
from relay.turn.outer import OuterPeer, OuterPort
from relay.turn.outside import is_partys, remember_ip
from relay.turn.peer import CHANNEL_REST_S, Peer

_PEERS_PER_ALLOCATION = 256
"""Channels, and permissions, of one allocation; a call of eight legs needs at most 28."""


class Allocation(Peer):
    """An allocation, keyed by its client's five-tuple; or, where the client has one with both
    families of address, one side of it, with channels, permissions and a lifetime of its own.

    `key` is the long-term key it authenticated with and `name` what its username named, kept so
    that a change of secrets or users does not disturb it. `outer` is there where the relayed
    address can be reached from outside the relay. `twin` is the other side.
    """

    __slots__ = ("key", "name", "outer", "reservation", "transaction_id", "twin", "username")

    def __init__(self, client: FiveTuple, leg: Leg, relayed: PeerAddress, expires: float) -> None:
        super().__init__(client, leg, relayed, expires)
        self.username = ""
        self.name: Name | None = None
        self.key = b""
        self.transaction_id = b""
        self.reservation = b""
        self.outer: OuterPort | None = None
        self.twin: Allocation | None = None

    @property
    def sides(self) -> "tuple[Allocation, ...]":
        """All that its client holds: this side first."""
        return (self,) if self.twin is None else (self, self.twin)

    def towards(self, address: PeerAddress) -> "Allocation":
        """The side whose peers are of that address's family; this one where neither's are."""
        family = address.family
        return next((each for each in self.sides if each.relayed.family == family), self)

    def may_name(self, address: PeerAddress) -> bool:
        """Whether a sibling of a closed call may be meant by an address: one that is there, or was.

        While the call rings that is every port of the relay's IP, so that nobody learns whether the
        callee has allocated.
        """
        call, own = self.leg.call, self.leg.key
        if not call.closed or address.packed != self.relayed.packed:
            return False
        return not call.is_active or call.known.get(address.port, own) != own

    def is_full(self, mono: float) -> bool:
        """Whether no further peer can be kept, once what has run out is forgotten."""
        if len(self.permissions) >= _PEERS_PER_ALLOCATION:
            self.permissions = {p: t for p, t in self.permissions.items() if mono < t}
        if len(self.channels) >= _PEERS_PER_ALLOCATION:
            channels = self.channels.values()
            self.unbind(*(each for each in channels if each.expires + CHANNEL_REST_S <= mono))
        return max(len(self.permissions), len(self.channels)) >= _PEERS_PER_ALLOCATION


def allocations_of(leg: Leg) -> tuple[Allocation, ...]:
    """List the allocations of a leg, the latest last (some clients open a dozen)."""
    return cast("tuple[Allocation, ...]", leg.held)


def allocations_in(call: Call) -> list[Allocation]:
    """List the allocations of a call, the latest last."""
    return cast("list[Allocation]", list(call.by_port.values()))


def in_use(leg: Leg) -> Allocation:
    """The allocation that carries the media: it has a route, or data has crossed last; of several
    the latest. There is one.
    """
    return max(reversed(allocations_of(leg)), key=lambda each: (each.is_routed, each.used))


def outer_ports(call: Call) -> list[OuterPort]:
    """The outer ports of a call."""
    return [each.outer for each in allocations_in(call) if each.outer is not None]


def remember_own(leg: Leg, ip: bytes, relay_ips: frozenset[bytes]) -> list[OuterPeer]:
    """A leg's party has authenticated from this IP.

    Args:
        relay_ips: packed; no party's.
    Returns: what siblings have expected to be its own, and is.
    """
    if leg.masked or ip in leg.own_ips or not is_partys(ip, relay_ips):
        return []
    remember_ip(leg, ip)
    return [own for outer in outer_ports(leg.call) for own in outer.confirm(ip, leg)]
