"""Every attribute of RFC 8489, RFC 8656, RFC 8445 and RFC 6062: its type and its value's format.

Rules of this file: one row per attribute in `Attribute`, nothing about it anywhere else. A format
is a pair of functions over an attribute's value, without header and padding.
"""

from typing import Any, Final, Generic, final

from relay.address import ClientAddress, PeerAddress, ServerAddress
from relay.stun import addresses, values
from relay.stun.addresses import A
from relay.stun.values import Decode, Encode, T


@final
class AttributeType(Generic[T]):
    """The type of an attribute whose value is a `T`. It equals its number.

    Args:
        number: 0..=0xFFFF; below 0x8000 comprehension-required (RFC 8489 section 14).
        decode: value and transaction ID to a Python value; raises Malformed(BAD_ATTRIBUTE) only.
        encode: the inverse of `decode`.
    """

    __slots__ = ("decode", "encode", "number")

    def __init__(self, number: int, decode: Decode[T], encode: Encode[T]) -> None:
        self.number = number
        self.decode = decode
        self.encode = encode

    def __int__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self.number == (other.number if isinstance(other, AttributeType) else other)

    def __hash__(self) -> int:
        return hash(self.number)

    def __repr__(self) -> str:
        return f"<AttributeType {self.number:#06x}>"


Pair = tuple[AttributeType[Any], object]
"""An attribute to write: its type, and a value as `Message.get` returns it."""


def numbers(*types: AttributeType[Any]) -> frozenset[int]:
    """The numbers of these types, as `Message.unknown` wants those that a receiver knows."""
    return frozenset(kind.number for kind in types)


def _flag(number: int) -> AttributeType[bool]:
    return AttributeType(number, values.decode_flag, values.encode_flag)


def _uint(number: int, length: int) -> AttributeType[int]:
    return AttributeType(number, values.uint_decoder(length), values.uint_encoder(length))


def _leading_byte(number: int) -> AttributeType[int]:
    return AttributeType(number, values.decode_leading_byte, values.encode_leading_byte)


def _text(number: int, longest: int) -> AttributeType[str]:
    return AttributeType(number, values.text_decoder(longest), values.encode_text)


def _octets(number: int, shortest: int, longest: int, step: int = 1) -> AttributeType[bytes]:
    decode = values.octets_decoder(shortest, longest, step)
    return AttributeType(number, decode, values.encode_octets)


def _address(number: int, role: type[A]) -> AttributeType[A]:
    return AttributeType(number, addresses.address_decoder(role), addresses.encode_address)


def _xor_address(number: int, role: type[A]) -> AttributeType[A]:
    return AttributeType(number, addresses.xor_address_decoder(role), addresses.encode_xor_address)


class Attribute:
    """The attributes there are, in the order of their types."""

    MAPPED_ADDRESS: Final = _address(0x0001, ClientAddress)  # RFC 8489 section 14.1
    USERNAME: Final = _text(0x0006, 508)  # RFC 8489 section 14.3: fewer than 509 bytes
    MESSAGE_INTEGRITY: Final = _octets(0x0008, 20, 20)  # RFC 8489 section 14.5
    ERROR_CODE: Final = AttributeType(
        0x0009, values.decode_error_code, values.encode_error_code
    )  # RFC 8489 section 14.8
    UNKNOWN_ATTRIBUTES: Final = AttributeType(
        0x000A, values.decode_types, values.encode_types
    )  # RFC 8489 section 14.13
    CHANNEL_NUMBER: Final = AttributeType(
        0x000C, values.decode_channel_number, values.encode_channel_number
    )  # RFC 8656 section 18.1
    LIFETIME: Final = _uint(0x000D, 4)  # RFC 8656 section 18.2
    XOR_PEER_ADDRESS: Final = _xor_address(0x0012, PeerAddress)  # RFC 8656 section 18.3
    DATA: Final = _octets(0x0013, 0, 0xFFFF)  # RFC 8656 section 18.4
    REALM: Final = _text(0x0014, 763)  # RFC 8489 section 14.9: 128 characters, 763 bytes
    NONCE: Final = _text(0x0015, 763)  # RFC 8489 section 14.10
    XOR_RELAYED_ADDRESS: Final = _xor_address(0x0016, PeerAddress)  # RFC 8656 section 18.5
    REQUESTED_ADDRESS_FAMILY: Final = _leading_byte(0x0017)  # RFC 8656 section 18.6
    EVEN_PORT: Final = AttributeType(
        0x0018, values.decode_even_port, values.encode_even_port
    )  # RFC 8656 section 18.7
    REQUESTED_TRANSPORT: Final = _leading_byte(0x0019)  # RFC 8656 section 18.8
    DONT_FRAGMENT: Final = _flag(0x001A)  # RFC 8656 section 18.9
    MESSAGE_INTEGRITY_SHA256: Final = _octets(0x001C, 16, 32, 4)  # RFC 8489 section 14.6
    PASSWORD_ALGORITHM: Final = AttributeType(
        0x001D, values.decode_password_algorithm, values.encode_password_algorithm
    )  # RFC 8489 section 14.12
    USERHASH: Final = _octets(0x001E, 32, 32)  # RFC 8489 section 14.4
    XOR_MAPPED_ADDRESS: Final = _xor_address(0x0020, ClientAddress)  # RFC 8489 section 14.2
    RESERVATION_TOKEN: Final = _octets(0x0022, 8, 8)  # RFC 8656 section 18.10
    PRIORITY: Final = _uint(0x0024, 4)  # RFC 8445 section 16.1
    USE_CANDIDATE: Final = _flag(0x0025)  # RFC 8445 section 16.1
    CONNECTION_ID: Final = _uint(0x002A, 4)  # RFC 6062 section 6.2.1
    ADDITIONAL_ADDRESS_FAMILY: Final = _leading_byte(0x8000)  # RFC 8656 section 18.11
    ADDRESS_ERROR_CODE: Final = AttributeType(
        0x8001, values.decode_address_error_code, values.encode_address_error_code
    )  # RFC 8656 section 18.12
    PASSWORD_ALGORITHMS: Final = AttributeType(
        0x8002, values.decode_password_algorithms, values.encode_password_algorithms
    )  # RFC 8489 section 14.11
    ALTERNATE_DOMAIN: Final = _text(0x8003, 255)  # RFC 8489 section 14.16
    ICMP: Final = AttributeType(
        0x8004, values.decode_icmp, values.encode_icmp
    )  # RFC 8656 section 18.13
    SOFTWARE: Final = _text(0x8022, 763)  # RFC 8489 section 14.14
    ALTERNATE_SERVER: Final = _address(0x8023, ServerAddress)  # RFC 8489 section 14.15
    FINGERPRINT: Final = _uint(0x8028, 4)  # RFC 8489 section 14.7
    ICE_CONTROLLED: Final = _uint(0x8029, 8)  # RFC 8445 section 16.1
    ICE_CONTROLLING: Final = _uint(0x802A, 8)  # RFC 8445 section 16.1
