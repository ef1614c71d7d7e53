"""Which bytes of a frame are encrypted end to end, and so look random.

Rules: only what is certainly ciphertext is left out; anything else, known or not, is clear. The
first byte decides what a payload is (RFC 7983 section 7).
"""

import struct

from tests.lab import pcap

_DATA = 0x0013
_COOKIE = bytes.fromhex("2112a442")


def clear_parts(item: bytes) -> list[bytes]:
    """A frame without the ciphertext in it; anything that is no frame of UDP or TCP, whole."""
    if len(item) < 34 or item[12:14] not in (b"\x08\x00", b"\x86\xdd"):
        return [item]
    packet = pcap.parse(item)
    if packet.protocol not in (pcap.UDP, pcap.TCP) or not packet.payload:
        return [item]
    head = item[: len(item) - len(packet.payload) - len(packet.trailer)]
    return [head, *_clear_parts_of(packet.payload), packet.trailer]


def _clear_parts_of(payload: bytes) -> list[bytes]:
    """The clear parts of what one datagram carries, by its first byte."""
    if not payload:
        return []
    first = payload[0]
    if 0x40 <= first <= 0x7F and len(payload) >= 4:
        end = 4 + int(struct.unpack_from("!H", payload, 2)[0])
        return [payload[:4], *_clear_parts_of(payload[4:end]), *_clear_parts_of(payload[end:])]
    if 128 <= first <= 191 and len(payload) >= 12:
        return [_rtp_header(payload)]
    if 20 <= first <= 63 and len(payload) >= 13:
        return _dtls(payload)
    if payload[4:8] == _COOKIE:
        return _stun(payload)
    return [payload]


def _rtp_header(payload: bytes) -> bytes:
    """The header of SRTP with its extension, or of SRTCP: what RFC 3711 leaves in the clear."""
    if 192 <= payload[1] <= 223:
        return payload[:8]
    end = 12 + 4 * (payload[0] & 0xF)
    if payload[0] & 0x10 and len(payload) >= end + 4:
        end += 4 + 4 * struct.unpack_from("!H", payload, end + 2)[0]
    return payload[:end]


def _dtls(payload: bytes) -> list[bytes]:
    """Record headers, and the bodies of the records of epoch 0 (RFC 6347 section 4.1)."""
    parts = []
    at = 0
    while at + 13 <= len(payload):
        epoch, length = struct.unpack_from("!3xH6xH", payload, at)
        parts.append(payload[at : at + 13 + (length if epoch == 0 else 0)])
        at += 13 + length
    return [*parts, payload[at:]]


def _stun(payload: bytes) -> list[bytes]:
    """A STUN message, the value of DATA taken for the datagram that it is, and what follows."""
    end = min(20 + int(struct.unpack_from("!H", payload, 2)[0]), len(payload))
    parts = [payload[:20]]
    at = 20
    while at + 4 <= end:
        kind, length = struct.unpack_from("!HH", payload, at)
        value = payload[at + 4 : at + 4 + length]
        parts.append(payload[at : at + 4])
        parts += _clear_parts_of(value) if kind == _DATA else [value]
        at += 4 + length + -length % 4
    return [*parts, *_clear_parts_of(payload[max(at, end) :])]
