"""The table everything is decided over: allocations, the calls they are in, who may reach whom.

Rules of this file: it holds values and keeps them consistent; it knows no wire format, no policy.
A permission or channel points at the sibling's allocation itself, not at its address: when that
allocation is gone it leads nowhere, even if its port is given to another.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from relay.address import FiveTuple, PeerAddress, ServerAddress
from relay.turn.effects import LegKey
from relay.turn.ports import Entropy, PortPool

if TYPE_CHECKING:
    from relay.turn.outer import OuterPort

PERMISSION_LIFETIME_S = 300.0  # RFC 8656 section 9
CHANNEL_LIFETIME_S = 600.0  # RFC 8656 section 12
CHANNEL_REST_S = 300.0  # before a channel may mean another peer: RFC 8656 section 12

_PEERS_PER_ALLOCATION = 256
"""Channels, and permissions, of one allocation; a call of eight legs needs at most 28."""


class ClosedCall:
    """The allocations of one call. `closed`: they reach each other and nothing else."""

    __slots__ = ("by_port", "closed", "expires", "id", "legs", "open", "pool")

    def __init__(self, call: str, closed: bool, pool: PortPool) -> None:
        self.id = call
        self.open = False
        self.closed = closed
        self.expires = 0.0
        self.pool = pool
        self.legs: dict[str, Leg] = {}
        self.by_port: dict[int, Allocation] = {}

    def is_open(self, mono: float) -> bool:
        """Whether data may cross: the call has been accepted and its time is not up."""
        return self.open and mono < self.expires


class Leg:
    """One party's place in a call, and its allocations (a client opens about four).

    `own_ips` are those that an unmasked party has authenticated from in this call, packed.
    """

    __slots__ = ("allocations", "call", "key", "masked", "own_ips")

    def __init__(self, call: ClosedCall, name: str) -> None:
        self.call = call
        self.key = LegKey(call.id, name)
        self.masked = True
        self.own_ips: tuple[bytes, ...] = ()
        self.allocations: list[Allocation] = []


class Binding:
    """A channel of one allocation: where it leads and until when (monotonic seconds)."""

    __slots__ = ("channel", "expires", "is_routed", "target")

    def __init__(self, channel: int, target: "Allocation", expires: float) -> None:
        self.channel = channel
        self.target = target
        self.expires = expires
        self.is_routed = False


class Allocation:
    """RFC 8656 section 3: what one client holds, keyed by its five-tuple.

    `key` is the long-term key it authenticated with, kept so that a change of secrets does not
    disturb a running call. `queued` is the deadline the table's queue knows. `outer` is there where
    the relayed address can be reached from outside the relay.
    """

    __slots__ = (
        "channels",
        "client",
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
        self.channels: dict[int, Binding] = {}
        self.permissions: dict[Allocation, float] = {}

    def binding_to(self, target: "Allocation") -> Binding | None:
        """The channel that leads to this sibling, live or resting."""
        return next((b for b in self.channels.values() if b.target is target), None)

    def live_binding_to(self, target: "Allocation", mono: float) -> Binding | None:
        """The channel that leads to this sibling now."""
        binding = self.binding_to(target)
        return binding if binding and mono < binding.expires else None

    def has_permission(self, target: "Allocation", mono: float) -> bool:
        """Whether data may cross between this allocation and the sibling, as far as this one goes.

        A bound channel counts as permission while it lasts: clients that refresh channels only
        would otherwise fall silent after five minutes.
        """
        if not target.is_alive:
            return False
        if mono < target.permitted_until(self):
            return True
        return self.live_binding_to(target, mono) is not None

    def permit(self, by: "Allocation", until: float) -> None:
        """Let that allocation exchange data with this one, as far as that one goes."""
        by.permissions[self] = until

    def permitted_until(self, by: "Allocation") -> float:
        """Until when it may; 0 for never."""
        return by.permissions.get(self, 0.0)

    def is_full(self, mono: float) -> bool:
        """Whether no further peer can be kept, once what has run out is forgotten."""
        if len(self.permissions) >= _PEERS_PER_ALLOCATION:
            live = {p: t for p, t in self.permissions.items() if p.is_alive and mono < t}
            self.permissions = live
        if len(self.channels) >= _PEERS_PER_ALLOCATION:
            self.channels = {
                c: b for c, b in self.channels.items() if mono < b.expires + CHANNEL_REST_S
            }
        return max(len(self.permissions), len(self.channels)) >= _PEERS_PER_ALLOCATION

    def deadline(self) -> float:
        """When something of this allocation next runs out."""
        routed = (b.expires for b in self.channels.values() if b.is_routed)
        return min(self.expires, min(routed, default=self.expires))


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
            pool = self._shared_pool or PortPool(self._ports, rests=False)
            call = self.calls[name] = ClosedCall(name, closed, pool)
        return call

    def draw_outer(self, call: ClosedCall, entropy: Entropy, mono: float) -> int:
        """Take a port that is unique on this relay for a call, or return -1."""
        return self._relay_pool.draw_with(call.pool, entropy, mono)

    def add(self, allocation: Allocation) -> None:
        """Put a new allocation in every index."""
        leg = allocation.leg
        leg.call.legs[leg.key.leg] = leg
        leg.allocations.append(allocation)
        self.by_client[allocation.client] = allocation
        leg.call.by_port[allocation.relayed.port] = allocation
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

    def peer(self, allocation: Allocation, address: PeerAddress, mono: float) -> Allocation | None:
        """The allocation that this one may know by that relayed address; None for all else.

        In a closed call that is another leg of the same call, or its unmasked party's own address
        (`relay.turn.outer`). A call that is not closed reaches every allocation of the relay but
        those of closed calls. There is no other destination.
        """
        call = allocation.leg.call
        by_port = call.by_port if call.closed else self._shared_by_port
        peer = by_port.get(address.port)
        if peer is None or peer.relayed != address or peer is allocation:
            return allocation.outer.peer(address, mono) if allocation.outer is not None else None
        if call.closed:
            return peer if peer.leg is not allocation.leg else None
        return None if peer.leg.call.closed else peer

    def routes_of(self, allocation: Allocation) -> Iterator[tuple[Binding, Binding]]:
        """Every pair of channels that join this allocation and a sibling, live or not."""
        for binding in allocation.channels.values():
            back = binding.target.binding_to(allocation)
            if back is not None:
                yield binding, back
