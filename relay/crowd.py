"""Limits how many strangers there are, per source and in all: the oldest make room for newcomers.

Rules of this file: a newcomer is always taken in. Every step takes the same time, however many
strangers there are.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

from relay.address import IPV4, Address

_Member = TypeVar("_Member")

_V4_BYTES, _V6_BYTES = 3, 6  # /24 and /48: what one network is commonly given


def source_of(address: Address) -> bytes:
    """The network by which an address is counted: its /24, or its /48 for IPv6."""
    return address.packed[: _V4_BYTES if address.family == IPV4 else _V6_BYTES]


class Crowd(Generic[_Member]):
    """Members in the order in which they came.

    Args:
        per_source: how many members of one source there may be.
        in_sum: how many members there may be in all.
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

        Returns: the member that has left to make room: the oldest of the newcomer's source where
            that has too many, else the oldest of all where there are too many. None where there was
            room.
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
        """Remove a member. Does nothing if it has left already."""
        if member in self._sources:
            self._take(member)

    def take_oldest(self) -> _Member | None:
        """Remove the member that came first, and return it; None where there is none."""
        return self._take(next(iter(self._sources))) if self._sources else None

    def _take(self, member: _Member) -> _Member:
        source = self._sources.pop(member)
        others = self._of_source[source]
        del others[member]
        if not others:
            del self._of_source[source]
        return member
