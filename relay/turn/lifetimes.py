"""When allocations and channels run out: one queue, one entry per allocation."""

import heapq
import math
from itertools import count

from relay.clock import Now
from relay.effects import DropLeg, Effect, LegIdle, LegKey
from relay.turn.legs import Leg
from relay.turn.routes import Routes
from relay.turn.table import Allocation, Table

_GONE_MIN = 64  # entries of removed allocations that are not worth a sweep


class Lifetimes:
    """Removes what has run out, been deleted, or lost its connection.

    The queue is lazy: an entry whose allocation has been refreshed since is put back when it comes
    up, one whose allocation is queued earlier or gone is dropped. Those of allocations that are
    gone are swept out before they are the larger part: who allocates and deletes in turns would
    fill the memory otherwise.
    """

    def __init__(self, table: Table, routes: Routes) -> None:
        self._table = table
        self._routes = routes
        self._queue: list[tuple[float, int, Allocation]] = []
        self._order = count()
        self._gone = 0

    def schedule(self, allocation: Allocation) -> None:
        """See to it that the allocation is looked at when something of it runs out."""
        deadline = allocation.deadline()
        if deadline == math.inf:
            return  # an address outside: nothing of it runs out
        if allocation.queued == 0.0 or deadline < allocation.queued:
            self._push(allocation, deadline)

    def remove(self, allocation: Allocation, now: Now) -> list[Effect]:
        """End an allocation: its routes, its place in the table, and its leg's connection."""
        effects = self._routes.drop(allocation)
        if allocation.outer is not None:
            effects += allocation.outer.close()
        self._table.remove(allocation, now.mono)
        self._gone += 1
        if self._gone > max(_GONE_MIN, len(self._queue) // 2):
            self._sweep()
        if not allocation.leg.allocations:
            effects.append(LegIdle(allocation.leg.key))
        return effects

    def confine(self, allocation: Allocation) -> list[Effect]:
        """Leave an allocation nothing but its siblings: it may have known others before."""
        call = allocation.leg.call
        effects: list[Effect] = []
        for binding in list(allocation.channels.values()):
            target = binding.target
            if target is None or target.leg.call is call:
                continue
            effects += self._routes.drop_one(allocation, binding)
            back = target.binding_to(allocation)
            effects += self._routes.drop_one(target, back) if back else []
            allocation.unbind(binding)
        siblings = [
            until
            for peer, until in allocation.permissions.items()
            if isinstance(peer, LegKey) and peer.call == call.id
        ]
        allocation.permissions = {}
        if siblings:  # from now on that is one permission
            allocation.permissions[allocation.relayed.packed] = max(siblings)
        return effects

    def end_call(self, name: str, now: Now) -> list[Effect]:
        """End every allocation of a call, then the call. An unknown call has no effects."""
        call = self._table.calls.pop(name, None)
        if call is None:
            return []
        effects: list[Effect] = []
        for leg in call.legs.values():
            effects += self._remove_all(leg, now)
        effects += [DropLeg(leg.key) for leg in call.legs.values()]
        call.legs.clear()  # the legs point back: without this only the cyclic collector frees them
        return effects

    def end_leg(self, name: str, leg: str, now: Now) -> list[Effect]:
        """End every allocation of a leg, then the leg. An unknown leg has no effects."""
        call = self._table.calls.get(name)
        found = call.legs.get(leg) if call else None
        if found is None:
            return []
        return [*self._remove_all(found, now), *self.forget_leg(name, leg)]

    def forget_leg(self, name: str, leg: str) -> list[Effect]:
        """Let go of a leg that has no allocation, and of its call with its last leg."""
        call = self._table.calls.get(name)
        found = call.legs.get(leg) if call else None
        if call is None or found is None or found.allocations:
            return []
        del call.legs[leg]
        if not call.legs:
            del self._table.calls[name]
        return [DropLeg(found.key)]

    def handle_timeout(self, now: Now) -> list[Effect]:
        """Remove every allocation, and every route, whose time has come."""
        effects: list[Effect] = []
        while self._queue and self._queue[0][0] <= now.mono:
            queued, _, allocation = heapq.heappop(self._queue)
            if not allocation.is_alive or queued != allocation.queued:
                continue
            if allocation.expires <= now.mono:
                effects += self.remove(allocation, now)
                continue
            effects += self._routes.drop_expired(allocation, now)
            self._push(allocation, allocation.deadline())
        return effects

    def is_due(self, now: Now) -> bool:
        """Whether something may have run out by now."""
        return bool(self._queue) and self._queue[0][0] <= now.mono

    def next_timeout(self) -> float | None:
        """When to look again, in monotonic seconds; it may turn out to be too early."""
        return self._queue[0][0] if self._queue else None

    def _remove_all(self, leg: Leg, now: Now) -> list[Effect]:
        return [gone for each in list(leg.allocations) for gone in self.remove(each, now)]

    def _sweep(self) -> None:
        self._queue = [entry for entry in self._queue if entry[2].is_alive]
        heapq.heapify(self._queue)
        self._gone = 0

    def _push(self, allocation: Allocation, deadline: float) -> None:
        allocation.queued = deadline
        heapq.heappush(self._queue, (deadline, next(self._order), allocation))
