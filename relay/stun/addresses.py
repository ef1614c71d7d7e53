"""Transport addresses in attributes, plain and XORed with the cookie.

Rules of this file: those of `values.py`. The role that an address has (client, peer, server) is
its attribute's, given in the table of `attributes.py`.
"""

import struct
from typing import TypeVar

from relay.address import IPV4, IPV6, Address
from relay.errors import DropReason, Malformed
from relay.stun.values import Decode

A = TypeVar("A", bound=Address)

COOKIE = 0x2112A442
"""RFC 8489 section 5."""

_FORMS = ((8, bytes((IPV4,))), (20, bytes((IPV6,))))  # length, family

_V4 = struct.Struct("!xBHI")
_HEAD = struct.Struct("!xBH")


def address_decoder(role: type[A]) -> Decode[A]:
    """The format of MAPPED-ADDRESS, for addresses of one role. Spec: RFC 8489 section 14.1."""

    def decode(value: bytes, _: bytes) -> A:
        if (len(value), value[1:2]) in _FORMS:
            return role(value[4:], value[2] << 8 | value[3])
        raise Malformed(DropReason.BAD_ATTRIBUTE)

    return decode


def encode_address(address: Address, _: bytes) -> bytes:
    """The inverse of every `address_decoder`."""
    return _HEAD.pack(address.family, address.port) + address.packed


def xor_address_decoder(role: type[A]) -> Decode[A]:
    """The format of XOR-MAPPED-ADDRESS, for addresses of one role. Spec: RFC 8489 section 14.2."""

    def decode(value: bytes, transaction_id: bytes) -> A:
        if len(value) == 8 and value[1] == IPV4:
            _, port, host = _V4.unpack(value)
            return role((host ^ COOKIE).to_bytes(4), port ^ COOKIE >> 16)
        if len(value) == 20 and value[1] == IPV6:
            port = (value[2] << 8 | value[3]) ^ COOKIE >> 16
            return role(_xor_v6(value[4:], transaction_id), port)
        raise Malformed(DropReason.BAD_ATTRIBUTE)

    return decode


def encode_xor_address(address: Address, transaction_id: bytes) -> bytes:
    """The inverse of every `xor_address_decoder`."""
    packed = address.packed
    port = address.port ^ COOKIE >> 16
    if len(packed) == 4:
        return _V4.pack(IPV4, port, int.from_bytes(packed) ^ COOKIE)
    return _HEAD.pack(IPV6, port) + _xor_v6(packed, transaction_id)


def _xor_v6(packed: bytes, transaction_id: bytes) -> bytes:
    key = COOKIE << 96 | int.from_bytes(transaction_id)
    return (int.from_bytes(packed) ^ key).to_bytes(16)
