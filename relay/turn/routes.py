"""Routes between peers: those of bound channels, and those of what flows without two channels.

Two peers that have bound a channel to each other have a route in each direction. Clients that bind
no channel send and get all their media in indications: what crosses so without two channels gets a
route once it flows. What has no route comes to `relay.turn.data`, which decides packet by packet
under the same rule, `relay.calls.routes`.
"""

import math

from relay.calls.ends import End
from relay.calls.routes import join, may_meet, part
from relay.clock import Now
from relay.effects import Effect, LegKey, Via
from relay.turn.peer import Binding, Demand, Peer

PACKETS_FIRST = 8
"""That cross one by one: the checks of ICE, before a client binds its channel, need no route."""

_DEMANDS_MAX = 256  # of one allocation, as many as it may have peers: more cross one by one


def routes_of(peer: Peer, now: Now, *, only_new: bool = False) -> list[Effect]:
    """Set every route of channels from and to this peer, with what it rests on now.

    Args:
        only_new: those that are not set yet.
    """
    effects: list[Effect] = []
    for binding, target, back in peer.joined():
        if not (only_new and binding.routed_until):
            effects += join_channels(peer, binding, target, back, now)
    return effects


def join_channels(
    peer: Peer, binding: Binding, target: Peer, back: Binding, now: Now
) -> list[Effect]:
    """Set the routes between two peers that have bound channels to each other."""
    limit = min(peer.expires, target.expires)
    effects = join(binding, back, limit, now)
    if effects:
        effects += join(back, binding, limit, now)
        if peer.demands or target.demands:
            forget_demand(peer, binding.channel)
            forget_demand(target, back.channel)
    return effects


def drop_routes(peer: Peer) -> list[Effect]:
    """End every route from and to this peer."""
    effects: list[Effect] = []
    for binding, _, back in peer.joined():
        effects += part((binding, back))
    return effects + drop_demands(peer)


def drop_expired(peer: Peer, now: Now) -> list[Effect]:
    """End the routes of this peer that have run out; of channels, in both directions."""
    effects = part(each for each in peer.demands.values() if each.routed_until <= now.mono)
    for binding in peer.channels.values():
        if binding.routed_until and binding.expires <= now.mono:
            effects += part((binding,))
            target = binding.target
            back = target.binding_to(peer) if target is not None else None
            effects += part((back,)) if back is not None else []
    return effects


def confine(peer: Peer) -> list[Effect]:
    """Leave a peer nothing but those of its own call, which has just been closed."""
    call = peer.leg.call
    effects = drop_demands(peer)
    others = [
        each
        for each in peer.channels.values()
        if each.target is not None and not may_meet(each.target.leg.call, call)
    ]
    for binding in others:
        back = binding.target.binding_to(peer) if binding.target is not None else None
        effects += part((binding, back) if back is not None else (binding,))
    peer.unbind(*others)
    siblings = [
        until
        for named, until in peer.permissions.items()
        if isinstance(named, LegKey) and named.call == call.id
    ]
    # From now on that is one permission.
    peer.permissions = {peer.relayed.packed: max(siblings)} if siblings else {}
    return effects


def demand(source: Peer, via: Via, target: Peer, now: Now) -> list[Effect]:
    """A packet has crossed without two channels: it may have a route from now on.

    Args:
        via: how the source sent it: naming a peer; or on a channel whose other end has bound none.
    """
    known = source.demands.get(via)
    if known is None or known.target is not target:
        forget_demand(source, via)
        if len(source.demands) >= _DEMANDS_MAX:
            return []
        known = Demand(source, via, target)
        source.demands = {**source.demands, via: known}
        target.demanded_by = (*target.demanded_by, (source, known))
    known.packets += 1
    if known.packets < PACKETS_FIRST or now.mono < known.routed_until:
        return []
    return _join_demand(source, known, now)


def demand_bound(peer: Peer, sibling: Peer, now: Now) -> list[Effect]:
    """A peer has bound a channel to a sibling: what comes from there comes on that."""
    known = sibling.demands.get(peer.relayed)
    if known is None or known.target is not peer or known.routed_until <= now.mono:
        return []
    return _join_demand(sibling, known, now)


def forget_demand(source: Peer, via: Via) -> None:
    """There is no such route, or another one has taken its place."""
    gone = source.demands.get(via)
    if gone is not None:
        source.demands = {v: each for v, each in source.demands.items() if each is not gone}
        left = gone.target.demanded_by
        gone.target.demanded_by = tuple(each for each in left if each[1] is not gone)


def drop_demands(peer: Peer) -> list[Effect]:
    """End every route from and to this peer that rests on a demand."""
    from_it = [(peer, each) for each in peer.demands.values()]
    effects: list[Effect] = []
    for source, gone in (*from_it, *peer.demanded_by):
        effects += part((gone,))
        forget_demand(source, gone.via)
    return effects


def _join_demand(source: Peer, known: Demand, now: Now) -> list[Effect]:
    """Set the route of a demand; it ends with the earliest of everything it rests on, and the next
    packet, which comes to `relay.turn.data` then, sets it again.
    """
    target, via = known.target, known.via
    back = target.live_binding_to(source, now.mono)
    end = back or End(target.leg, target.client, source.relayed, target.expires)
    limit = min(
        source.expires,
        target.expires,
        source.permitted_until(target, now.mono),
        target.permitted_until(source, now.mono),
        source.channels[via].expires if isinstance(via, int) else math.inf,
    )
    return join(known, end, limit, now)
