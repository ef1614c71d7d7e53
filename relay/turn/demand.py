"""Routes that nobody has asked for: data that crosses without two channels gets one once it flows.

Clients that bind no channel send and get all their media in indications. What such a route rests
on is looked at when it is set; it ends with the earliest of that, and the next packet, which comes
to `relay.turn.data` then, sets it again.
"""

from relay.clock import Now
from relay.turn.effects import DropRoute, Effect, SetRoute, Via
from relay.turn.table import Allocation

PACKETS_FIRST = 8
"""That cross one by one: the checks of ICE, before a client binds its channel, need no route."""

_DEMANDS_MAX = 256  # of one allocation, as many as it may have peers: more cross one by one


class _Demand:
    """What one client sends in one way to one sibling. `expires`: its route's; 0 without one."""

    __slots__ = ("expires", "packets", "target")

    def __init__(self, target: Allocation) -> None:
        self.target = target
        self.packets = 0
        self.expires = 0.0


class Demands:
    """Routes from Send indications, and from channels to Data indications."""

    def __init__(self) -> None:
        self._of: dict[Allocation, dict[Via, _Demand]] = {}

    def crossed(
        self, source: Allocation, channel: Via, target: Allocation, now: Now
    ) -> list[Effect]:
        """A packet has crossed, as both ends permit it and their calls are open.

        Args:
            channel: how the source sent it: a peer; or a channel whose other end has bound none.
        """
        demands = self._of.setdefault(source, {})
        demand = demands.get(channel)
        if demand is None or demand.target is not target:
            if len(demands) >= _DEMANDS_MAX:
                return []
            demand = demands[channel] = _Demand(target)
        demand.packets += 1
        if demand.packets < PACKETS_FIRST or now.mono < demand.expires:
            return []
        return self._set(source, channel, demand, now)

    def bound(self, allocation: Allocation, sibling: Allocation, now: Now) -> list[Effect]:
        """An allocation has bound a channel to a sibling: what comes from there comes on that."""
        demand = self._of.get(sibling, {}).get(allocation.relayed)
        if demand is None or demand.target is not allocation or demand.expires <= now.mono:
            return []
        return self._set(sibling, allocation.relayed, demand, now)

    def forget(self, source: Allocation, channel: Via) -> None:
        """Another route has taken the place of this one."""
        self._of.get(source, {}).pop(channel, None)

    def drop(self, allocation: Allocation) -> list[Effect]:
        """End every such route from and to this allocation."""
        effects = _ends(allocation, self._of.pop(allocation, {}))
        for peer in _peers_of(allocation):
            demands = self._of.get(peer, {})
            ended = {via: demand for via, demand in demands.items() if demand.target is allocation}
            for via in ended:
                del demands[via]
            effects += _ends(peer, ended)
        return effects

    def drop_expired(self, allocation: Allocation, now: Now) -> list[Effect]:
        """Take away the routes from this allocation that have run out."""
        demands = self._of.get(allocation, {})
        over = {via: each for via, each in demands.items() if 0.0 < each.expires <= now.mono}
        effects = _ends(allocation, over)
        for demand in over.values():
            demand.expires = 0.0
        return effects

    def _set(self, source: Allocation, channel: Via, demand: _Demand, now: Now) -> list[Effect]:
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


def _ends(source: Allocation, demands: dict[Via, _Demand]) -> list[Effect]:
    return [DropRoute(source.client, via) for via, demand in demands.items() if demand.expires]


def _permits_until(allocation: Allocation, sibling: Allocation, now: Now) -> float:
    binding = allocation.live_binding_to(sibling, now.mono)
    return max(sibling.permitted_until(allocation), binding.expires if binding else 0.0)


def _peers_of(allocation: Allocation) -> set[Allocation]:
    """Whoever may have a route to this allocation: it permits them."""
    return {*allocation.permissions, *(b.target for b in allocation.channels.values())}
