"""When calls run out: a heap instead of a timer per call, and the calls that have ended.

Rules of this file: an entry is never searched for. What no longer holds stays until its turn comes
or until stale entries outnumber the others; memory follows the live calls, not the past ones.
"""

from collections import OrderedDict
from collections.abc import Callable
from heapq import heapify, heappop, heappush

from relay.calls.call import Call

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


class Tombstones:
    """Ended calls, for a while: what has ended must not come back under a live credential.

    Args:
        keep_s: for how long.
        limit: at most so many; the eldest goes first.
    """

    __slots__ = ("_ended", "_keep_s", "_limit")

    def __init__(self, keep_s: float, limit: int) -> None:
        self._keep_s = keep_s
        self._limit = limit
        # In order of ending, hence of being forgotten. A plain dict would be searched from its
        # first slot ever used each time the eldest is taken.
        self._ended: OrderedDict[str, tuple[float, Call]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ended)

    def add(self, call: Call, mono: float) -> None:
        """Remember a call that has just ended."""
        self.forget_old(mono)
        if len(self._ended) >= self._limit:
            self._ended.popitem(last=False)
        self._ended[call.id] = (mono + self._keep_s, call)

    def get(self, call: str, mono: float) -> Call | None:
        """The ended call of that id, as far as is remembered."""
        until, ended = self._ended.get(call, (mono, None))
        return ended if mono < until else None

    def forget_old(self, mono: float) -> None:
        """Forget what has been kept long enough."""
        while self._ended:
            call, (until, _) = next(iter(self._ended.items()))
            if mono < until:
                return
            del self._ended[call]
