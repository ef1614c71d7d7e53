"""STUN and ChannelData as bytes, written from the RFCs and not from `relay/stun`.

A second reading on purpose: a mistake of the codec must not cancel out against itself, and hostile
tests need messages that a codec refuses to build. Not even the numbers are those of `relay/stun`.
"""

import base64
import hashlib
import hmac
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import SupportsInt

from relay.address import Address

COOKIE = 0x2112A442
XOR = struct.pack("!I", COOKIE)

IPV4, IPV6 = 1, 2  # RFC 8489 section 14.1
UDP = 17
"""The number of REQUESTED-TRANSPORT. Spec: RFC 8656 section 18.7."""

Pair = tuple[SupportsInt, bytes]
Attributes = Sequence[Pair]


class Class(IntEnum):
    """RFC 8489 section 5."""

    REQUEST, INDICATION, SUCCESS, ERROR = range(4)


class Method(IntEnum):
    """Those that a TURN client uses. Spec: RFC 8656 section 17."""

    ALLOCATE = 0x003
    REFRESH = 0x004
    SEND = 0x006
    CREATE_PERMISSION = 0x008
    CHANNEL_BIND = 0x009


class Attribute(IntEnum):
    """Those that are built or read here. Spec: RFC 8489 section 18.3, RFC 8656 section 18."""

    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    UNKNOWN_ATTRIBUTES = 0x000A
    CHANNEL_NUMBER = 0x000C
    LIFETIME = 0x000D
    XOR_PEER_ADDRESS = 0x0012
    DATA = 0x0013
    REALM = 0x0014
    NONCE = 0x0015
    XOR_RELAYED_ADDRESS = 0x0016
    REQUESTED_ADDRESS_FAMILY = 0x0017
    EVEN_PORT = 0x0018
    REQUESTED_TRANSPORT = 0x0019
    DONT_FRAGMENT = 0x001A
    MESSAGE_INTEGRITY_SHA256 = 0x001C
    PASSWORD_ALGORITHM = 0x001D
    USERHASH = 0x001E
    RESERVATION_TOKEN = 0x0022
    ADDITIONAL_ADDRESS_FAMILY = 0x8000
    PASSWORD_ALGORITHMS = 0x8002
    ALTERNATE_DOMAIN = 0x8003
    ICMP = 0x8004
    SOFTWARE = 0x8022
    ALTERNATE_SERVER = 0x8023
    FINGERPRINT = 0x8028


def message_type(method: int, cls: int) -> int:
    """Interleave method and class bits. Spec: RFC 8489 section 5, figure 3."""
    spread = (method & 0x0F) | (method & 0x70) << 1 | (method & 0xF80) << 2
    return spread | (cls & 1) << 4 | (cls & 2) << 7


def attribute(kind: SupportsInt, value: bytes) -> bytes:
    """One attribute, padded with zero bytes to a multiple of four. Spec: RFC 8489 section 14."""
    return struct.pack("!HH", int(kind), len(value)) + value + bytes(-len(value) % 4)


def build(
    method: int,
    cls: int,
    transaction_id: bytes,
    attributes: Attributes,
    *,
    key: bytes | None = None,
    sha256: bool = False,
    fingerprint: bool = False,
) -> bytes:
    """One STUN message, signed when a key is given. Spec: RFC 8489 sections 5, 14.5 to 14.7."""
    body = b"".join(attribute(kind, value) for kind, value in attributes)

    def header(more: int) -> bytes:
        kind = message_type(method, cls)
        return struct.pack("!HHI", kind, len(body) + more, COOKIE) + transaction_id

    if key is not None and sha256:
        mac = hmac.digest(key, header(36) + body, "sha256")
        body += attribute(Attribute.MESSAGE_INTEGRITY_SHA256, mac)
    elif key is not None:
        mac = hmac.digest(key, header(24) + body, "sha1")
        body += attribute(Attribute.MESSAGE_INTEGRITY, mac)
    if fingerprint:
        crc = zlib.crc32(header(8) + body) ^ 0x5354554E
        body += attribute(Attribute.FINGERPRINT, struct.pack("!I", crc))
    return header(0) + body


def channel_data(channel: int, payload: bytes) -> bytes:
    """A ChannelData message as it goes over UDP. Spec: RFC 8656 section 12.4."""
    return struct.pack("!HH", channel, len(payload)) + payload


def cut(stream: bytes) -> tuple[bytes, bytes] | None:
    """The first whole message of a stream without padding, and what follows it; None if none is.

    Spec: RFC 8656 section 12.5.
    """
    if len(stream) < 4:
        return None
    first, length = struct.unpack_from("!HH", stream)
    size = 4 + length if first >= 0x4000 else 20 + length
    padded = size + -size % 4
    return None if len(stream) < padded else (stream[:size], stream[padded:])


@dataclass(frozen=True)
class Stun:
    """A STUN message taken apart: attributes in wire order, repeated ones kept."""

    method: int
    cls: int
    transaction_id: bytes
    attributes: list[tuple[int, bytes]]
    raw: bytes

    def values(self, kind: SupportsInt) -> list[bytes]:
        """Every value of this attribute."""
        return [value for found, value in self.attributes if found == kind]

    def value(self, kind: SupportsInt) -> bytes:
        """The one value of an attribute that must be there exactly once."""
        (value,) = self.values(kind)
        return value

    @property
    def kinds(self) -> list[int]:
        """Attribute types in wire order."""
        return [kind for kind, _ in self.attributes]

    @property
    def code(self) -> int:
        """0 for a success response, else the error code. Spec: RFC 8489 section 14.8."""
        if self.cls == Class.SUCCESS:
            return 0
        value = self.value(Attribute.ERROR_CODE)
        return value[2] * 100 + value[3]

    @property
    def lifetime_s(self) -> int:
        """LIFETIME in seconds. Spec: RFC 8656 section 18.2."""
        return int.from_bytes(self.value(Attribute.LIFETIME), "big")

    def address(self, kind: SupportsInt) -> tuple[bytes, int]:
        """The one XORed address of this kind, as packed IP and port."""
        (address,) = self.addresses(kind)
        return address

    def addresses(self, kind: SupportsInt) -> list[tuple[bytes, int]]:
        """XORed addresses as packed IP and port. Spec: RFC 8489 section 14.2."""
        return [self._address(value) for value in self.values(kind)]

    def _address(self, value: bytes) -> tuple[bytes, int]:
        pad = XOR + self.transaction_id
        packed = bytes(a ^ b for a, b in zip(value[4:], pad, strict=False))
        assert len(packed) == {IPV4: 4, IPV6: 16}[value[1]]
        return packed, int.from_bytes(value[2:4], "big") ^ COOKIE >> 16

    def is_signed_with(self, key: bytes) -> bool:
        """MESSAGE-INTEGRITY of either kind is there and right. Spec: RFC 8489 section 14.5."""
        offset = 20
        for kind, value in self.attributes:
            if kind in _MACS:
                length = struct.pack("!H", offset + 4 + len(value) - 20)
                signed = self.raw[:2] + length + self.raw[4:offset]
                return hmac.compare_digest(hmac.digest(key, signed, _MACS[kind]), value)
            offset += 4 + len(value) + -len(value) % 4
        return False


_MACS: dict[int, str] = {
    Attribute.MESSAGE_INTEGRITY: "sha1",
    Attribute.MESSAGE_INTEGRITY_SHA256: "sha256",
}


def parse(datagram: bytes) -> Stun:
    """Take apart what the relay sent; anything but a whole STUN message is a failed assertion."""
    kind, length, cookie = struct.unpack_from("!HHI", datagram)
    assert kind < 0x4000
    assert cookie == COOKIE
    assert length == len(datagram) - 20
    assert length % 4 == 0
    attributes: list[tuple[int, bytes]] = []
    offset = 20
    while offset < len(datagram):
        found, size = struct.unpack_from("!HH", datagram, offset)
        attributes.append((found, datagram[offset + 4 : offset + 4 + size]))
        offset += 4 + size + -size % 4
    assert offset == len(datagram)
    method = (kind & 0x0F) | (kind & 0xE0) >> 1 | (kind & 0x3E00) >> 2
    cls = (kind & 0x10) >> 4 | (kind & 0x100) >> 7
    return Stun(method, cls, datagram[8:20], attributes, datagram)


def xor_address(packed: bytes, port: int, transaction_id: bytes) -> bytes:
    """The value of an XOR-…-ADDRESS attribute. Spec: RFC 8489 section 14.2."""
    family = IPV4 if len(packed) == 4 else IPV6
    pad = XOR + transaction_id
    masked = bytes(a ^ b for a, b in zip(packed, pad, strict=False))
    return struct.pack("!BBH", 0, family, port ^ COOKIE >> 16) + masked


def peer(address: Address, transaction_id: bytes) -> Pair:
    """XOR-PEER-ADDRESS. Spec: RFC 8656 section 18.3."""
    value = xor_address(address.packed, address.port, transaction_id)
    return Attribute.XOR_PEER_ADDRESS, value


def transport(protocol: int) -> Pair:
    """REQUESTED-TRANSPORT; 17 is UDP. Spec: RFC 8656 section 18.7."""
    return Attribute.REQUESTED_TRANSPORT, bytes((protocol, 0, 0, 0))


def requested_family(family: int) -> Pair:
    """REQUESTED-ADDRESS-FAMILY. Spec: RFC 8656 section 18.6."""
    return Attribute.REQUESTED_ADDRESS_FAMILY, bytes((family, 0, 0, 0))


def additional_family(family: int) -> Pair:
    """ADDITIONAL-ADDRESS-FAMILY. Spec: RFC 8656 section 18.11."""
    return Attribute.ADDITIONAL_ADDRESS_FAMILY, bytes((family, 0, 0, 0))


def even_port(*, reserve: bool) -> Pair:
    """EVEN-PORT, with the R bit where the next port is to be reserved. Spec: section 18.8."""
    return Attribute.EVEN_PORT, bytes((0x80 if reserve else 0,))


def lifetime(seconds: int) -> Pair:
    """LIFETIME. Spec: RFC 8656 section 18.2."""
    return Attribute.LIFETIME, struct.pack("!I", seconds)


def channel_number(channel: int) -> Pair:
    """CHANNEL-NUMBER. Spec: RFC 8656 section 18.1."""
    return Attribute.CHANNEL_NUMBER, struct.pack("!HH", channel, 0)


def rest_password(secret: str, username: str) -> str:
    """The password of a REST credential: base64 of HMAC-SHA1 over the username."""
    return base64.b64encode(hmac.digest(secret.encode(), username.encode(), "sha1")).decode()


def long_term_key(username: str, realm: str, password: str) -> bytes:
    """The key of MESSAGE-INTEGRITY. Spec: RFC 8489 section 18.5.1.1 (MD5)."""
    text = f"{username}:{realm}:{password}".encode()
    return hashlib.md5(text, usedforsecurity=False).digest()


def long_term_key_sha256(username: str, realm: str, password: str) -> bytes:
    """The key with the SHA-256 password algorithm. Spec: RFC 8489 section 18.5.1.2."""
    return hashlib.sha256(f"{username}:{realm}:{password}".encode()).digest()


def userhash(username: str, realm: str) -> bytes:
    """The value of USERHASH. Spec: RFC 8489 section 14.4."""
    return hashlib.sha256(f"{username}:{realm}".encode()).digest()
