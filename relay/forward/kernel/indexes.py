"""Numbers into the shared arrays, handed out so that a packet under way never meets a new owner."""

from collections import deque
from collections.abc import Iterable

REST_NS = 1_000_000_000
"""How long a number rests before it is given again: a program that runs now is done by then."""


class Indexes:
    """Hands out the numbers 0..size-1, each to one user at a time.

    Args:
        taken: numbers that are in use already.
    """

    def __init__(self, size: int, taken: Iterable[int] = ()) -> None:
        self._size = size
        self._taken = frozenset(taken)
        self._next = 0
        self._resting: deque[tuple[int, int]] = deque()

    def take(self, now_ns: int) -> int | None:
        """Take a number that nobody uses; None if there is none."""
        if self._resting and self._resting[0][0] <= now_ns:
            return self._resting.popleft()[1]
        while self._next < self._size:
            self._next += 1
            if self._next - 1 not in self._taken:
                return self._next - 1
        return None

    def give(self, index: int, now_ns: int) -> None:
        """Give a number back."""
        self._resting.append((now_ns + REST_NS, index))
