"""The end of allocations: what has run out, been deleted, or lost its connection or its call."""

from collections.abc import Sequence

from relay.calls.book import Book
from relay.calls.call import Leg
from relay.calls.deadlines import Deadlines
from relay.clock import Now
from relay.effects import Effect, LegIdle
from relay.turn.allocation import Allocation, allocations_of
from relay.turn.outer import OuterPort
from relay.turn.peer import Peer
from relay.turn.routes import drop_expired, drop_routes
from relay.turn.table import Table


class Lifetimes:
    """Removes allocations, and lets go of legs that are left without one.

    Args:
        deadlines: where those of allocations are queued.
    """

    def __init__(self, table: Table, book: Book, deadlines: Deadlines) -> None:
        self._table = table
        self._book = book
        self._deadlines = deadlines

    def schedule(self, peer: Peer) -> None:
        """See to it that `lapse` is called when something of the peer runs out."""
        self._deadlines.schedule(peer)

    def lapse(self, allocation: Allocation, now: Now) -> list[Effect]:
        """Something of an allocation has run out: itself, or routes of it."""
        if allocation.expires <= now.mono:
            return self.remove((allocation,), now)
        effects = drop_expired(allocation, now)
        self._deadlines.schedule(allocation)
        return effects

    def remove(self, sides: Sequence[Allocation], now: Now) -> list[Effect]:
        """End an allocation: its routes, its place in the table, and its leg where that is left
        with none and the call keeps no legs.

        Args:
            sides: both sides of one with two, or one of them.
        """
        leg = sides[0].leg
        effects = [effect for each in sides for effect in self._take_out(each, now)]
        if leg.held:
            return effects
        return [*effects, LegIdle(leg.key), *self._book.release(leg, now)]

    def end_leg(self, leg: Leg, now: Now) -> list[Effect]:
        """End every allocation of a leg that leaves its call, or whose call ends."""
        held = allocations_of(leg)
        effects = [effect for each in held for effect in self._take_out(each, now)]
        return [*effects, LegIdle(leg.key)] if held else effects

    def lose(self, outer: OuterPort) -> list[Effect]:
        """An outer port could not be opened: the allocation does without."""
        effects = [effect for own in outer.own.values() for effect in drop_routes(own)]
        return effects + outer.close(is_lost=True)

    def _take_out(self, allocation: Allocation, now: Now) -> list[Effect]:
        effects = drop_routes(allocation)
        if allocation.outer is not None:
            effects += allocation.outer.close()
        self._table.remove(allocation, now.mono)
        self._deadlines.forget(allocation)
        return effects
