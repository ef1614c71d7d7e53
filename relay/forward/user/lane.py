"""A bounded share of every turn of the loop for work that others cause.

Rules of this file: what does not fit into this turn's share waits for a later one, and everything
else in the loop gets its turn in between; sources take turns, so that none waits for the whole
queue of another.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable

SHARE_NS = 500_000
"""Of one turn of the loop, for one lane: twenty requests, or some hundred frames of media."""


class Lane:
    """Work of one kind of clients."""

    def __init__(self, share_ns: int = SHARE_NS) -> None:
        self._share_ns = share_ns
        self._waiting: OrderedDict[Hashable, deque[Callable[[], None]]] = OrderedDict()
        self._is_begun = False  # in this turn of the loop
        self._end_ns = 0

    def is_free(self) -> bool:
        """Whether one may work at once: nobody waits, and this turn's share is not used up."""
        if self._waiting:
            return False
        if not self._is_begun:
            self._begin()
        return not self.is_over(time.monotonic_ns())

    def is_over(self, now_ns: int) -> bool:
        """Whether this turn's share is used up: whoever works now goes on in a later turn."""
        return now_ns >= self._end_ns

    def use_up(self) -> None:
        """Leave the rest of this turn's share to what has been begun and costs later."""
        self._end_ns = 0

    def wait(self, source: Hashable, work: Callable[[], None]) -> None:
        """Have work done in a later turn, after what waits for the same source.

        Args:
            work: does no more than a slice; it waits again for the rest.
        """
        self._waiting.setdefault(source, deque()).append(work)
        if not self._is_begun:
            self._begin()
            self.use_up()

    def _begin(self) -> None:
        self._is_begun = True
        self._end_ns = time.monotonic_ns() + self._share_ns
        asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._is_begun = False
        if not self._waiting:
            return
        self._begin()
        while self._waiting:
            source, works = next(iter(self._waiting.items()))
            work = works.popleft()
            if works:
                self._waiting.move_to_end(source)
            else:
                del self._waiting[source]
            work()
            if self.is_over(time.monotonic_ns()):
                return
