"""What both paths count by: the meters of legs with their caps, and the tally of a path."""

from relay.errors import DropReason

BURST_NS = 500_000_000
"""How far ahead of its rate a leg may send: a key frame, or the packets of a Wi-Fi stall."""

_NS_PER_KIB = 1024 * 8 * 1_000_000_000  # at one bit per second


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


class Tally:
    """What a path forwarded and dropped, for the metrics."""

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
