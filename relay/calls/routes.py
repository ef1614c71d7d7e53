"""Which two ends are joined by a route, and until when: the one rule, for every way in.

Rules of this file: a route ends with the earliest of everything it rests on. Two legs may exchange
data if they are of one call, or neither call is closed; and only while both calls are active.
"""

from collections.abc import Iterable

from relay.calls.call import Call
from relay.calls.ends import End
from relay.clock import Now
from relay.effects import DropRoute, Effect, SetRoute


def may_meet(call: Call, other: Call) -> bool:
    """Whether legs of these two calls may be peers at all."""
    return call is other or not (call.closed or other.closed)


def join(source: End, target: End, limit: float, now: Now) -> list[Effect]:
    """Forward what enters at the source to the target; the route may be there already.

    Args:
        limit: monotonic seconds; what the route rests on besides both ends and their calls.
    Returns: nothing where data may not cross now, and then no route is set.
    """
    call, other = source.leg.call, target.leg.call
    until = min(source.expires, target.expires, call.expires, other.expires, limit)
    if until <= now.mono or not (call.is_active and other.is_active and may_meet(call, other)):
        return []
    source.routed_until = until
    ends = source.client, source.via, target.client, target.via
    return [SetRoute(*ends, source.leg.key, int(until * 1e9))]


def part(sources: Iterable[End]) -> list[Effect]:
    """End the routes that begin at these ends, as far as there are any."""
    effects: list[Effect] = []
    for source in sources:
        if source.routed_until:
            source.routed_until = 0.0
            effects.append(DropRoute(source.client, source.via))
    return effects
