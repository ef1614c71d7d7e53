"""Counts what of one capture the audit cannot search.

Rules of this file: every packet is searched as it stands. A packet is counted where that is not
enough: it is cut, unknown, a fragment, or compressed.
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
"""Compressed content in HTTP (RFC 9110 section 8.4), and the start of a compressed WebSocket
(RFC 7692 section 5)."""

_WORDS = {
    "cut_packets": "{}: captured in part only; capture with the whole length (tcpdump -s 0)",
    "dropped_packets": "{}: dropped while capturing; capture with a larger buffer (tcpdump -B)",
    "unknown_link": "{}: the audit cannot read this link type",
    "unknown_frames": "{}: the audit cannot read this protocol; it may be wrapped or encrypted",
    "malformed_packets": "{}: a header or a length does not fit",
    "fragments": "{}: the audit does not put IP fragments together",
    "missing_segments": "{}: a TCP stream goes on there without what came before",
    "compressed": "{}: the content is compressed, and the audit does not unpack it",
}
_UNREAD = {
    Unread.LINK: "unknown_link",
    Unread.FRAME: "unknown_frames",
    Unread.MALFORMED: "malformed_packets",
    Unread.FRAGMENT: "fragments",
}


class Unsearched:
    """The counts of one capture."""

    def __init__(self) -> None:
        self.encrypted = 0
        """How many packets have content that is certainly encrypted; they are not a gap."""
        self._counts: Counter[str] = Counter()
        self._streams = Streams()

    def take(self, frame: Frame, packet: Packet) -> None:
        """Take in one packet."""
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
        """List the gaps of the capture.

        Args:
            about: the party.
            dropped: how many packets the capturing program has dropped.
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
