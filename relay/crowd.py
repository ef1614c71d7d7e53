"""Strangers in the order they came, capped per source and in sum: who has to go for whom.

Rules of this file: a newcomer is never the one that goes; every step takes the same time, however
many there are.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

from relay.address import IPV4, Address

_Member = TypeVar("_Member")

_V4_BYTES, _V6_BYTES = 3, 6  # /24 and /48: what one network is commonly given


def source_of(address: Address) -> bytes:
    """The network that an address is counted with: its /24, or its /48 over IPv6."""
    return address.packed[: _V4_BYTES if address.family == IPV4 else _V6_BYTES]


class Crowd(Generic[_Member]):
    """
    Args:
        per_source: so many of one source may be there.
        in_sum: so many of all sources together.
    """

    def __init__(self, per_source: int, in_sum: int) -> None:
        self._per_source = per_source
        self._in_sum = in_sum
        # Ordered dictionaries for their linked lists: the oldest of a plain dictionary is found by
        # stepping over all that have left before it.
        self._sources: OrderedDict[_Member, bytes] = OrderedDict()
        self._of_source: dict[bytes, OrderedDict[_Member, None]] = {}

    def __len__(self) -> int:
        return len(self._sources)

    def join(self, member: _Member, source: bytes) -> _Member | None:
        """Take in a newcomer.

        Returns: who has left for it: the oldest of its source where that has too many, else the
            oldest of all where there are too many in sum; None where there was room.
        """
        self._sources[member] = source
        others = self._of_source.setdefault(source, OrderedDict())
        others[member] = None
        if len(others) > self._per_source:
            return self._take(next(iter(others)))
        if len(self._sources) > self._in_sum:
            return self.take_oldest()
        return None

    def leave(self, member: _Member) -> None:
        """It is no stranger any more, or gone; nothing if it has left before."""
        if member in self._sources:
            self._take(member)

    def take_oldest(self) -> _Member | None:
        """Have the one that came first leave; None where nobody is there."""
        return self._take(next(iter(self._sources))) if self._sources else None

    def _take(self, member: _Member) -> _Member:
        source = self._sources.pop(member)
        others = self._of_source[source]
        del others[member]
        if not others:
            del self._of_source[source]
        return member
