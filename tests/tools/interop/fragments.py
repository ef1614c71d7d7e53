"""Puts IPv6 fragments together and searches them, which `callveil audit` leaves to others.

Firefox sends datagrams that are longer than a packet may be, and so their parts.
"""

import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence

from relay.tools.audit.packets import Packet, Unread
from relay.tools.audit.search import Hit, find
from relay.tools.audit.spellings import IP

_HEADER = struct.Struct("!BBHI")  # next header, reserved, offset and flags, identification
_FIXED = 40  # bytes of an IPv6 header: RFC 8200 section 3


def hits(packets: Iterable[Packet], addresses: Sequence[IP]) -> list[Hit]:
    """Addresses in what was fragmented. An IPv4 fragment, which nobody sends here, is a fault."""
    parts: dict[tuple[str, str, int], list[tuple[int, bytes]]] = defaultdict(list)
    for packet in packets:
        if packet.unread is not Unread.FRAGMENT:
            continue
        assert packet.version == 6
        start = packet.network_at + _FIXED
        _, _, offset, number = _HEADER.unpack_from(packet.frame, start)
        key = (packet.source, packet.destination, number)
        parts[key].append((offset & 0xFFF8, packet.frame[start + _HEADER.size :]))
    whole = [b"".join(data for _, data in sorted(each)) for each in parts.values()]
    return find(whole, *map(str, addresses))
