"""Finds the layers of a datagram, and which of its bytes are encrypted end to end.

Rules of this file: the first byte decides what a datagram is (`relay.stun.demux`). A segment of TCP
may begin anywhere in its stream, so it is read only if whole messages or TLS records fill it. The
clear spans leave out only what is certainly ciphertext, and so looks random; anything else, known
or not, is clear. The functions take any bytes, raise nothing, and do not recurse.
"""

import struct
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from relay.stun import demux
from relay.tools.audit.packets import TCP, UDP, Packet

Span = tuple[int, int]
"""Two offsets in a frame: the first byte, and the first one after the span."""

COOKIE = bytes.fromhex("2112a442")
_DATA = 0x0013
_WORD = struct.Struct("!H")
_TLV = struct.Struct("!HH")
_NAMES = {53, 137, 5353, 5355}
"""Ports of DNS, NetBIOS, mDNS and LLMNR (IANA). Their messages begin with any byte, and name
addresses in the clear."""
_APPLICATION_DATA, _MAX_RECORD = 23, 16_384 + 2_048
"""A content type of TLS, and its longest record: RFC 8446 section 5.1, RFC 5246 section 6.2.3."""


class Kind(Enum):
    """What a layer is; the value is its name in a report."""

    CHANNEL_DATA = "TURN channel data header"
    STUN = "STUN message"
    DTLS = "DTLS record"
    TLS = "TLS record"
    RTP = "RTP or RTCP header"
    OTHER = "payload"


class Layer(NamedTuple):
    """One layer: its bytes in the frame, which of them are clear, and the spans of inner layers."""

    kind: Kind
    start: int
    end: int
    clear: tuple[Span, ...]
    inner: tuple[Span, ...] = ()


def layers(packet: Packet) -> Iterator[Layer]:
    """Yield every layer that a packet of UDP or TCP carries."""
    whole = packet.payload_at, packet.payload_at + len(packet.payload)
    if packet.protocol not in (UDP, TCP) or not packet.payload:
        return
    waiting = [whole]
    if {packet.source_port, packet.destination_port} & _NAMES:
        yield Layer(Kind.OTHER, *whole, (whole,))
        return
    if packet.protocol == TCP:
        records = _tls(packet.frame, *whole)
        if records is not None:
            yield records
            return
        waiting = _messages(packet.frame, *whole)
        if not waiting:
            yield Layer(Kind.OTHER, *whole, (whole,))
    while waiting:
        start, end = waiting.pop()
        if start < end:
            layer = _layer(packet.frame, start, end)
            yield layer
            waiting += layer.inner


def clear_spans(packet: Packet) -> list[Span]:
    """The spans of a frame that are not ciphertext, as few as possible."""
    if not packet.payload:
        return [(0, len(packet.frame))]
    end = packet.payload_at + len(packet.payload)
    spans = [(0, packet.payload_at), (end, len(packet.frame))]
    for layer in layers(packet):
        spans += layer.clear
    return _joined(spans)


def _joined(spans: list[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and joined[-1][1] >= start:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif start < end:
            joined.append((start, end))
    return joined


def _layer(frame: bytes, start: int, end: int) -> Layer:
    """Read the layer that begins at `start`, which is at least one byte long."""
    first, length = frame[start], end - start
    if first in demux.CHANNELS and length >= 4:
        stop = min(start + 4 + int(_WORD.unpack_from(frame, start + 2)[0]), end)
        inner = ((start + 4, stop), (stop, end))
        return Layer(Kind.CHANNEL_DATA, start, end, ((start, start + 4),), inner)
    if first in demux.RTP and length >= 12:
        return Layer(Kind.RTP, start, end, ((start, _end_of_rtp_header(frame, start, end)),))
    if first in demux.DTLS and length >= 13:
        return _dtls(frame, start, end)
    if frame[start + 4 : start + 8] == COOKIE and length >= 20:
        return _stun(frame, start, end)
    return Layer(Kind.OTHER, start, end, ((start, end),))


def _end_of_rtp_header(frame: bytes, start: int, end: int) -> int:
    """Find where the clear header of SRTP, with its extension, or of SRTCP ends: RFC 3711."""
    if 192 <= frame[start + 1] <= 223:
        return start + 8
    at = start + 12 + 4 * (frame[start] & 0xF)
    if frame[start] & 0x10 and at + 4 <= end:
        at += 4 + 4 * int(_WORD.unpack_from(frame, at + 2)[0])
    return min(at, end)


def _dtls(frame: bytes, start: int, end: int) -> Layer:
    """Read DTLS: headers, and bodies of records of epoch 0, are clear (RFC 6347 section 4.1)."""
    clear = []
    at = start
    while at + 13 <= end:
        epoch, length = struct.unpack_from("!3xH6xH", frame, at)
        clear.append((at, min(at + 13 + (length if epoch == 0 else 0), end)))
        at += 13 + length
    return Layer(Kind.DTLS, start, end, (*clear, (min(at, end), end)))


def _stun(frame: bytes, start: int, end: int) -> Layer:
    """Read a STUN message. The value of DATA and what follows the message are inner layers."""
    stop = min(start + 20 + int(_WORD.unpack_from(frame, start + 2)[0]), end)
    inner = []
    clear = [(start, start + 20)]
    at = start + 20
    while at + 4 <= stop:
        kind, length = _TLV.unpack_from(frame, at)
        value = (at + 4, min(at + 4 + length, stop))
        clear.append((at, at + 4 if kind == _DATA else value[1]))
        if kind == _DATA:
            inner.append(value)
        at += 4 + length + -length % 4
    return Layer(Kind.STUN, start, end, tuple(clear), (*inner, (min(at, end), end)))


def _messages(frame: bytes, start: int, end: int) -> list[Span]:
    """Split a segment that consists of whole TURN messages (RFC 8656 section 12.5); else empty."""
    found = []
    at = start
    while at + 4 <= end:
        if frame[at] in demux.CHANNELS:
            size = 4 + int(_WORD.unpack_from(frame, at + 2)[0])
        elif frame[at + 4 : at + 8] == COOKIE:
            size = 20 + int(_WORD.unpack_from(frame, at + 2)[0])
        else:
            return []
        size += -size % 4
        found.append((at, at + size))
        at += size
    return found if at == end else []


def _tls(frame: bytes, start: int, end: int) -> Layer | None:
    """Read TLS records from the first byte on. The last one may end in a later segment."""
    clear = []
    at = start
    while at < end:
        kind, version, length = _record(frame[at : min(at + 5, end)])
        if kind not in demux.TLS or version != 3 or length > _MAX_RECORD:
            return None
        stop = min(at + 5 + length, end)
        clear.append((at, min(at + 5, stop) if kind == _APPLICATION_DATA else stop))
        at = stop
    return Layer(Kind.TLS, start, end, tuple(clear))


def _record(header: bytes) -> tuple[int, int, int]:
    """Read type, major version and length of a record; zeros where its header is cut."""
    if len(header) < 5:
        return 0, 0, 0
    return header[0], header[1], int(_WORD.unpack_from(header, 3)[0])
