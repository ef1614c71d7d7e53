"""What the user-space path forwards by: routes, and the meters of the legs they belong to."""

import os
import socket
from collections.abc import Callable, Iterator

from relay.address import PeerAddress
from relay.effects import NO_CHANNEL, Via
from relay.errors import DropReason
from relay.stun.indications import TRANSACTION_ID_SIZE, DataIndications

BURST_NS = 500_000_000
"""How far ahead of its rate a leg may send: a key frame, or the packets of a Wi-Fi stall."""

_BARE = NO_CHANNEL.to_bytes(2)
_NS_PER_KIB = 1024 * 8 * 1_000_000_000  # at one bit per second


def _transaction_ids() -> Iterator[bytes]:
    """Random ones without end; asking the kernel for each takes as long as all else together."""
    while True:
        pool = os.urandom(256 * TRANSACTION_ID_SIZE)
        for at in range(0, len(pool), TRANSACTION_ID_SIZE):
            yield pool[at : at + TRANSACTION_ID_SIZE]


_TRANSACTION_IDS = _transaction_ids()


class Meter:
    """One leg: what it sent, and how far its caps are used up.

    Caps are generic cell rates: a due time per cap, in whole nanoseconds, so that the kernel path
    can do the same sums. A packet over a cap is dropped and moves no due time.
    """

    __slots__ = (
        "byte_due_ns",
        "bytes",
        "dropped",
        "ns_per_kib",
        "ns_per_packet",
        "packet_due_ns",
        "packets",
    )

    def __init__(self, bitrate_bps: int, packets_per_s: int) -> None:
        self.byte_due_ns = 0
        self.packet_due_ns = 0
        self.packets = 0
        self.bytes = 0
        self.dropped = 0
        self.limit(bitrate_bps, packets_per_s)

    def limit(self, bitrate_bps: int, packets_per_s: int) -> None:
        """Set the caps: bits of payload per second and packets per second, both 1 or more."""
        self.ns_per_kib = _NS_PER_KIB // bitrate_bps
        self.ns_per_packet = 1_000_000_000 // packets_per_s

    def charge(self, payload: int, now_ns: int) -> DropReason | None:
        """Count one packet of so many payload bytes, or say which cap forbids it."""
        # Conditional expressions, since `max` takes as long as all the rest together.
        limit_ns = now_ns + BURST_NS
        due_ns = self.byte_due_ns
        byte_due_ns = (due_ns if due_ns > now_ns else now_ns) + (payload * self.ns_per_kib >> 10)
        if byte_due_ns > limit_ns:
            self.dropped += 1
            return DropReason.OVER_BITRATE
        due_ns = self.packet_due_ns
        packet_due_ns = (due_ns if due_ns > now_ns else now_ns) + self.ns_per_packet
        if packet_due_ns > limit_ns:
            self.dropped += 1
            return DropReason.OVER_PACKETS
        self.byte_due_ns = byte_due_ns
        self.packet_due_ns = packet_due_ns
        self.packets += 1
        self.bytes += payload
        return None


class Route:
    """Where data of one client goes: what it sends on one channel or to one peer, or all that comes
    to a port.

    Args:
        channel: how the target gets it: on this channel, bare, or in indications of this peer.
        send: sends a whole message to the target.
        meter: the sender's leg.
        expires_ns: on the monotonic clock.

    `rewrite` is what to write over the source's key in a received batch, where a batch can carry it
    on as it is; else None. `name` is the target's socket address, where a batch can carry it on in
    another framing; else None. `leaves_by` is the socket that reaches the target over UDP; None
    over a stream.
    """

    __slots__ = (
        "_channel",
        "_indications",
        "expires_ns",
        "leaves_by",
        "meter",
        "name",
        "rewrite",
        "send",
    )

    def __init__(
        self,
        channel: Via,
        send: Callable[[bytes], None],
        meter: Meter,
        expires_ns: int,
    ) -> None:
        self._channel = b""
        self._indications: DataIndications | None = None
        if isinstance(channel, PeerAddress):
            self._indications = DataIndications(channel)
        else:
            self._channel = channel.to_bytes(2)
        self.send = send
        self.meter = meter
        self.expires_ns = expires_ns
        self.rewrite: bytes | None = None
        self.name: bytes | None = None
        self.leaves_by: socket.socket | None = None

    def head(self, size: int) -> bytes:
        """What the target gets before so many bytes of application data."""
        if self._indications is not None:
            return self._indications.head(size, next(_TRANSACTION_IDS))
        return b"" if self._channel == _BARE else self._channel + size.to_bytes(2)

    def tail(self, size: int) -> bytes:
        """What it gets after them."""
        return self._indications.tail(size) if self._indications is not None else b""

    def pass_on(self, payload: bytes) -> None:
        """Send application data to the target, framed as it takes it."""
        size = len(payload)
        self.send(b"".join((self.head(size), payload, self.tail(size))))


class Tally:
    """What the user path forwarded and dropped, for the metrics."""

    __slots__ = ("bytes", "drops", "packets")

    def __init__(self) -> None:
        self.packets = 0
        self.bytes = 0
        self.drops = [0] * len(DropReason)

    def forwarded(self, payload: int, packets: int = 1) -> None:
        """Count packets that left, with so many payload bytes in all."""
        self.packets += packets
        self.bytes += payload

    def dropped(self, reason: DropReason) -> None:
        """Count one packet that went no further."""
        self.drops[reason] += 1
