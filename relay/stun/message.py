"""STUN messages: bytes to a value and back.

Rules of this file: `parse` raises Malformed and nothing else; it checks the frame of a message,
and the value of an attribute is decoded when it is asked for.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from relay.errors import DropReason, Malformed
from relay.stun import integrity
from relay.stun.addresses import COOKIE
from relay.stun.attributes import Attribute, AttributeType, Pair
from relay.stun.values import T


class Method(IntEnum):
    """RFC 8489 section 18.2, RFC 8656 section 17 and RFC 6062 section 6.1."""

    BINDING = 0x001
    ALLOCATE = 0x003
    REFRESH = 0x004
    SEND = 0x006
    DATA = 0x007
    CREATE_PERMISSION = 0x008
    CHANNEL_BIND = 0x009
    CONNECT = 0x00A
    CONNECTION_BIND = 0x00B
    CONNECTION_ATTEMPT = 0x00C


class Class(IntEnum):
    """RFC 8489 section 5."""

    REQUEST = 0
    INDICATION = 1
    SUCCESS = 2
    ERROR = 3


HEADER_SIZE = 20
"""Bytes; RFC 8489 section 5."""

_HEADER = struct.Struct("!HHI12s")
_TLV = struct.Struct("!HH")
_UINT32 = struct.Struct("!I")
_CLASSES = tuple(Class)
_PADDING = (b"", bytes(3), bytes(2), bytes(1))
_ATTRIBUTES_MAX = 64
"""Of one message, those that are ignored included; no client of ours sends more than fifteen."""

_LONGEST_BODY = 0xFFFC  # the largest multiple of 4 that the length field holds
_TRAILER = 44  # bytes that MESSAGE-INTEGRITY-SHA256 and FINGERPRINT would take

_MESSAGE_INTEGRITY = Attribute.MESSAGE_INTEGRITY.number
_MESSAGE_INTEGRITY_SHA256 = Attribute.MESSAGE_INTEGRITY_SHA256.number
_FINGERPRINT = Attribute.FINGERPRINT.number


@dataclass(slots=True, repr=False)
class Message:
    """One STUN message as it came.

    Privacy: its attributes spell addresses, so its `repr` shows none of them.

    Args:
        method: 0..=0xFFF, of `Method` where it is known.
        cls: request, indication, success or error response.
        transaction_id: 12 bytes.
        attributes: (type, value) in wire order, repeated ones kept, what follows
            MESSAGE-INTEGRITY and must be ignored left out.
        raw: the whole message.
        integrity_at, integrity_sha256_at: offset of the MAC's attribute header, 0 if there is none.
    """

    method: int
    cls: Class
    transaction_id: bytes
    attributes: tuple[tuple[int, bytes], ...]
    raw: bytes
    integrity_at: int = 0
    integrity_sha256_at: int = 0

    def get(self, attribute: AttributeType[T]) -> T | None:
        """The decoded value of the first attribute of this type, None if there is none.

        Raises: Malformed(BAD_ATTRIBUTE). Nothing else.
        """
        number = attribute.number
        for kind, value in self.attributes:
            if kind == number:
                return attribute.decode(value, self.transaction_id)
        return None

    def all(self, attribute: AttributeType[T]) -> list[T]:
        """The decoded values of all attributes of this type, in wire order.

        Raises: Malformed(BAD_ATTRIBUTE). Nothing else.
        """
        number = attribute.number
        return [
            attribute.decode(value, self.transaction_id)
            for kind, value in self.attributes
            if kind == number
        ]

    def unknown(self, known: frozenset[int]) -> tuple[int, ...]:
        """Comprehension-required types that are not in `known`, each once, in wire order.

        Spec: RFC 8489 section 6.3.1.
        """
        unknown = [kind for kind, _ in self.attributes if kind not in known and kind < 0x8000]
        return tuple(dict.fromkeys(unknown)) if unknown else ()

    def __repr__(self) -> str:
        return f"<Message method={self.method:#05x} {self.cls.name}>"


def parse(datagram: bytes | memoryview) -> Message:
    """Read one STUN message.

    Args:
        datagram: one whole UDP payload or one frame of a stream; a view is copied.
    Returns:
        The message. Its attributes lie within it; a FINGERPRINT is the last of them and right.
    Raises:
        Malformed: TOO_SHORT, BAD_COOKIE, BAD_LENGTH, BAD_ATTRIBUTE or BAD_FINGERPRINT, and
            nothing else.
    Spec: RFC 8489 sections 5, 6.3 and 14.
    """
    raw = bytes(datagram)
    if len(raw) < HEADER_SIZE:
        raise Malformed(DropReason.TOO_SHORT)
    kind, length, cookie, transaction_id = _HEADER.unpack_from(raw)
    if kind > 0x3FFF or cookie != COOKIE:
        raise Malformed(DropReason.BAD_COOKIE)
    if length & 3 or length != len(raw) - HEADER_SIZE:
        raise Malformed(DropReason.BAD_LENGTH)
    attributes, integrity_at, integrity_sha256_at = _parse_attributes(raw)
    return Message(
        kind & 0x000F | (kind & 0x00E0) >> 1 | (kind & 0x3E00) >> 2,
        _CLASSES[(kind & 0x0010) >> 4 | (kind & 0x0100) >> 7],
        transaction_id,
        attributes,
        raw,
        integrity_at,
        integrity_sha256_at,
    )


def _parse_attributes(raw: bytes) -> tuple[tuple[tuple[int, bytes], ...], int, int]:
    """Attributes and the offsets of the two MACs. Spec: RFC 8489 section 14."""
    attributes: list[tuple[int, bytes]] = []
    sha1_at = sha256_at = 0
    at, end = HEADER_SIZE, len(raw)
    unpack = _TLV.unpack_from
    count = 0
    while at < end:  # a header always fits: both ends are multiples of 4
        kind, length = unpack(raw, at)
        start = at + 4
        stop = start + length
        count += 1
        if stop > end or count > _ATTRIBUTES_MAX:
            raise Malformed(DropReason.BAD_ATTRIBUTE)
        if kind == _FINGERPRINT:
            _check_fingerprint(raw, at, length)
        elif kind == _MESSAGE_INTEGRITY_SHA256 and not sha256_at:
            sha256_at = at
        elif sha1_at or sha256_at:
            at = stop + 3 & ~3
            continue
        elif kind == _MESSAGE_INTEGRITY:
            sha1_at = at
        attributes.append((kind, raw[start:stop]))
        at = stop + 3 & ~3
    return tuple(attributes), sha1_at, sha256_at


def _check_fingerprint(raw: bytes, at: int, length: int) -> None:
    if (
        length != 4
        or at + 8 != len(raw)
        or _UINT32.unpack_from(raw, at + 4)[0] != integrity.fingerprint(raw, at)
    ):
        raise Malformed(DropReason.BAD_FINGERPRINT)


def build(
    method: int,
    cls: Class,
    transaction_id: bytes,
    attributes: Iterable[Pair],
    *,
    key: bytes | None = None,
    fingerprint: bool = False,
) -> bytes:
    """Write one STUN message.

    Args:
        method, cls: 0..=0xFFF and the class.
        transaction_id: 12 bytes.
        attributes: in wire order.
        key: if given, MESSAGE-INTEGRITY follows the attributes. For the SHA-256 one, give the
            result to `integrity.append_integrity_sha256`.
        fingerprint: whether FINGERPRINT comes last.
    Raises:
        Malformed: TOO_BIG, where a client's data fit its ChannelData but not an indication.
    Spec: RFC 8489 sections 5 and 14.
    """
    parts = [b""]
    size = 0
    for attribute, value in attributes:
        encoded = attribute.encode(value, transaction_id)
        length = len(encoded)
        parts += _TLV.pack(attribute.number, length), encoded, _PADDING[length & 3]
        size += length + 7 & ~3
    if size > _LONGEST_BODY - _TRAILER:
        raise Malformed(DropReason.TOO_BIG)
    parts[0] = _HEADER.pack(_type(method, cls), size, COOKIE, transaction_id)
    datagram = b"".join(parts)
    if key is not None:
        datagram = integrity.append_integrity(datagram, key)
    if fingerprint:
        datagram = integrity.append_fingerprint(datagram)
    return datagram


def _type(method: int, cls: int) -> int:
    """The 14 bits of RFC 8489 section 5, the class between those of the method."""
    return (
        method & 0x000F
        | (method & 0x0070) << 1
        | (method & 0x0F80) << 2
        | (cls & 1) << 4
        | (cls & 2) << 7
    )
