"""Routes that nobody has asked for: data that crosses without two channels gets one once it flows.

Clients that bind no channel send and get all their media in indications. What such a route rests
on is looked at when it is set; it ends with the earliest of that, and the next packet, which comes
to `relay.turn.data` then, sets it again.
"""

from relay.clock import Now
from relay.effects import DropRoute, Effect, SetRoute, Via
from relay.turn.bindings import Demand
from relay.turn.table import Allocation

PACKETS_FIRST = 8
"""That cross one by one: the checks of ICE, before a client binds its channel, need no route."""

_DEMANDS_MAX = 256  # of one allocation, as many as it may have peers: more cross one by one


def crossed(source: Allocation, channel: Via, target: Allocation, now: Now) -> list[Effect]:
    """A packet has crossed, as both ends permit it and their calls are open.

    Args:
        channel: how the source sent it: a peer; or a channel whose other end has bound none.
    """
    demand = source.demands.get(channel)
    if demand is None or demand.target is not target:
        forget(source, channel)
        if len(source.demands) >= _DEMANDS_MAX:
            return []
        demand = source.demands[channel] = Demand(target)
        target.demanded_by.add((source, channel))
    demand.packets += 1
    if demand.packets < PACKETS_FIRST or now.mono < demand.expires:
        return []
    return _set(source, channel, demand, now)


def bound(allocation: Allocation, sibling: Allocation, now: Now) -> list[Effect]:
    """An allocation has bound a channel to a sibling: what comes from there comes on that."""
    demand = sibling.demands.get(allocation.relayed)
    if demand is None or demand.target is not allocation or demand.expires <= now.mono:
        return []
    return _set(sibling, allocation.relayed, demand, now)


def forget(source: Allocation, channel: Via) -> None:
    """There is no such route, or another one has taken its place."""
    demand = source.demands.pop(channel, None)
    if demand is not None:
        demand.target.demanded_by.discard((source, channel))


def drop(allocation: Allocation) -> list[Effect]:
    """End every such route from and to this allocation."""
    from_it = [(allocation, channel) for channel in allocation.demands]
    effects: list[Effect] = []
    for source, channel in (*from_it, *allocation.demanded_by):
        if source.demands[channel].expires:
            effects.append(DropRoute(source.client, channel))
        forget(source, channel)
    return effects


def drop_expired(allocation: Allocation, now: Now) -> list[Effect]:
    """Take away the routes from this allocation that have run out."""
    effects: list[Effect] = []
    for channel, demand in allocation.demands.items():
        if 0.0 < demand.expires <= now.mono:
            demand.expires = 0.0
            effects.append(DropRoute(allocation.client, channel))
    return effects


def _set(source: Allocation, channel: Via, demand: Demand, now: Now) -> list[Effect]:
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


def _permits_until(allocation: Allocation, sibling: Allocation, now: Now) -> float:
    binding = allocation.live_binding_to(sibling, now.mono)
    return max(sibling.permitted_until(allocation), binding.expires if binding else 0.0)
