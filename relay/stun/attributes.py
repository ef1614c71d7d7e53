"""Every attribute of RFC 8489, RFC 8656, RFC 8445 and RFC 6062: its type and its codec.

Rules of this file: one row per attribute in `CODECS`, nothing about it anywhere else; a codec is a
pair of functions over the attribute's value without header and padding.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Literal, NamedTuple

from relay.address import ClientAddress, PeerAddress, ServerAddress
from relay.stun import addresses, values


class Attribute(IntEnum):
    """Attribute types; those below 0x8000 are comprehension-required (RFC 8489 section 14)."""

    MAPPED_ADDRESS = 0x0001
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
    XOR_MAPPED_ADDRESS = 0x0020
    RESERVATION_TOKEN = 0x0022
    PRIORITY = 0x0024
    USE_CANDIDATE = 0x0025
    CONNECTION_ID = 0x002A
    ADDITIONAL_ADDRESS_FAMILY = 0x8000
    ADDRESS_ERROR_CODE = 0x8001
    PASSWORD_ALGORITHMS = 0x8002
    ALTERNATE_DOMAIN = 0x8003
    ICMP = 0x8004
    SOFTWARE = 0x8022
    ALTERNATE_SERVER = 0x8023
    FINGERPRINT = 0x8028
    ICE_CONTROLLED = 0x8029
    ICE_CONTROLLING = 0x802A


# What `Message.get` returns for these, so that mypy knows; the others are single cases.
ClientAddressType = Literal[Attribute.MAPPED_ADDRESS, Attribute.XOR_MAPPED_ADDRESS]
PeerAddressType = Literal[Attribute.XOR_PEER_ADDRESS, Attribute.XOR_RELAYED_ADDRESS]
TextType = Literal[
    Attribute.USERNAME,
    Attribute.REALM,
    Attribute.NONCE,
    Attribute.SOFTWARE,
    Attribute.ALTERNATE_DOMAIN,
]
OctetsType = Literal[
    Attribute.DATA,
    Attribute.USERHASH,
    Attribute.RESERVATION_TOKEN,
    Attribute.MESSAGE_INTEGRITY,
    Attribute.MESSAGE_INTEGRITY_SHA256,
]
NumberType = Literal[
    Attribute.CHANNEL_NUMBER,
    Attribute.LIFETIME,
    Attribute.REQUESTED_ADDRESS_FAMILY,
    Attribute.ADDITIONAL_ADDRESS_FAMILY,
    Attribute.REQUESTED_TRANSPORT,
    Attribute.PRIORITY,
    Attribute.ICE_CONTROLLED,
    Attribute.ICE_CONTROLLING,
    Attribute.CONNECTION_ID,
    Attribute.FINGERPRINT,
]
FlagType = Literal[Attribute.EVEN_PORT, Attribute.DONT_FRAGMENT, Attribute.USE_CANDIDATE]


class Codec(NamedTuple):
    """How one attribute's value is read and written.

    Args:
        decode: value and transaction ID to a Python value; raises Malformed(BAD_ATTRIBUTE) only.
        encode: the inverse, for values of the type that `decode` returns.
    """

    decode: Callable[[bytes, bytes], Any]
    encode: Callable[[Any, bytes], bytes]


_FLAG = Codec(values.decode_flag, values.encode_flag)
_UINT32 = Codec(values.uint_decoder(4), values.uint_encoder(4))
_UINT64 = Codec(values.uint_decoder(8), values.uint_encoder(8))
_LEADING_BYTE = Codec(values.decode_leading_byte, values.encode_leading_byte)


def _text(longest: int) -> Codec:
    return Codec(values.text_decoder(longest), values.encode_text)


def _octets(shortest: int, longest: int, step: int = 1) -> Codec:
    return Codec(values.octets_decoder(shortest, longest, step), values.encode_octets)


CODECS: dict[int, Codec] = {
    Attribute.MAPPED_ADDRESS: Codec(
        addresses.address_decoder(ClientAddress), addresses.encode_address
    ),  # RFC 8489 section 14.1
    Attribute.XOR_MAPPED_ADDRESS: Codec(
        addresses.xor_address_decoder(ClientAddress), addresses.encode_xor_address
    ),  # RFC 8489 section 14.2
    Attribute.USERNAME: _text(508),  # RFC 8489 section 14.3: fewer than 509 bytes
    Attribute.USERHASH: _octets(32, 32),  # RFC 8489 section 14.4
    Attribute.MESSAGE_INTEGRITY: _octets(20, 20),  # RFC 8489 section 14.5
    Attribute.MESSAGE_INTEGRITY_SHA256: _octets(16, 32, 4),  # RFC 8489 section 14.6
    Attribute.FINGERPRINT: _UINT32,  # RFC 8489 section 14.7
    Attribute.ERROR_CODE: Codec(
        values.decode_error_code, values.encode_error_code
    ),  # RFC 8489 section 14.8
    Attribute.REALM: _text(763),  # RFC 8489 section 14.9: 128 characters, 763 bytes
    Attribute.NONCE: _text(763),  # RFC 8489 section 14.10
    Attribute.PASSWORD_ALGORITHMS: Codec(
        values.decode_password_algorithms, values.encode_password_algorithms
    ),  # RFC 8489 section 14.11
    Attribute.PASSWORD_ALGORITHM: Codec(
        values.decode_password_algorithm, values.encode_password_algorithm
    ),  # RFC 8489 section 14.12
    Attribute.UNKNOWN_ATTRIBUTES: Codec(
        values.decode_types, values.encode_types
    ),  # RFC 8489 section 14.13
    Attribute.SOFTWARE: _text(763),  # RFC 8489 section 14.14
    Attribute.ALTERNATE_SERVER: Codec(
        addresses.address_decoder(ServerAddress), addresses.encode_address
    ),  # RFC 8489 section 14.15
    Attribute.ALTERNATE_DOMAIN: _text(255),  # RFC 8489 section 14.16
    Attribute.CHANNEL_NUMBER: Codec(
        values.decode_channel_number, values.encode_channel_number
    ),  # RFC 8656 section 18.1
    Attribute.LIFETIME: _UINT32,  # RFC 8656 section 18.2
    Attribute.XOR_PEER_ADDRESS: Codec(
        addresses.xor_address_decoder(PeerAddress), addresses.encode_xor_address
    ),  # RFC 8656 section 18.3
    Attribute.DATA: _octets(0, 0xFFFF),  # RFC 8656 section 18.4
    Attribute.XOR_RELAYED_ADDRESS: Codec(
        addresses.xor_address_decoder(PeerAddress), addresses.encode_xor_address
    ),  # RFC 8656 section 18.5
    Attribute.REQUESTED_ADDRESS_FAMILY: _LEADING_BYTE,  # RFC 8656 section 18.6
    Attribute.EVEN_PORT: Codec(
        values.decode_even_port, values.encode_even_port
    ),  # RFC 8656 section 18.7
    Attribute.REQUESTED_TRANSPORT: _LEADING_BYTE,  # RFC 8656 section 18.8
    Attribute.DONT_FRAGMENT: _FLAG,  # RFC 8656 section 18.9
    Attribute.RESERVATION_TOKEN: _octets(8, 8),  # RFC 8656 section 18.10
    Attribute.ADDITIONAL_ADDRESS_FAMILY: _LEADING_BYTE,  # RFC 8656 section 18.11
    Attribute.ADDRESS_ERROR_CODE: Codec(
        values.decode_address_error_code, values.encode_address_error_code
    ),  # RFC 8656 section 18.12
    Attribute.ICMP: Codec(values.decode_icmp, values.encode_icmp),  # RFC 8656 section 18.13
    Attribute.PRIORITY: _UINT32,  # RFC 8445 section 16.1
    Attribute.USE_CANDIDATE: _FLAG,  # RFC 8445 section 16.1
    Attribute.ICE_CONTROLLED: _UINT64,  # RFC 8445 section 16.1
    Attribute.ICE_CONTROLLING: _UINT64,  # RFC 8445 section 16.1
    Attribute.CONNECTION_ID: _UINT32,  # RFC 6062 section 6.2.1
}
