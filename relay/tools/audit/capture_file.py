"""Reads capture files, pcap and pcapng: bytes in, frames out, in bounded memory.

Rules of this file: on any input a reader raises Unreadable and nothing else, and it holds no more
than one block of the file. It skips what is no frame (comments, resolved names), and takes from
statistics how many packets the capturing program has dropped.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

MAX_FRAME = 262_144
"""Bytes; the largest that capturing programs write (libpcap's MAXIMUM_SNAPLEN)."""
MAX_BLOCK = 16 * 1024 * 1024
"""Bytes of a pcapng block; those that carry keys or names may be longer than any frame."""
MAX_INTERFACES = 4096

_PCAP = {
    bytes.fromhex("d4c3b2a1"): ("<", 1e-6),
    bytes.fromhex("a1b2c3d4"): (">", 1e-6),
    bytes.fromhex("4d3cb2a1"): ("<", 1e-9),
    bytes.fromhex("a1b23c4d"): (">", 1e-9),
}
_PCAPNG = bytes.fromhex("0a0d0d0a")
_ORDERS = {bytes.fromhex("4d3c2b1a"): "<", bytes.fromhex("1a2b3c4d"): ">"}
_INTERFACE, _PACKET, _SIMPLE, _STATISTICS, _ENHANCED = 1, 2, 3, 5, 6
_FLAGS, _RESOLUTION, _DROPPED = 2, 9, 5  # options of a packet, of an interface, of statistics
_OUTBOUND = 2


class Unreadable(ValueError):
    """The bytes are not a capture, or stop being one; the message says why."""


class Frame(NamedTuple):
    """One captured frame.

    Args:
        link: the link type (LINKTYPE_ of the registry of tcpdump.org).
        is_cut: the capture holds a part of the frame only.
        is_outgoing: the capturing host sent it; None where the file does not say.
    """

    time_s: float
    data: bytes
    link: int
    is_cut: bool
    is_outgoing: bool | None = None


def is_capture(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a capture."""
    return head[:4] in _PCAP or head[:4] == _PCAPNG


class CaptureReader:
    """Takes a capture in pieces of any size and yields every frame that is whole.

    Spec: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._format: _Pcap | _PcapNg | None = None

    @property
    def dropped(self) -> int:
        """How many packets are missing from the file, as the file says."""
        return 0 if self._format is None else self._format.dropped

    @property
    def is_at_a_boundary(self) -> bool:
        """Whether all bytes so far are read; if not, the file ends within a record."""
        return not self._rest

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take more bytes of the file, and yield the frames that they complete.

        Raises: Unreadable. Nothing else.
        """
        data = self._rest + data
        at = 0
        if self._format is None:
            if len(data) < _Pcap.HEADER:
                self._rest = data
                return
            self._format, at = _format_of(data)
        while (taken := self._format.take(data, at)) is not None:
            frame, at = taken
            if frame is not None:
                yield frame
        self._rest = data[at:]


def _format_of(data: bytes) -> "tuple[_Pcap | _PcapNg, int]":
    """Find the format, and how many bytes of `data` told it."""
    if data[:4] in _PCAP:
        return _Pcap(data), _Pcap.HEADER
    if data[:4] == _PCAPNG:
        return _PcapNg(), 0
    raise Unreadable("neither pcap nor pcapng")


class _Pcap:
    """Reads the records of the classic format."""

    HEADER = 24
    dropped = 0  # it does not say

    def __init__(self, data: bytes) -> None:
        order, self._unit_s = _PCAP[data[:4]]
        self._record = struct.Struct(f"{order}IIII")
        (link,) = struct.unpack_from(f"{order}I", data, 20)
        self._link = link & 0xFFFF  # above it: length of the frame check sequence

    def take(self, data: bytes, at: int) -> tuple[Frame, int] | None:
        """Read the record at `at`. Returns: its frame and the next offset; None if it is cut."""
        start = at + self._record.size
        if start > len(data):
            return None
        seconds, fraction, kept, length = self._record.unpack_from(data, at)
        if kept > MAX_FRAME:
            raise Unreadable("a record is longer than any frame")
        if start + kept > len(data):
            return None
        time_s = seconds + fraction * self._unit_s
        frame = Frame(time_s, data[start : start + kept], self._link, kept < length)
        return frame, start + kept


class _Interface(NamedTuple):
    link: int
    snap: int
    unit_s: float


class _PcapNg:
    """Reads the blocks of pcapng."""

    def __init__(self) -> None:
        self._order = "<"
        self._interfaces: list[_Interface] = []
        self._dropped: dict[int, int] = {}
        self._dropped_before = 0

    @property
    def dropped(self) -> int:
        """How many packets were dropped: the last count of each interface, over all sections."""
        return self._dropped_before + sum(self._dropped.values())

    def take(self, data: bytes, at: int) -> tuple[Frame | None, int] | None:
        """Read the block at `at`. Returns: its frame, if any, and the next offset; None if cut."""
        if at + 12 > len(data):
            return None
        if data[at : at + 4] == _PCAPNG:
            self._begin_section(data[at + 8 : at + 12])
        kind, length = struct.unpack_from(f"{self._order}II", data, at)
        if not 12 <= length <= MAX_BLOCK or length % 4:
            raise Unreadable("a block has an impossible length")
        if at + length > len(data):
            return None
        try:
            frame = self._block(kind, data[at + 8 : at + length - 4])
        except struct.error:
            raise Unreadable("a block is shorter than its fields") from None
        return frame, at + length

    def _begin_section(self, magic: bytes) -> None:
        if magic not in _ORDERS:
            raise Unreadable("a section has no byte order")
        self._order = _ORDERS[magic]
        self._interfaces.clear()
        self._dropped_before = self.dropped
        self._dropped = {}

    def _block(self, kind: int, body: bytes) -> Frame | None:
        if kind == _INTERFACE:
            self._add_interface(body)
        elif kind == _STATISTICS:
            self._take_statistics(body)
        elif kind == _ENHANCED:
            return self._enhanced(body)
        elif kind == _PACKET:
            return self._obsolete(body)
        elif kind == _SIMPLE:
            return self._simple(body)
        return None

    def _add_interface(self, body: bytes) -> None:
        if len(self._interfaces) >= MAX_INTERFACES:
            raise Unreadable("more interfaces than any host has")
        link, _, snap = struct.unpack_from(f"{self._order}HHI", body)
        unit_s = 1e-6
        for option, value in self._options(body, 8):
            if option == _RESOLUTION and value:
                unit_s = 2.0 ** -(value[0] & 0x7F) if value[0] & 0x80 else 10.0 ** -value[0]
        self._interfaces.append(_Interface(link, snap, unit_s))

    def _take_statistics(self, body: bytes) -> None:
        (number,) = struct.unpack_from(f"{self._order}I", body)
        for option, value in self._options(body, 12):
            if option == _DROPPED and len(value) == 8 and number < len(self._interfaces):
                self._dropped[number] = int(struct.unpack(f"{self._order}Q", value)[0])

    def _obsolete(self, body: bytes) -> Frame:
        """Read the predecessor of the enhanced block, whose interface number has 16 bits."""
        (number,) = struct.unpack_from(f"{self._order}H", body)
        return self._enhanced(struct.pack(f"{self._order}I", number) + body[4:])

    def _enhanced(self, body: bytes) -> Frame:
        number, high, low, kept, length = struct.unpack_from(f"{self._order}5I", body)
        if kept > min(len(body) - 20, MAX_FRAME):
            raise Unreadable("a frame is longer than its block")
        interface = self._interface(number)
        is_outgoing = None
        for option, value in self._options(body, 20 + kept + -kept % 4):
            if option == _FLAGS and len(value) == 4:
                direction = int(struct.unpack(f"{self._order}I", value)[0]) & 3
                is_outgoing = direction == _OUTBOUND if direction else None
        time_s = (high << 32 | low) * interface.unit_s
        data = body[20 : 20 + kept]
        return Frame(time_s, data, interface.link, kept < length, is_outgoing)

    def _simple(self, body: bytes) -> Frame:
        (length,) = struct.unpack_from(f"{self._order}I", body)
        interface = self._interface(0)
        kept = min(length, interface.snap or length, len(body) - 4)
        return Frame(0.0, body[4 : 4 + kept], interface.link, kept < length)

    def _interface(self, number: int) -> _Interface:
        if number >= len(self._interfaces):
            raise Unreadable("a frame of an interface that was not described")
        return self._interfaces[number]

    def _options(self, body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
        while at + 4 <= len(body):
            option, length = struct.unpack_from(f"{self._order}HH", body, at)
            if not option:
                return
            yield option, body[at + 4 : at + 4 + length]
            at += 4 + length + -length % 4
