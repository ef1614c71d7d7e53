"""MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT: who wrote it, and is it STUN.

Rules of this file: MACs are compared with `hmac.compare_digest`; nothing returns whether a MAC
was right, a wrong one raises.
"""

import hmac
import struct
import zlib
from typing import Protocol

from relay.errors import Rejected
from relay.stun.attributes import Attribute

_HEADER = 20  # bytes; RFC 8489 section 5
_TLV = 4  # bytes of an attribute's type and length; RFC 8489 section 14
_SHA1 = struct.pack("!HH", Attribute.MESSAGE_INTEGRITY.number, 20)
_SHA256 = struct.pack("!HH", Attribute.MESSAGE_INTEGRITY_SHA256.number, 32)
_FINGERPRINT = struct.pack("!HH", Attribute.FINGERPRINT.number, 4)
_FINGERPRINT_XOR = 0x5354554E  # RFC 8489 section 14.7

_UINT16 = struct.Struct("!H")
_UINT32 = struct.Struct("!I")


class Signed(Protocol):
    """What verification needs of a message: its bytes, and where its MACs are (0: nowhere)."""

    @property
    def raw(self) -> bytes: ...
    @property
    def integrity_at(self) -> int: ...
    @property
    def integrity_sha256_at(self) -> int: ...


def verify(message: Signed, key: bytes) -> None:
    """Check that whoever wrote the message holds the key.

    MESSAGE-INTEGRITY-SHA256 is the one checked where both are there: it covers the other.

    Args:
        message: as `message.parse` returned it.
        key: of `credentials.long_term_key` and its kin, or a short-term password.
    Raises:
        Rejected: 401, if there is no MAC or a wrong one. Nothing else.
    Spec: RFC 8489 sections 14.5, 14.6 and 9.2.4.
    """
    if at := message.integrity_sha256_at:
        length = _UINT16.unpack_from(message.raw, at + 2)[0]
        if length < 16 or length % 4:  # longer than 32 matches nothing
            raise Rejected(401)
        expected = _mac(message.raw, at, length, key, "sha256")[:length]
    elif at := message.integrity_at:
        length = _UINT16.unpack_from(message.raw, at + 2)[0]
        expected = _mac(message.raw, at, length, key, "sha1")
    else:
        raise Rejected(401)
    if not hmac.compare_digest(expected, message.raw[at + _TLV : at + _TLV + length]):
        raise Rejected(401)


def append_integrity(datagram: bytes | bytearray, key: bytes) -> bytes:
    """Append MESSAGE-INTEGRITY to a message. Spec: RFC 8489 section 14.5."""
    mac = _mac(datagram, len(datagram), 20, key, "sha1")
    return _append(datagram, _SHA1, mac)


def append_integrity_sha256(datagram: bytes | bytearray, key: bytes) -> bytes:
    """Append MESSAGE-INTEGRITY-SHA256, untruncated, to a message.

    Spec: RFC 8489 section 14.6.
    """
    mac = _mac(datagram, len(datagram), 32, key, "sha256")
    return _append(datagram, _SHA256, mac)


def append_fingerprint(datagram: bytes | bytearray) -> bytes:
    """Append FINGERPRINT to a message, as its last attribute. Spec: RFC 8489 section 14.7."""
    value = fingerprint(datagram, len(datagram))
    return _append(datagram, _FINGERPRINT, _UINT32.pack(value))


def fingerprint(datagram: bytes | bytearray, at: int) -> int:
    """The value of a FINGERPRINT whose attribute header is at this offset, the last one."""
    covered = zlib.crc32(_covered(datagram, at, 4))
    return covered ^ _FINGERPRINT_XOR


def _mac(datagram: bytes | bytearray, at: int, length: int, key: bytes, digest: str) -> bytes:
    return hmac.digest(key, _covered(datagram, at, length), digest)


def _covered(datagram: bytes | bytearray, at: int, length: int) -> bytes:
    """What the attribute at this offset covers: all before it, the header's length adjusted.

    The length is what it was when the attribute, of `length` bytes, was the last one.
    """
    return b"".join((datagram[:2], _UINT16.pack(at - _HEADER + _TLV + length), datagram[4:at]))


def _append(datagram: bytes | bytearray, head: bytes, value: bytes) -> bytes:
    length = _UINT16.pack(len(datagram) - _HEADER + _TLV + len(value))
    return b"".join((datagram[:2], length, datagram[4:], head, value))
