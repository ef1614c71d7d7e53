"""Where every allocation of the relay is found: by its client, by its relayed or outer address.

Rules of this file: it holds values and keeps them consistent; it knows no wire format, no policy.
"""

from relay.address import FiveTuple, PeerAddress, ServerAddress, Transport
from relay.calls.call import Call, Leg
from relay.calls.pool import CallPorts, Entropy, Pool, PortPool
from relay.effects import LegKey
from relay.turn.allocation import Allocation, allocations_of
from relay.turn.outer import OuterPort
from relay.turn.peer import Binding, Peer


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
        self._shared_by_port: dict[int, Allocation] = {}
        self.by_outer_port: dict[ServerAddress, OuterPort] = {}
        self.by_client: dict[FiveTuple, Allocation] = {}
        self.counts = dict.fromkeys(Transport, 0)
        """Live allocations by their clients' transports."""

    def pool_of(self, call: Call) -> Pool:
        """Give the pool that the ports of a call are drawn from."""
        if call.pool is None:
            call.pool = self._shared_pool or CallPorts(self._ports)
        return call.pool

    def count_ports(self, call: Call | None, leg: LegKey, mono: float) -> int:
        """How many ports a leg uses of the pool that it would draw from: see `Pool.count`.

        Args:
            call: None where it is not there yet.
        """
        pool = (call.pool if call else None) or self._shared_pool
        return pool.count(leg, mono) if pool else 0

    def draw_outer(self, leg: Leg, most: int, entropy: Entropy, mono: float) -> int:
        """Take a port that is unique on this relay for a leg, or return -1.

        Args:
            most: ports that a leg may use.
        """
        own, relay = self.pool_of(leg.call), self._relay_pool
        if relay.count(leg.key, mono) >= most:
            return -1
        if isinstance(own, CallPorts):
            return relay.draw_with(own, entropy, mono, leg.key)
        return own.draw(entropy, mono, leg.key)

    def add(self, allocation: Allocation) -> None:
        """Put a new allocation in every index; beside the one of its client, if there is one."""
        first = self.by_client.setdefault(allocation.client, allocation)
        if first is allocation:
            self.counts[allocation.client.transport] += 1
        else:
            first.twin, allocation.twin = allocation, first
        allocation.leg.call.hold(allocation)
        if self._shared_pool:
            self._shared_by_port[allocation.relayed.port] = allocation
        if allocation.outer is not None:
            self.by_outer_port[allocation.outer.server] = allocation.outer

    def remove(self, allocation: Allocation, mono: float) -> None:
        """Take an allocation out of every index and give its port back; its twin stays."""
        call, port = allocation.leg.call, allocation.relayed.port
        call.let_go(allocation)
        self._forget_client(allocation)
        self._shared_by_port.pop(port, None)
        pool = self.pool_of(call)
        pool.release(port, mono)
        if allocation.outer is not None:
            del self.by_outer_port[allocation.outer.server]
            if pool is not self._relay_pool:
                self._relay_pool.release(port, mono)
            allocation.outer = None  # it leads back, as channels do
        allocation.clear()

    def allocations_of(self, leg: Leg) -> list[Allocation]:
        """List the allocations of a leg, the latest last: of one with two sides the first."""
        return [each for each in allocations_of(leg) if self.by_client[each.client] is each]

    def peer(self, allocation: Allocation, address: PeerAddress, mono: float) -> Peer | None:
        """The peer that this allocation may know by an address; None for all else.

        In a closed call that is another leg of the same call, or its unmasked party's own address
        (`relay.turn.outer`). A call that is not closed reaches every allocation of the relay but
        those of closed calls. There is no other destination, and none of the other family.
        """
        if address.family != allocation.relayed.family:
            return None
        call = allocation.leg.call
        peer = self._at(call, address.port)
        if peer is None or peer.relayed != address or peer is allocation:
            return allocation.outer.peer(address, mono) if allocation.outer is not None else None
        if call.closed:
            return peer if peer.leg is not allocation.leg else None
        return None if peer.leg.call.closed else peer

    def follow(self, allocation: Allocation, binding: Binding, mono: float) -> Peer | None:
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

    def _forget_client(self, allocation: Allocation) -> None:
        """Its client has no more than the twin."""
        twin = allocation.twin
        if twin is not None:
            self.by_client[allocation.client] = twin
            twin.twin = allocation.twin = None
        else:
            del self.by_client[allocation.client]
            self.counts[allocation.client.transport] -= 1

    def _at(self, call: Call, port: int) -> Allocation | None:
        """The allocation with a port, in a closed call or among all that are in none."""
        if not call.closed:
            return self._shared_by_port.get(port)
        found = call.by_port.get(port)
        return found if isinstance(found, Allocation) else None
