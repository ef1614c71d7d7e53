"""Which pairs of channels may be forwarded without asking the core.

A route exists while both ends have bound a channel to each other and both calls are open; it ends
with the earliest of everything it rests on. What has no route comes to `relay.turn.data`, which
decides packet by packet under the same rules, and is noted in `relay.turn.demand`.
"""

from relay.clock import Now
from relay.effects import DropRoute, Effect, SetRoute
from relay.turn import demand
from relay.turn.bindings import Binding
from relay.turn.table import Allocation, Table


class Routes:
    """Emits routes as the table changes, but for those of `relay.turn.demand`, which it ends."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def of(self, allocation: Allocation, now: Now) -> list[Effect]:
        """Set every route from and to this allocation again, with what it rests on now."""
        effects: list[Effect] = []
        for joined in self._table.routes_of(allocation):
            effects += self.between(*joined, now)
        return effects

    def new_of(self, allocation: Allocation, now: Now) -> list[Effect]:
        """Set the routes from and to this allocation that are not set yet."""
        effects: list[Effect] = []
        for source, binding, target, back in self._table.routes_of(allocation):
            if not binding.is_routed:
                effects += self.between(source, binding, target, back, now)
        return effects

    def between(
        self,
        allocation: Allocation,
        binding: Binding,
        target: Allocation,
        back: Binding,
        now: Now,
    ) -> list[Effect]:
        """Both directions between two allocations that have bound channels to each other."""
        calls = allocation.leg.call, target.leg.call
        expires = min(
            allocation.expires,
            target.expires,
            binding.expires,
            back.expires,
            *(call.expires for call in calls),
        )
        if not all(call.open for call in calls) or expires <= now.mono:
            return []
        binding.is_routed = back.is_routed = True
        demand.forget(allocation, binding.channel)
        demand.forget(target, back.channel)
        expires_ns = int(expires * 1e9)
        return [
            _route(allocation, binding, target, back, expires_ns),
            _route(target, back, allocation, binding, expires_ns),
        ]

    def drop(self, allocation: Allocation) -> list[Effect]:
        """End every route from and to this allocation."""
        effects: list[Effect] = []
        for _, binding, target, back in self._table.routes_of(allocation):
            effects += self.drop_one(allocation, binding)
            effects += self.drop_one(target, back)
        return effects + demand.drop(allocation)

    def drop_expired(self, allocation: Allocation, now: Now) -> list[Effect]:
        """End the routes of channels of this allocation that have run out, both directions."""
        effects = demand.drop_expired(allocation, now)
        for binding in allocation.channels.values():
            if binding.is_routed and binding.expires <= now.mono:
                effects += self.drop_one(allocation, binding)
                target = binding.target
                back = target.binding_to(allocation) if target is not None else None
                if target is not None and back is not None:
                    effects += self.drop_one(target, back)
        return effects

    def drop_one(self, allocation: Allocation, binding: Binding) -> list[Effect]:
        """End the route that starts with this channel, if there is one."""
        if not binding.is_routed:
            return []
        binding.is_routed = False
        return [DropRoute(allocation.client, binding.channel)]


def _route(
    source: Allocation, channel: Binding, target: Allocation, back: Binding, expires_ns: int
) -> SetRoute:
    return SetRoute(
        source.client, channel.channel, target.client, back.channel, source.leg.key, expires_ns
    )
