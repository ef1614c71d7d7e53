"""Generic cell rates in memory that never grows.

Each source, client or leg has a place in a fixed array, chosen by a keyed hash; those that share a
place share its rate. There is no rate of all together: whoever forges sources would use it up for
everybody else. What all strangers together may cost is for the listener to bound.
"""

import hashlib
from array import array

from relay.address import IPV4, ClientAddress

BURST_S = 10.0
"""Seconds' worth that may be drawn at once: a household behind one NAT, a client that begins."""

_PLACES = 1 << 16


class Rate:
    """Generic cell rate: an arrival time per place.

    Args:
        per_s: of each place.
        key: of the hash, so that nobody can choose a place.
    """

    def __init__(self, per_s: int, key: bytes) -> None:
        self._period = 1.0 / per_s
        self._key = key[:32]
        self._due = array("d", bytes(8 * _PLACES))

    def is_within(self, whose: bytes, mono: float) -> bool:
        """Whether one more is within the rate; if so it is counted."""
        digest = hashlib.blake2b(whose, key=self._key, digest_size=2).digest()
        place = int.from_bytes(digest)
        due = max(self._due[place], mono)
        if due - mono > BURST_S - self._period / 2:  # half of it, for what floats cannot tell
            return False
        self._due[place] = due + self._period
        return True


class SourceRate:
    """A rate by source.

    A challenge is a little larger than the smallest request that draws it, so an open relay would
    amplify what is sent to it with a forged source.
    """

    def __init__(self, per_s: int, key: bytes) -> None:
        self._rate = Rate(per_s, key)

    def is_within(self, source: ClientAddress, mono: float) -> bool:
        """Whether one more answer to this source is within the rate; if so it is counted."""
        # A host owns its whole IPv6 /64 and could draw on every address in it.
        prefix = source.packed if source.family == IPV4 else source.packed[:8]
        return self._rate.is_within(prefix, mono)
