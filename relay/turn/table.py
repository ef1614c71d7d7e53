"""The table everything is decided over: allocations, the calls they are in, who may reach whom.

Rules of this file: it holds values and keeps them consistent; it knows no wire format, no policy.
What is permitted in a closed call is an IP, the relay's, and with it every sibling and nobody else;
where `peers` is wider it is a leg. A channel is bound to an address. In a closed call it leads to
the sibling that has that address; where `peers` is wider, to the allocation that was meant: when
that is gone it leads nowhere, even if its port is given to another.
"""

import math
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from relay.address import FiveTuple, PeerAddress, ServerAddress
from relay.calls.pool import CallPorts, Entropy, PortPool
from relay.effects import LegKey, Via
from relay.turn.bindings import Binding, Demand
from relay.turn.legs import ClosedCall, Leg

if TYPE_CHECKING:
    from relay.turn.outer import OuterPort

PERMISSION_LIFETIME_S = 300.0  # RFC 8656 section 9
CHANNEL_LIFETIME_S = 600.0  # RFC 8656 section 12
CHANNEL_REST_S = 300.0  # before a channel may mean another peer: RFC 8656 section 12

_PEERS_PER_ALLOCATION = 256
"""Channels, and permissions, of one allocation; a call of eight legs needs at most 28."""

CONSENT_S = 30.0
"""An allocation over which nothing has come for so long carries nothing: RFC 7675 section 5.1."""


class Allocation:
    """RFC 8656 section 3: what one client holds, keyed by its five-tuple.

    `key` is the long-term key it authenticated with, kept so that a change of secrets does not
    disturb a running call. `queued` is the deadline the table's queue knows. `outer` is there where
    the relayed address can be reached from outside the relay. `used` is when data last crossed that
    the core has seen. `demanded_by` are the keys of the demands whose target this is.
    """

    __slots__ = (
        "bound",
        "channels",
        "client",
        "demanded_by",
        "demands",
        "expires",
        "is_alive",
        "key",
        "leg",
        "outer",
        "permissions",
        "queued",
        "relayed",
        "reservation",
        "transaction_id",
        "used",
        "username",
    )

    def __init__(self, client: FiveTuple, leg: Leg, relayed: PeerAddress, expires: float) -> None:
        self.client = client
        self.leg = leg
        self.relayed = relayed
        self.expires = expires
        self.queued = 0.0
        self.is_alive = True
        self.username = ""
        self.key = b""
        self.transaction_id = b""
        self.reservation = b""
        self.outer: OuterPort | None = None
        self.used = -math.inf
        self.channels: dict[int, Binding] = {}
        self.bound: dict[PeerAddress, Binding] = {}
        self.demands: dict[Via, Demand] = {}
        self.demanded_by: set[tuple[Allocation, Via]] = set()
        self.permissions: dict[bytes | LegKey, float] = {}

    def bind(self, binding: Binding) -> None:
        """Add a channel. Neither it nor its peer is bound so far."""
        self.channels[binding.channel] = self.bound[binding.peer] = binding

    def unbind(self, binding: Binding) -> None:
        """Take a channel away; its routes have been dropped."""
        del self.channels[binding.channel]
        del self.bound[binding.peer]

    def binding_to(self, target: "Allocation") -> Binding | None:
        """The channel that leads to this sibling, live or resting.

        Args:
            target: one that this allocation may know.
        """
        binding = self.bound.get(target.relayed)
        if binding is None or binding.target is target:
            return binding
        call = self.leg.call
        if not (call.closed and target.leg.call is call and target.is_alive):
            return None
        binding.target = target
        return binding

    def live_binding_to(self, target: "Allocation", mono: float) -> Binding | None:
        """The channel that leads to this sibling now."""
        binding = self.binding_to(target)
        return binding if binding and mono < binding.expires else None

    def has_permission(self, target: "Allocation", mono: float) -> bool:
        """Whether data may cross between this allocation and the sibling, as far as this one goes.

        A bound channel counts as permission while it lasts: clients that refresh channels only
        would otherwise fall silent after five minutes. A call that has been closed since counts.
        """
        if not (target.is_alive and self.may_meet(target)):
            return False
        if mono < target.permitted_until(self):
            return True
        return self.live_binding_to(target, mono) is not None

    def may_meet(self, other: "Allocation") -> bool:
        """Whether the two may be peers at all: of one call, or neither of a closed one."""
        call, others = self.leg.call, other.leg.call
        return call is others or not (call.closed or others.closed)

    def permit(self, by: "Allocation", until: float) -> None:
        """Let that allocation exchange data with this one, as far as that one goes."""
        by.permissions[by.scope_of(self)] = until

    def permitted_until(self, by: "Allocation") -> float:
        """Until when it may; 0 for never."""
        return by.permissions.get(by.scope_of(self), 0.0)

    def scope_of(self, peer: "Allocation") -> bytes | LegKey:
        """What a permission for this peer is for: see the rules of this file."""
        return peer.relayed.packed if self.leg.call.closed else peer.leg.key

    def may_name(self, address: PeerAddress) -> bool:
        """Whether a sibling of a closed call may be meant by an address: one that is there, or was.

        While the call rings that is every port of the relay's IP, so that nobody learns whether the
        callee has allocated.
        """
        call = self.leg.call
        if not call.closed or address.packed != self.relayed.packed:
            return False
        return not call.open or call.known.get(address.port, self.leg.key) != self.leg.key

    def carries(self, mono: float) -> bool:
        """Whether this allocation is in use: it has a route, or data has crossed lately."""
        return mono < self.used + CONSENT_S or self.is_routed

    @property
    def is_routed(self) -> bool:
        """Whether a route leads from it or to it."""
        if any(binding.is_routed for binding in self.channels.values()):
            return True
        demands = (source.demands[channel] for source, channel in self.demanded_by)
        return any(demand.expires for demand in chain(self.demands.values(), demands))

    def is_full(self, mono: float) -> bool:
        """Whether no further peer can be kept, once what has run out is forgotten."""
        if len(self.permissions) >= _PEERS_PER_ALLOCATION:
            self.permissions = {p: t for p, t in self.permissions.items() if mono < t}
        if len(self.channels) >= _PEERS_PER_ALLOCATION:
            for binding in list(self.channels.values()):
                if binding.expires + CHANNEL_REST_S <= mono:
                    self.unbind(binding)
        return max(len(self.permissions), len(self.channels)) >= _PEERS_PER_ALLOCATION

    def deadline(self) -> float:
        """When something of this allocation next runs out."""
        routed = [each.expires for each in self.channels.values() if each.is_routed]
        demanded = [each.expires for each in self.demands.values() if each.expires]
        return min([self.expires, *routed, *demanded])


class Table:
    """All allocations of the relay.

    Args:
        ports: relayed ports.
        shared: one pool for the whole relay (`peers: relay`) instead of one per call.
        relay_pool: of ports that are unique on this relay.
    """

    def __init__(self, ports: range, shared: bool, relay_pool: PortPool) -> None:
        self._ports = ports
        self._relay_pool = relay_pool
        self._shared_pool = relay_pool if shared else None
        self.by_outer_port: dict[ServerAddress, OuterPort] = {}
        self._shared_by_port: dict[int, Allocation] = {}
        self.calls: dict[str, ClosedCall] = {}
        self.by_client: dict[FiveTuple, Allocation] = {}

    def call(self, name: str, closed: bool) -> ClosedCall:
        """The call of this name, made where it is new."""
        call = self.calls.get(name)
        if call is None:
            pool = self._shared_pool or CallPorts(self._ports)
            call = self.calls[name] = ClosedCall(name, closed, pool)
        return call

    def count_ports(self, leg: LegKey, mono: float) -> int:
        """How many ports a leg uses of the pool that it would draw from: see `Pool.count`."""
        call = self.calls.get(leg.call)
        pool = call.pool if call else self._shared_pool
        return pool.count(leg, mono) if pool else 0

    def draw_outer(self, leg: Leg, most: int, entropy: Entropy, mono: float) -> int:
        """Take a port that is unique on this relay for a leg, or return -1.

        Args:
            most: ports that a leg may use.
        """
        own, relay = leg.call.pool, self._relay_pool
        if relay.count(leg.key, mono) >= most:
            return -1
        if isinstance(own, CallPorts):
            return relay.draw_with(own, entropy, mono, leg.key)
        return own.draw(entropy, mono, leg.key)

    def add(self, allocation: Allocation) -> None:
        """Put a new allocation in every index."""
        leg = allocation.leg
        leg.call.legs[leg.key.leg] = leg
        leg.allocations.append(allocation)
        self.by_client[allocation.client] = allocation
        leg.call.add(allocation)
        if self._shared_pool:
            self._shared_by_port[allocation.relayed.port] = allocation
        if allocation.outer is not None:
            self.by_outer_port[allocation.outer.server] = allocation.outer

    def remove(self, allocation: Allocation, mono: float) -> None:
        """Take an allocation out of every index and give its port back."""
        allocation.is_alive = False
        leg, port = allocation.leg, allocation.relayed.port
        leg.allocations.remove(allocation)
        del self.by_client[allocation.client]
        del leg.call.by_port[port]
        self._shared_by_port.pop(port, None)
        leg.call.pool.release(port, mono)
        if allocation.outer is not None:
            del self.by_outer_port[allocation.outer.server]
            if leg.call.pool is not self._relay_pool:
                self._relay_pool.release(port, mono)
            allocation.outer = None  # it leads back, as channels do
        allocation.permissions.clear()
        allocation.channels.clear()
        allocation.bound.clear()

    def peer(self, allocation: Allocation, address: PeerAddress, mono: float) -> Allocation | None:
        """The allocation that this one may know by that relayed address; None for all else.

        In a closed call that is another leg of the same call, or its unmasked party's own address
        (`relay.turn.outer`). A call that is not closed reaches every allocation of the relay but
        those of closed calls. There is no other destination, and none of the other family.
        """
        if address.family != allocation.relayed.family:
            return None
        call = allocation.leg.call
        by_port = call.by_port if call.closed else self._shared_by_port
        peer = by_port.get(address.port)
        if peer is None or peer.relayed != address or peer is allocation:
            return allocation.outer.peer(address, mono) if allocation.outer is not None else None
        if call.closed:
            return peer if peer.leg is not allocation.leg else None
        return None if peer.leg.call.closed else peer

    def follow(self, allocation: Allocation, binding: Binding, mono: float) -> Allocation | None:
        """Where a channel leads now; None for nowhere."""
        target = binding.target
        if target is not None and target.is_alive:
            return target
        if not allocation.leg.call.closed:
            return None
        later = self.peer(allocation, binding.peer, mono)
        if later is None or not later.is_alive:
            return None
        allocation.binding_to(later)
        return later

    def routes_of(
        self, allocation: Allocation
    ) -> Iterator[tuple[Allocation, Binding, Allocation, Binding]]:
        """Every pair of channels that join this allocation and a sibling, live or not."""
        for binding in allocation.channels.values():
            target = binding.target
            back = target.binding_to(allocation) if target is not None else None
            if target is not None and back is not None:
                yield allocation, binding, target, back
