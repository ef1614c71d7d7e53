"""Send indications read, and Data indications written, where that has to be quick.

Rules of this file: what is not of the usual shape (the header, XOR-PEER-ADDRESS, DATA, and after
that FINGERPRINT or nothing) is not read here, as in indication.h. Whether a FINGERPRINT is right is
not looked at: the checksum of UDP, or TCP's, has been.
"""

import mmap
import struct

from relay.address import IPV4, PeerAddress
from relay.stun.addresses import COOKIE, encode_xor_address
from relay.stun.attributes import Attribute

_HEADER_SIZE = 20
_V4_SIZE, _V6_SIZE = 36, 48  # before the data
_FINGERPRINT_SIZE = 8

_V4 = struct.Struct("!HHI12xI8sHH")
_V6 = struct.Struct("!HHI12sI20sHH")
_V4_HEAD, _V6_HEAD = struct.Struct("!HHI12sI8sHH"), struct.Struct("!HHI12sI20sHH")
TRANSACTION_ID_SIZE = 12
"""Bytes; RFC 8489 section 5."""

SEND = b"\x00\x16"
"""What every Send indication begins with: RFC 8656 section 17."""

_SEND, _DATA = 0x0016, 0x0017
_XOR_PEER = Attribute.XOR_PEER_ADDRESS.number << 16
_XOR_PEER_V4, _XOR_PEER_V6 = _XOR_PEER | 8, _XOR_PEER | 20  # type and length
_DATA_ATTRIBUTE = Attribute.DATA.number
_FINGERPRINT = Attribute.FINGERPRINT.number.to_bytes(2) + b"\x00\x04"
_PADDING = (b"", bytes(3), bytes(2), bytes(1))


def peer_key(peer: PeerAddress) -> bytes:
    """Build the key that `read` gives for an indication to this peer."""
    return encode_xor_address(peer, bytes(TRANSACTION_ID_SIZE))


def read(data: bytes | mmap.mmap, at: int, size: int) -> tuple[bytes, int, int] | None:
    """Read one Send indication of the usual shape.

    Args:
        data: where it is, from `at` on, `size` bytes long.
    Returns: the key of its peer, and where its data begins and ends; None for all else.
    """
    if size < _V6_SIZE:
        return None
    kind, length, cookie, attribute, value, data_kind, payload = _V4.unpack_from(data, at)
    start = at + _V4_SIZE
    if attribute == _XOR_PEER_V6:
        found = _V6.unpack_from(data, at)
        kind, length, cookie, transaction_id, _, value, data_kind, payload = found
        start, value = at + _V6_SIZE, _without_transaction(value, transaction_id)
    elif attribute != _XOR_PEER_V4:
        return None
    end = start + payload
    is_send = kind == _SEND and cookie == COOKIE and length == size - _HEADER_SIZE
    if not is_send or data_kind != _DATA_ATTRIBUTE:
        return None
    rest = at + size - (end + (-payload & 3))
    if rest != 0 and not (rest == _FINGERPRINT_SIZE and _ends_with_fingerprint(data, at + size)):
        return None
    return value, start, end


class DataIndications:
    """Writes what goes around the data in indications of one peer. Spec: RFC 8656 section 11.4."""

    __slots__ = ("_is_v4", "_size", "_value")

    def __init__(self, peer: PeerAddress) -> None:
        self._value = peer_key(peer)
        self._is_v4 = peer.family == IPV4
        self._size = _V4_SIZE if self._is_v4 else _V6_SIZE

    def head(self, size: int, transaction_id: bytes) -> bytes:
        """Build everything that stands before so many bytes of data."""
        length = self._size - _HEADER_SIZE + (size + 3 & ~3)
        if self._is_v4:
            start, value, pack = _XOR_PEER_V4, self._value, _V4_HEAD.pack
        else:
            value = _without_transaction(self._value, transaction_id)
            start, pack = _XOR_PEER_V6, _V6_HEAD.pack
        return pack(_DATA, length, COOKIE, transaction_id, start, value, _DATA_ATTRIBUTE, size)

    def tail(self, size: int) -> bytes:
        """Build the padding after so many bytes of data."""
        return _PADDING[size & 3]


def _without_transaction(value: bytes, transaction_id: bytes) -> bytes:
    """Take what is XORed in an IPv6 address besides the cookie out of it, or put it in."""
    return (int.from_bytes(value) ^ int.from_bytes(transaction_id)).to_bytes(20)


def _ends_with_fingerprint(data: bytes | mmap.mmap, end: int) -> bool:
    return data[end - _FINGERPRINT_SIZE : end - 4] == _FINGERPRINT
