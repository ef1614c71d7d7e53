"""What of one capture was not searched to the end, counted while its packets go by.

Rules of this file: every packet is searched as it stands; counted is where that is not enough,
because it is not whole, not understood, divided, or written in a way that hides what it says.
"""

import re
from collections import Counter

from relay.tools.audit.capture_file import Frame
from relay.tools.audit.layers import clear_spans
from relay.tools.audit.packets import TCP, Packet, Unread
from relay.tools.audit.report import Gap
from relay.tools.audit.streams import Streams

_ESP = 50
_COMPRESSED = re.compile(
    rb"\r\ncontent-encoding:[ \t]*(?:gzip|x-gzip|deflate|compress|br|zstd)"
    rb"|^HTTP/1\.1 101 .*\r\nsec-websocket-extensions:[^\r]*permessage-deflate",
    re.IGNORECASE | re.DOTALL,
)
"""Content that HTTP says is compressed (RFC 9110 section 8.4), and a WebSocket that is from here on
(RFC 7692 section 5)."""

_WORDS = {
    "cut_packets": "{} captured in part; capture with the whole length (tcpdump -s 0)",
    "dropped_packets": "{} dropped by the program that captured them",
    "unknown_link": "{} of a link type that is not read",
    "unknown_frames": "{} of a protocol that is not read: wrapped, or encrypted",
    "malformed_packets": "{} with a header or a length that does not fit",
    "fragments": "{} sent in fragments, which are not put together",
    "missing_segments": "{} where a TCP stream goes on without what came before",
    "compressed": "{} announcing compressed content, which is not unpacked",
}
_UNREAD = {
    Unread.LINK: "unknown_link",
    Unread.FRAME: "unknown_frames",
    Unread.MALFORMED: "malformed_packets",
    Unread.FRAGMENT: "fragments",
}


class Unsearched:
    """The count for one capture."""

    def __init__(self) -> None:
        self.encrypted = 0
        """Packets with content that is certainly encrypted: known to be, and not a gap."""
        self._counts: Counter[str] = Counter()
        self._streams = Streams()

    def take(self, frame: Frame, packet: Packet) -> None:
        """One packet more."""
        if frame.is_cut:
            self._counts["cut_packets"] += 1
        elif packet.unread is not None:
            self._counts[_UNREAD[packet.unread]] += 1
        self._streams.take(packet)
        if packet.protocol == TCP and _COMPRESSED.search(packet.payload):
            self._counts["compressed"] += 1
        clear = sum(end - start for start, end in clear_spans(packet))
        self.encrypted += packet.protocol == _ESP or clear < len(packet.frame)

    def gaps(self, about: str, file: str, dropped: int) -> list[Gap]:
        """What there is to say.

        Args:
            about: the party.
            dropped: packets that the capturing program has dropped.
        """
        counts = self._counts | Counter(
            dropped_packets=dropped, missing_segments=self._streams.missing
        )
        return [
            Gap(kind, about, count, f"{file}: {words.format(_packets(count))}")
            for kind, words in _WORDS.items()
            if (count := counts[kind])
        ]


def _packets(count: int) -> str:
    return "1 packet" if count == 1 else f"{count} packets"
