"""Per-call limit on descriptions and candidates, so that one party's flood delays nobody else.

Rules of this file: descriptions and candidates come from parties, any of which may be hostile, and
everything else from the signaling server. Were they all served as they come, the end of a call
would wait until every connection that brings a candidate has been served, however many there are.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

_AT_ONCE = 8
"""Of one call, in one turn of the daemon's loop: 3 ms, in which user space forwards nothing."""


class Turns:
    """Lets a few requests of each call under way; the others wait, unread, in their order."""

    def __init__(self) -> None:
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def __len__(self) -> int:
        """Calls of which a request is under way or waits."""
        return len(self._places)

    @asynccontextmanager
    async def of(self, call: str) -> AsyncIterator[None]:
        """Wait until a request about this call may be read and answered; without one, at once."""
        if not call:
            yield
            return
        async with self._places.setdefault(call, asyncio.Semaphore(_AT_ONCE)):
            yield
            await asyncio.sleep(0)  # the place is free when all else that has come had its turn
