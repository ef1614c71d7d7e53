"""The end of allocations: what has run out, been deleted, or lost its connection or its call."""

from collections.abc import Sequence

from relay.calls.book import Book
from relay.calls.call import Leg
from relay.calls.deadlines import Deadlines
from relay.calls.ended import drop
from relay.clock import Now
from relay.effects import Effect, LegIdle
from relay.turn.allocation import Allocation, allocations_of
from relay.turn.outer import OuterPeer, OuterPort
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
        return self.lapse_routes(allocation, now)

    def lapse_routes(self, peer: Peer, now: Now) -> list[Effect]:
        """Routes of a peer have run out."""
        effects = drop_expired(peer, now)
        self._deadlines.schedule(peer)
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
        return [*effects, *_idle(leg), *self._book.release(leg, now)]

    def end_leg(self, leg: Leg, now: Now) -> list[Effect]:
        """End every allocation of a leg that leaves its call, or whose call ends."""
        held = allocations_of(leg)
        effects = [effect for each in held for effect in self._take_out(each, now)]
        return [*effects, *_idle(leg)] if held else effects

    def lose(self, outer: OuterPort) -> list[Effect]:
        """An outer port could not be opened: the allocation does without."""
        effects = [effect for peer in outer.peers.values() for effect in drop_routes(peer)]
        return effects + self._close(outer, is_lost=True)

    def forget(self, outer: OuterPort, peer: OuterPeer) -> list[Effect]:
        """This address is a peer no longer: nothing of it is kept."""
        effects = drop_routes(peer)
        self._deadlines.forget(peer)
        outer.forget(peer)
        return effects

    def _close(self, outer: OuterPort, *, is_lost: bool = False) -> list[Effect]:
        for peer in outer.peers.values():
            self._deadlines.forget(peer)
        return outer.close(is_lost=is_lost)

    def _take_out(self, allocation: Allocation, now: Now) -> list[Effect]:
        effects = drop_routes(allocation)
        if allocation.outer is not None:
            effects += self._close(allocation.outer)
        charged = allocation.outer.outside.leg if allocation.outer is not None else None
        self._table.remove(allocation, now.mono)
        self._deadlines.forget(allocation)
        return effects + (drop((charged,)) if charged is not None else [])


def _idle(leg: Leg) -> list[Effect]:
    """A leg has lost its last allocation; of users nothing is told."""
    return [] if leg.call.is_user else [LegIdle(leg.key)]
