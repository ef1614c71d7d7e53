"""Joins TCP segments into streams, to be searched where one segment ends and the next begins.

Rules of this file: it takes any packets, in the order of the capture, and raises nothing. Memory is
bounded: what would be too much is counted as missing. The segments themselves are searched as
packets, so that only the seams between them are left.
"""

import struct
from typing import NamedTuple

from relay.tools.audit.packets import TCP, Packet

REACH = 2048
"""How many bytes before and after a seam are searched: ten times the longest spelling."""
MAX_STREAMS = 4096
MAX_WAITING = 256
"""How many segments of one stream may wait for an earlier one."""

_HALF = 1 << 31  # sequence numbers are compared modulo 2^32 (RFC 9293 section 3.4)
_SYN = 0x02


class Seam(NamedTuple):
    """The bytes around a seam: `data[:at]` was sent before the segment that begins there."""

    data: bytes
    at: int


class _Stream:
    """One direction of one connection."""

    def __init__(self, next_: int) -> None:
        self.next = next_
        self.tail = b""
        self.waiting: dict[int, bytes] = {}


class Streams:
    """The streams of one capture."""

    def __init__(self) -> None:
        self._streams: dict[tuple[object, ...], _Stream] = {}
        self._lost = 0

    @property
    def missing(self) -> int:
        """In how many places so far a stream goes on without what came before."""
        return self._lost + sum(bool(stream.waiting) for stream in self._streams.values())

    def take(self, packet: Packet) -> list[Seam]:
        """Take in one packet. Returns: the seams that it closes."""
        if packet.protocol != TCP or packet.transport_at + 20 > len(packet.frame):
            return []
        (sequence,) = struct.unpack_from("!I", packet.frame, packet.transport_at + 4)
        is_first = bool(packet.frame[packet.transport_at + 13] & _SYN)
        key = (packet.sender, packet.receiver)
        stream = self._streams.get(key)
        if stream is None or is_first:
            self._begin(key, (sequence + is_first) % 2**32)
            stream = self._streams[key]
        if not packet.payload:
            return []
        at = (sequence + is_first) % 2**32
        if len(packet.payload) > len(stream.waiting.get(at, b"")):
            stream.waiting[at] = packet.payload
        seams = _advance(stream)
        if len(stream.waiting) > MAX_WAITING:
            self._lost += 1
            stream.next = min(stream.waiting, key=lambda at: (at - stream.next) % 2**32)
            stream.tail = b""
            seams += _advance(stream)
        return seams

    def _begin(self, key: tuple[object, ...], next_: int) -> None:
        old = self._streams.pop(key, None)
        if old is None and len(self._streams) >= MAX_STREAMS:
            old = self._streams.pop(next(iter(self._streams)))
            self._lost += not old.waiting  # its next segment has nothing before it
        if old is not None:
            self._lost += bool(old.waiting)
        self._streams[key] = _Stream(next_)


def _advance(stream: _Stream) -> list[Seam]:
    """Take the waiting segments that continue the stream. Returns: the seams between them."""
    seams = []
    while ready := [at for at in stream.waiting if (stream.next - at) % 2**32 < _HALF]:
        at = min(ready, key=lambda at: (at - stream.next) % 2**32)
        known = (stream.next - at) % 2**32  # bytes of it that have been sent before
        fresh = stream.waiting.pop(at)[known:]
        if not fresh:
            continue
        if stream.tail:
            seams.append(Seam(stream.tail + fresh[:REACH], len(stream.tail)))
        stream.tail = (stream.tail + fresh)[-REACH:]
        stream.next = (stream.next + len(fresh)) % 2**32
    return seams
