"""Routes that nobody has asked for: data that crosses without two channels gets one once it flows.

Clients that bind no channel send and get all their media in indications. What such a route rests
on is looked at when it is set; it ends with the earliest of that, and the next packet, which comes
to `relay.turn.data` then, sets it again.
"""

from relay.clock import Now
from relay.turn.bindings import Demand
from relay.turn.effects import DropRoute, Effect, SetRoute, Via
from relay.turn.table import Allocation

PACKETS_FIRST = 8
"""That cross one by one: the checks of ICE, before a client binds its channel, need no route."""

_DEMANDS_MAX = 256  # of one allocation, as many as it may have peers: more cross one by one


class Demands:
    """Routes from Send indications, and from channels to Data indications."""

    def __init__(self) -> None:
        self._towards: dict[Allocation, set[Allocation]] = {}

    def crossed(
        self, source: Allocation, channel: Via, target: Allocation, now: Now
    ) -> list[Effect]:
        """A packet has crossed, as both ends permit it and their calls are open.

        Args:
            channel: how the source sent it: a peer; or a channel whose other end has bound none.
        """
        demands = source.demands
        demand = demands.get(channel)
        if demand is None or demand.target is not target:
            if len(demands) >= _DEMANDS_MAX:
                return []
            demand = demands[channel] = Demand(target)
            self._towards.setdefault(target, set()).add(source)
        demand.packets += 1
        if demand.packets < PACKETS_FIRST or now.mono < demand.expires:
            return []
        return self._set(source, channel, demand, now)

    def bound(self, allocation: Allocation, sibling: Allocation, now: Now) -> list[Effect]:
        """An allocation has bound a channel to a sibling: what comes from there comes on that."""
        demand = sibling.demands.get(allocation.relayed)
        if demand is None or demand.target is not allocation or demand.expires <= now.mono:
            return []
        return self._set(sibling, allocation.relayed, demand, now)

    def forget(self, source: Allocation, channel: Via) -> None:
        """Another route has taken the place of this one."""
        source.demands.pop(channel, None)

    def drop(self, allocation: Allocation) -> list[Effect]:
        """End every such route from and to this allocation."""
        effects = _ends(allocation, allocation.demands)
        for demand in allocation.demands.values():
            self._towards.get(demand.target, set()).discard(allocation)
        allocation.demands = {}
        for peer in self._towards.pop(allocation, ()):
            ended = {via: each for via, each in peer.demands.items() if each.target is allocation}
            for via in ended:
                del peer.demands[via]
            effects += _ends(peer, ended)
        return effects

    def drop_expired(self, allocation: Allocation, now: Now) -> list[Effect]:
        """Take away the routes from this allocation that have run out."""
        demands = allocation.demands.items()
        over = {via: each for via, each in demands if 0.0 < each.expires <= now.mono}
        effects = _ends(allocation, over)
        for demand in over.values():
            demand.expires = 0.0
        return effects

    def _set(self, source: Allocation, channel: Via, demand: Demand, now: Now) -> list[Effect]:
        target = demand.target
        back = target.live_binding_to(source, now.mono)
        demand.expires = min(
            source.expires,
            target.expires,
            source.leg.call.expires,
            target.leg.call.expires,
            _permits_until(source, target, now),
            _permits_until(target, source, now),
            source.channels[channel].expires if isinstance(channel, int) else source.expires,
            back.expires if back else target.expires,
        )
        target_channel = back.channel if back else source.relayed
        ends = source.client, channel, target.client, target_channel
        return [SetRoute(*ends, source.leg.key, int(demand.expires * 1e9))]


def _ends(source: Allocation, demands: dict[Via, Demand]) -> list[Effect]:
    return [DropRoute(source.client, via) for via, demand in demands.items() if demand.expires]


def _permits_until(allocation: Allocation, sibling: Allocation, now: Now) -> float:
    binding = allocation.live_binding_to(sibling, now.mono)
    return max(sibling.permitted_until(allocation), binding.expires if binding else 0.0)
