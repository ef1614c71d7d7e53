"""A cap on answers to sources that have not authenticated, in memory that never grows.

A challenge is a little larger than the smallest request that draws it, so an open relay would
amplify what is sent to it with a forged source. Each source has a place in a fixed array, chosen by
a keyed hash; sources that share a place share its rate.
"""

import hashlib
from array import array

from relay.address import IPV4, ClientAddress

BURST_S = 10.0
"""Seconds' worth of answers a quiet source may draw at once: a household behind one NAT."""

_PLACES = 4096
_ALL_SOURCES = 1000  # the whole relay answers so many times what one source may draw


class SourceRate:
    """Generic cell rate: one arrival time per place, and one for all sources together."""

    def __init__(self, per_s: int, key: bytes) -> None:
        self._period = 1.0 / per_s
        self._key = key[:32]
        self._due = array("d", bytes(8 * _PLACES))
        self._due_all = 0.0

    def is_within(self, source: ClientAddress, mono: float) -> bool:
        """Whether one more answer to this source is within the rate; if so it is counted."""
        place = self._place_of(source)
        due = max(self._due[place], mono)
        due_all = max(self._due_all, mono)
        if due - mono > BURST_S - self._period or due_all - mono > BURST_S:
            return False
        self._due[place] = due + self._period
        self._due_all = due_all + self._period / _ALL_SOURCES
        return True

    def _place_of(self, source: ClientAddress) -> int:
        # A host owns its whole IPv6 /64 and could draw on every address in it.
        prefix = source.packed if source.family == IPV4 else source.packed[:8]
        digest = hashlib.blake2b(prefix, key=self._key, digest_size=2).digest()
        return int.from_bytes(digest) % _PLACES
