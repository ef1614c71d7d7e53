"""The formats that attribute values have: functions between bytes and Python values.

Rules of this file: `decode_*(value, transaction_id)` raises Malformed(BAD_ATTRIBUTE) and nothing
else; `encode_*` is its inverse; reserved bits are written as zero and ignored when read. Where a
request with a senseless number must be answered (a channel outside the range, a family nobody
knows), the number is decoded as it is and the TURN server answers.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from relay.errors import DropReason, Malformed

T = TypeVar("T")
Decode = Callable[[bytes, bytes], T]
Encode = Callable[[T, bytes], bytes]

_LONGEST_REASON = 763  # bytes; RFC 8489 section 14.8

_PAIR = struct.Struct("!HH")
_ERROR = struct.Struct("!BxBB")
_ICMP = struct.Struct("!2xHI")


class ErrorCode(NamedTuple):
    """ERROR-CODE: 300..=699 and a reason phrase of at most 763 bytes."""

    code: int
    reason: str = ""


class AddressErrorCode(NamedTuple):
    """ADDRESS-ERROR-CODE: why no relayed address of this family was allocated."""

    family: int
    code: int
    reason: str = ""


class Icmp(NamedTuple):
    """ICMP: type 0..=127, code 0..=511 and error data, as a packet to a peer caused them."""

    type: int
    code: int
    data: int


class PasswordAlgorithm(NamedTuple):
    """One password algorithm of RFC 8489 section 18.5: 1 is MD5, 2 is SHA-256."""

    number: int
    parameters: bytes = b""


def _bad_attribute() -> Malformed:
    return Malformed(DropReason.BAD_ATTRIBUTE)


def _check_length(value: bytes, length: int) -> None:
    if len(value) != length:
        raise _bad_attribute()


def text_decoder(longest: int) -> Decode[str]:
    """UTF-8 of at most `longest` bytes."""

    def decode(value: bytes, _: bytes) -> str:
        if len(value) > longest:
            raise _bad_attribute()
        return _decode_text(value)

    return decode


def encode_text(text: str, _: bytes) -> bytes:
    """The inverse of every `text_decoder`."""
    return text.encode()


def _decode_text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise _bad_attribute() from None


def octets_decoder(shortest: int, longest: int, step: int = 1) -> Decode[bytes]:
    """Opaque bytes, `shortest`..=`longest` of them, in multiples of `step`."""

    def decode(value: bytes, _: bytes) -> bytes:
        if not shortest <= len(value) <= longest or len(value) % step:
            raise _bad_attribute()
        return value

    return decode


def encode_octets(octets: bytes, _: bytes) -> bytes:
    """The inverse of every `octets_decoder`."""
    return octets


def uint_decoder(length: int) -> Decode[int]:
    """An unsigned number of `length` bytes in network order."""

    def decode(value: bytes, _: bytes) -> int:
        _check_length(value, length)
        return int.from_bytes(value)

    return decode


def uint_encoder(length: int) -> Encode[int]:
    """The inverse of `uint_decoder(length)`."""
    return lambda number, _: number.to_bytes(length)


def decode_flag(value: bytes, _: bytes) -> bool:
    """An attribute without a value: that it is there says it all."""
    _check_length(value, 0)
    return True


def encode_flag(flag: bool, _: bytes) -> bytes:
    """The inverse of `decode_flag`: only True can be written; to say no is to leave it out."""
    if not flag:
        raise ValueError("an absent flag is not an attribute")
    return b""


def decode_leading_byte(value: bytes, _: bytes) -> int:
    """One number, three reserved bytes: address families, REQUESTED-TRANSPORT."""
    _check_length(value, 4)
    return value[0]


def encode_leading_byte(number: int, _: bytes) -> bytes:
    """The inverse of `decode_leading_byte`."""
    return bytes((number, 0, 0, 0))


def decode_channel_number(value: bytes, _: bytes) -> int:
    """0..=0xFFFF: a number that is no channel's is answered with 400, RFC 8656 section 12.2."""
    _check_length(value, 4)
    return value[0] << 8 | value[1]


def encode_channel_number(channel: int, _: bytes) -> bytes:
    """The inverse of `decode_channel_number`."""
    return _PAIR.pack(channel, 0)


def decode_even_port(value: bytes, _: bytes) -> bool:
    """Whether the next-higher port is to be reserved too. Spec: RFC 8656 section 18.7."""
    _check_length(value, 1)
    return value[0] >= 0x80


def encode_even_port(reserve: bool, _: bytes) -> bytes:
    """The inverse of `decode_even_port`."""
    return b"\x80" if reserve else b"\x00"


def decode_error_code(value: bytes, _: bytes) -> ErrorCode:
    """Spec: RFC 8489 section 14.8."""
    return ErrorCode(*_decode_error(value))


def encode_error_code(error: ErrorCode, _: bytes) -> bytes:
    """The inverse of `decode_error_code`."""
    return _encode_error(0, *error)


def decode_address_error_code(value: bytes, _: bytes) -> AddressErrorCode:
    """Spec: RFC 8656 section 18.12."""
    code, reason = _decode_error(value)
    return AddressErrorCode(value[0], code, reason)


def encode_address_error_code(error: AddressErrorCode, _: bytes) -> bytes:
    """The inverse of `decode_address_error_code`."""
    return _encode_error(*error)


def _decode_error(value: bytes) -> tuple[int, str]:
    if not 4 <= len(value) <= 4 + _LONGEST_REASON:
        raise _bad_attribute()
    hundreds, rest = value[2] & 0x07, value[3]
    if not 3 <= hundreds <= 6 or rest > 99:
        raise _bad_attribute()
    return hundreds * 100 + rest, _decode_text(value[4:])


def _encode_error(family: int, code: int, reason: str) -> bytes:
    return _ERROR.pack(family, *divmod(code, 100)) + reason.encode()


def decode_types(value: bytes, _: bytes) -> tuple[int, ...]:
    """Attribute types, in order. Spec: RFC 8489 section 14.13."""
    if len(value) % 2:
        raise _bad_attribute()
    return struct.unpack(f"!{len(value) // 2}H", value)


def encode_types(types: tuple[int, ...], _: bytes) -> bytes:
    """The inverse of `decode_types`."""
    return struct.pack(f"!{len(types)}H", *types)


def decode_icmp(value: bytes, _: bytes) -> Icmp:
    """Spec: RFC 8656 section 18.13: 7 bits of type, 9 bits of code."""
    _check_length(value, 8)
    both, data = _ICMP.unpack(value)
    return Icmp(both >> 9, both & 0x1FF, data)


def encode_icmp(icmp: Icmp, _: bytes) -> bytes:
    """The inverse of `decode_icmp`."""
    return _ICMP.pack(icmp.type << 9 | icmp.code, icmp.data)


def decode_password_algorithm(value: bytes, transaction_id: bytes) -> PasswordAlgorithm:
    """Exactly one algorithm. Spec: RFC 8489 section 14.12."""
    algorithms = decode_password_algorithms(value, transaction_id)
    if len(algorithms) != 1:
        raise _bad_attribute()
    return algorithms[0]


def encode_password_algorithm(algorithm: PasswordAlgorithm, _: bytes) -> bytes:
    """The inverse of `decode_password_algorithm`."""
    parameters = algorithm.parameters
    padding = bytes(-len(parameters) % 4)
    return _PAIR.pack(algorithm.number, len(parameters)) + parameters + padding


def decode_password_algorithms(value: bytes, _: bytes) -> tuple[PasswordAlgorithm, ...]:
    """Algorithms in order, the parameters of each padded to 4. Spec: RFC 8489 section 14.11."""
    algorithms = []
    at, end = 0, len(value)
    while at < end:
        if end - at < 4:
            raise _bad_attribute()
        number, length = _PAIR.unpack_from(value, at)
        at += 4
        if at + length > end:
            raise _bad_attribute()
        algorithms.append(PasswordAlgorithm(number, value[at : at + length]))
        at += length + 3 & ~3
    return tuple(algorithms)


def encode_password_algorithms(algorithms: tuple[PasswordAlgorithm, ...], tid: bytes) -> bytes:
    """The inverse of `decode_password_algorithms`."""
    return b"".join(encode_password_algorithm(algorithm, tid) for algorithm in algorithms)
