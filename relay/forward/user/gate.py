"""Which datagrams of strangers are worth asking the core about, decided in a microsecond or two.

Rules of this file: a stranger is who holds no allocation, or whose address a relayed port does not
know. Nothing is allocated per stranger; what a
flood of one kind uses up is of no use to another kind.

    has what only its client was told, a nonce or a ufrag ──────────> its source's rate ─> PROVEN
    has been here before, as a client's retransmission would be ────> its source's rate ─> AGAIN
    any other STUN, or what may be ─────────────────────────────────> its source's rate ─> FIRST
    anything else ──────────────────────────────────────────────────────────────────────> OTHER

Who forges sources is seen once per source and transaction; a client repeats what is not answered.
"""

import mmap
from array import array
from itertools import islice

from relay.address import FiveTuple, ServerAddress, Transport
from relay.errors import DropReason
from relay.forward.user import sockets
from relay.forward.user.core import Judge
from relay.forward.user.slots import Batch
from relay.stun.demux import MAYBE_STUN

PER_S = 3000
"""What each lane lets through, unless one source alone may have more; each costs 10 to 25 µs."""

CLIENT_PER_S = 10_000
"""Datagrams of one client that no route forwards: requests, and data on its way to a route."""

_CHECKS_PER_S = 12_000  # of proofs: 5 µs each
_LANE_BURST_NS = 250_000_000
_SOURCE_BURST_NS = 10_000_000_000
_SOURCES = 1 << 14
_LOOKS_PER_ANSWER = 4  # a source's datagrams that are looked at, over answers that it may have

NONCE = b"\x00\x15\x00"
"""NONCE and the first byte of its length: RFC 8489 section 14.10."""
USERNAME = b"\x00\x06\x00"
"""Likewise: RFC 8489 section 14.3. Names a ufrag where it is ICE."""

_PROOF_BYTES = 64  # what names either, and has a MAC, is longer
_STUN_LAST = MAYBE_STUN[-1]

_SIGHTS = 1 << 20
_TICK_BITS = 24  # of nanoseconds: 17 ms
_SOONEST, _LATEST = 8, 480
"""Ticks from one sight to the next, 134 ms to 8 s. Clients repeat a request after 200 ms or more,
and each time after twice as long; a flood that has few datagrams repeats them sooner."""


class Lane:
    """One generic cell rate: so many per second, with a quarter of a second's burst."""

    __slots__ = ("_due_ns", "_each_ns")

    def __init__(self, per_s: int) -> None:
        self._due_ns = 0
        self._each_ns = 1_000_000_000 // per_s

    def take(self, now_ns: int) -> bool:
        """Whether one more may pass; if so it is counted."""
        due_ns = self._due_ns if self._due_ns > now_ns else now_ns
        if due_ns - now_ns > _LANE_BURST_NS:
            return False
        self._due_ns = due_ns + self._each_ns
        return True


class Sources:
    """A rate by source, in a fixed array; Python's hash is keyed anew in each process."""

    __slots__ = ("_due_ns", "_each_ns")

    def __init__(self, per_s: int) -> None:
        self._due_ns = array("q", bytes(8 * _SOURCES))
        self._each_ns = 1_000_000_000 // per_s

    def take(self, place: int, lane: Lane, now_ns: int) -> bool:
        """Whether one more of a source may pass, and there is room in the lane."""
        due_ns = self._due_ns[place]
        due_ns = due_ns if due_ns > now_ns else now_ns
        if due_ns - now_ns > _SOURCE_BURST_NS or not lane.take(now_ns):
            return False
        self._due_ns[place] = due_ns + self._each_ns
        return True


class Sights:
    """When a datagram's sender and transaction were last seen, as far as there is room."""

    def __init__(self) -> None:
        # Not an array: what no flood has touched takes no memory.
        self._seen = memoryview(mmap.mmap(-1, 4 * _SIGHTS)).cast("I")

    def is_repeated(self, what: bytes, now_ns: int) -> bool:
        """Whether it was here before, as long ago as a retransmission comes; it is noted anew."""
        number = hash(what)
        at = number & _SIGHTS - 1
        sight = number >> 8 & 0xFFFF0000 | now_ns >> _TICK_BITS & 0xFFFF
        seen = self._seen[at]
        self._seen[at] = sight
        return (seen ^ sight) < 1 << 16 and _SOONEST <= (sight - seen) & 0xFFFF <= _LATEST


class Gate:
    """All strangers of a relay, whichever of its UDP listeners they talk to; or of its ports.

    Args:
        answers_per_s: what one source may have before it has authenticated.
        proof: what stands in a datagram that the judge is to look at.
        client_per_s: what each client may have that no route forwards.
    """

    def __init__(
        self,
        judge: Judge,
        answers_per_s: int,
        proof: bytes = NONCE,
        client_per_s: int = CLIENT_PER_S,
    ) -> None:
        self.client_per_s = client_per_s
        self._proof = proof
        per_s = _LOOKS_PER_ANSWER * answers_per_s
        self._judge = judge
        self._sights = Sights()
        self._sources, self._proven_sources = Sources(per_s), Sources(per_s)
        lane_per_s = max(PER_S, answers_per_s)
        self._proven, self._other = Lane(lane_per_s), Lane(lane_per_s)
        self._unproven = Lane(lane_per_s), Lane(lane_per_s)  # by whether it was here before
        self._checks = Lane(_CHECKS_PER_S), Lane(_CHECKS_PER_S)  # likewise

    def door(self, server: ServerAddress) -> "Door":
        """Make the door of one listener or relayed port."""
        return Door(self, self._judge, server)

    def admits(self, batch: Batch, slot: int, server: ServerAddress, now_ns: int) -> bool:
        """Whether the core is to see this datagram of a stranger."""
        data = batch.data
        if data[batch.payloads_at[slot]] > _STUN_LAST:
            return self._other.take(now_ns)
        place = hash(data[batch.sources[slot]]) & _SOURCES - 1
        is_repeated = self._sights.is_repeated(data[batch.openings[slot]], now_ns)
        if batch.lengths[slot] >= _PROOF_BYTES:
            datagram = batch.payload(slot)
            if (
                self._proof in datagram
                and self._checks[is_repeated].take(now_ns)
                and self._is_proven(datagram, batch.name(slot), server)
            ):
                return self._proven_sources.take(place, self._proven, now_ns)
        return self._sources.take(place, self._unproven[is_repeated], now_ns)

    def _is_proven(self, datagram: bytes, name: bytes, server: ServerAddress) -> bool:
        client = FiveTuple(Transport.UDP, sockets.unpack(name), server)
        return self._judge.is_proven(datagram, client)


class Door:
    """The clients of one UDP listener or relayed port, which are let in by their own rate, and the
    gate for strangers.

    A client is remembered by its packed name when the core has come to know it, and forgotten when
    it is next heard from and not known any more, or when its turn to be looked at comes: with each
    new client two of the others are, so that no more than twice as many are remembered as there
    are.
    """

    def __init__(self, gate: Gate, judge: Judge, server: ServerAddress) -> None:
        self._gate = gate
        self._judge = judge
        self._server = server
        self._clients: dict[bytes, Lane] = {}

    def __len__(self) -> int:
        return len(self._clients)

    def refuses(self, batch: Batch, slot: int, now_ns: int) -> DropReason | None:
        """Why the core is not to see this datagram; None where it is."""
        lane = self._clients.get(batch.name(slot))
        if lane is not None:
            return None if lane.take(now_ns) else DropReason.REQUEST_RATE
        if self._gate.admits(batch, slot, self._server, now_ns):
            return None
        return DropReason.UNAUTHENTICATED_RATE

    def note(self, name: bytes) -> None:
        """The core has seen something of this client: it may know it now, or no longer."""
        if not self._is_client(name):
            self._clients.pop(name, None)
        elif name not in self._clients:
            for oldest in list(islice(self._clients, 2)):
                lane = self._clients.pop(oldest)
                if self._is_client(oldest):
                    self._clients[oldest] = lane
            self._clients[name] = Lane(self._gate.client_per_s)

    def _is_client(self, name: bytes) -> bool:
        return self._judge.is_known(FiveTuple(Transport.UDP, sockets.unpack(name), self._server))
