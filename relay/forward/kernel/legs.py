"""The legs as the kernel knows them: a number each, caps and counts in shared memory."""

import hashlib
from typing import NamedTuple

from relay.effects import LegKey, SetLeg
from relay.forward.kernel.indexes import Indexes
from relay.forward.kernel.layout import LEG
from relay.forward.kernel.maps import Array
from relay.forward.meter import Meter

_WORDS = LEG.size // 8
_NS_PER_KIB, _NS_PER_PACKET = LEG.word("ns_per_kib"), LEG.word("ns_per_packet")
_PACKETS, _BYTES, _DROPPED = LEG.word("packets"), LEG.word("bytes"), LEG.word("dropped")
_DIGEST = LEG.word("digest")


class LegCounts(NamedTuple):
    """What the kernel path has done for a leg: payload bytes, and packets over a cap."""

    packets: int
    bytes: int
    dropped: int


class Legs:
    """Keeps the caps and counts of legs in the map `legs`.

    Args:
        memory: the map `legs`.
        adopted: numbers that routes of an earlier daemon use. Nobody else gets them; the leg whose
            digest one carries gets it back, counts and all.
    """

    def __init__(self, memory: Array, adopted: frozenset[int]) -> None:
        self._memory = memory
        self._words = memory.words
        self._indexes = Indexes(memory.length, adopted)
        self._index: dict[LegKey, int] = {}
        self._adopted = {self._words[i * _WORDS + _DIGEST]: i for i in adopted}

    def set(self, effect: SetLeg, now_ns: int) -> bool:
        """Let a leg exist, with these caps. Returns: whether there was room for it."""
        index = self._index.get(effect.leg)
        if index is None:
            index = self._claim(effect.leg, now_ns)
            if index is None:
                return False
        meter = Meter(effect.bitrate_bps, effect.packets_per_s)
        self._words[index * _WORDS + _NS_PER_KIB] = meter.ns_per_kib
        self._words[index * _WORDS + _NS_PER_PACKET] = meter.ns_per_packet
        return True

    def drop(self, leg: LegKey, now_ns: int) -> None:
        """Forget a leg and its counts; no route may use it any more."""
        index = self._index.pop(leg, None)
        if index is not None:
            self._indexes.give(index, now_ns)

    def index(self, leg: LegKey) -> int | None:
        """Find the number of a leg; None if there is no such leg."""
        return self._index.get(leg)

    def counts(self, leg: LegKey) -> LegCounts | None:
        """Read what the kernel path has done for a leg; None if there is no such leg."""
        index = self._index.get(leg)
        if index is None:
            return None
        at = index * _WORDS
        words = self._words
        return LegCounts(words[at + _PACKETS], words[at + _BYTES], words[at + _DROPPED])

    def release(self, index: int, now_ns: int) -> None:
        """Free the number of an earlier daemon's leg: its last route is gone."""
        digest = self._words[index * _WORDS + _DIGEST]
        if self._adopted.get(digest) == index:
            del self._adopted[digest]
            self._indexes.give(index, now_ns)

    def close(self) -> None:
        """Close the map."""
        self._memory.close()

    def _claim(self, leg: LegKey, now_ns: int) -> int | None:
        digest = _digest(leg)
        index = self._adopted.pop(digest, None)
        if index is None:
            index = self._indexes.take(now_ns)
            if index is None:
                return None
            at = index * _WORDS
            for word in range(_WORDS):
                self._words[at + word] = 0
            self._words[at + _DIGEST] = digest
        self._index[leg] = index
        return index


def _digest(leg: LegKey) -> int:
    name = f"{len(leg.call)}:{leg.call}{leg.leg}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest())
