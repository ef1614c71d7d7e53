"""When something runs out: one queue for calls, allocations, relayed ports and reservations.

Rules of this file: an entry is never searched for. One that no longer holds stays until its turn
comes, or until such entries outnumber the others: memory follows what is there, not what was.
"""

from heapq import heapify, heappop, heappush
from math import inf

_SLACK = 64
"""Below this many entries a rebuild costs more than it frees."""


class Timed:
    """Something that has a deadline. `queued` is the one that the queue knows; inf for none.
    `entry` is the number of its entry there.
    """

    __slots__ = ("entry", "queued")

    def __init__(self) -> None:
        self.queued = inf
        self.entry = 0

    def deadline(self) -> float:
        """When something of this runs out next, in monotonic seconds; inf for never."""
        raise NotImplementedError


class Deadlines:
    """What runs out, soonest first. Entries are numbers, so that what is forgotten is freed."""

    __slots__ = ("_heap", "_number", "_timed")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._number = 0
        self._timed: dict[int, Timed] = {}

    def __len__(self) -> int:
        return len(self._heap)

    def schedule(self, timed: Timed) -> None:
        """See to it that `due` gives this back once its deadline has come, as it is now.

        A deadline that has become later since it was queued is looked at when the earlier one
        comes, and queued anew then.
        """
        at = timed.deadline()
        if at < timed.queued:
            self._put(timed, at)

    def postpone(self, timed: Timed, at: float) -> None:
        """Give back later what `due` has given."""
        self._put(timed, at)

    def forget(self, timed: Timed) -> None:
        """This is no more: `due` does not give it back."""
        if timed.queued < inf:
            timed.queued = inf
            del self._timed[timed.entry]
            self._sweep()

    def next(self) -> float | None:
        """When to look again, in monotonic seconds; it may turn out to be too early."""
        while self._heap and self._heap[0][1] not in self._timed:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def is_due(self, mono: float) -> bool:
        """Whether something may have run out by now."""
        return bool(self._heap) and self._heap[0][0] <= mono

    def due(self, mono: float) -> Timed | None:
        """Take out one whose deadline has come, the soonest first; None where none has."""
        while self._heap and self._heap[0][0] <= mono:
            at, entry = heappop(self._heap)
            timed = self._timed.pop(entry, None)
            if timed is None:
                continue
            timed.queued = inf
            deadline = timed.deadline()
            if deadline <= at:
                return timed
            self._put(timed, deadline)
        return None

    def _put(self, timed: Timed, at: float) -> None:
        self.forget(timed)
        if at < inf:
            self._number += 1
            timed.queued, timed.entry = at, self._number
            self._timed[timed.entry] = timed
            heappush(self._heap, (at, timed.entry))

    def _sweep(self) -> None:
        if len(self._heap) - len(self._timed) > max(_SLACK, len(self._timed)):
            self._heap = [entry for entry in self._heap if entry[1] in self._timed]
            heapify(self._heap)
