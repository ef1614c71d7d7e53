"""Notices when somebody guesses addresses: data from very many that hold no allocation.

Who can forge a source may send ChannelData on a usual channel from one address after another; where
a guess is right it is data on the victim's channel. What is wrong looks like this. It costs one bit
per address and minute, however many there are.
"""

from relay.address import FiveTuple
from relay.errors import DropReason

WINDOW_S = 60.0
_BITS = 1 << 14
_LEAST = 1000
"""Sources of a minute that are no guesses yet: calls that have ended are sent to for a while."""
_MOST = _BITS // 2  # of 11,000 sources: of more, ever fewer are told from those before


class Guesses:
    """Counts the addresses without an allocation that data has come from, minute by minute."""

    __slots__ = ("_count", "_seen", "_until")

    def __init__(self) -> None:
        self._seen = bytearray(_BITS // 8)
        self._count = 0
        self._until = 0.0

    def reason_for(self, client: FiveTuple, allocations: int, mono: float) -> DropReason:
        """Why data from this client goes no further: GUESSED where so many others sent some.

        Args:
            client: it holds no allocation.
            allocations: that there are; that many may just have ended.
        """
        if mono >= self._until:
            self._seen = bytearray(_BITS // 8)
            self._count = 0
            self._until = mono + WINDOW_S
        byte, bit = divmod(hash(client) % _BITS, 8)
        if not self._seen[byte] >> bit & 1:
            self._seen[byte] |= 1 << bit
            self._count += 1
        is_flood = self._count > min(max(_LEAST, allocations), _MOST)
        return DropReason.GUESSED if is_flood else DropReason.NO_ALLOCATION
