"""When calls run out: a heap instead of a timer per call.

Rules of this file: an entry is never searched for. What no longer holds stays until its turn comes
or until stale entries outnumber the others; memory follows the live calls, not the past ones.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush

_SLACK = 64
"""Below this many entries a rebuild costs more than it frees."""


class Deadlines:
    """Deadlines of calls, soonest first.

    Args:
        is_current: whether this deadline of this call still holds.
    """

    __slots__ = ("_heap", "_is_current")

    def __init__(self, is_current: Callable[[float, str], bool]) -> None:
        self._heap: list[tuple[float, str]] = []
        self._is_current = is_current

    def __len__(self) -> int:
        return len(self._heap)

    def schedule(self, at: float, call: str, live: int) -> None:
        """Note a deadline; `live` is how many entries hold, and bounds how many do not."""
        heappush(self._heap, (at, call))
        if len(self._heap) > 2 * live + _SLACK:
            self._heap = [entry for entry in self._heap if self._is_current(*entry)]
            heapify(self._heap)

    def next(self) -> float | None:
        """The soonest deadline that holds."""
        while self._heap and not self._is_current(*self._heap[0]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, mono: float) -> str | None:
        """Take out one call whose deadline has come, the soonest first; None where none has."""
        at = self.next()
        return heappop(self._heap)[1] if at is not None and at <= mono else None
