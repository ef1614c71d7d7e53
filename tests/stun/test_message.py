"""The frame of a message: header, attribute bounds, order, FINGERPRINT. RFC 8489 sections 5, 14."""

import struct
from typing import assert_type

import pytest

from relay.address import ClientAddress, PeerAddress
from relay.errors import DropReason, Malformed
from relay.stun import integrity
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Message, Method, build, parse
from relay.stun.values import ErrorCode
from tests.kit import wire
from tests.stun import vectors

TRANSACTION = bytes(range(12))
KEY = bytes(range(16))


def raw_message(*attributes: wire.Pair, kind: int = 0x0001) -> bytes:
    """A message written by hand, so that `parse` is not tested with `build` only."""
    body = b"".join(
        struct.pack("!HH", int(type_), len(value)) + value + bytes(-len(value) % 4)
        for type_, value in attributes
    )
    return struct.pack("!HHI", kind, len(body), 0x2112A442) + TRANSACTION + body


def fault_of(datagram: bytes) -> DropReason:
    with pytest.raises(Malformed) as caught:
        parse(datagram)
    return caught.value.reason


@pytest.mark.parametrize(
    ("kind", "method", "cls"),
    [
        (0x0001, Method.BINDING, Class.REQUEST),
        (0x0011, Method.BINDING, Class.INDICATION),
        (0x0101, Method.BINDING, Class.SUCCESS),
        (0x0111, Method.BINDING, Class.ERROR),
        (0x0003, Method.ALLOCATE, Class.REQUEST),
        (0x0113, Method.ALLOCATE, Class.ERROR),
        (0x0104, Method.REFRESH, Class.SUCCESS),
        (0x0016, Method.SEND, Class.INDICATION),
        (0x0017, Method.DATA, Class.INDICATION),
        (0x0108, Method.CREATE_PERMISSION, Class.SUCCESS),
        (0x0119, Method.CHANNEL_BIND, Class.ERROR),
        (0x000A, Method.CONNECT, Class.REQUEST),
        (0x001C, Method.CONNECTION_ATTEMPT, Class.INDICATION),
    ],
)
def test_type_as_others_print_it(kind: int, method: Method, cls: Class) -> None:
    message = parse(raw_message(kind=kind))
    assert (message.method, message.cls) == (method, cls)
    assert build(method, cls, TRANSACTION, []) == raw_message(kind=kind)


def test_every_method_and_class_survives_a_round_trip() -> None:
    for method in range(0x1000):
        for cls in Class:
            message = parse(build(method, cls, TRANSACTION, []))
            assert (message.method, message.cls) == (method, cls)


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"", DropReason.TOO_SHORT),
        (raw_message()[:19], DropReason.TOO_SHORT),
        (b"\x40" + raw_message()[1:], DropReason.BAD_COOKIE),
        (b"\x80" + raw_message()[1:], DropReason.BAD_COOKIE),
        (raw_message()[:4] + b"\x21\x12\xa4\x43" + TRANSACTION, DropReason.BAD_COOKIE),
        (raw_message() + bytes(4), DropReason.BAD_LENGTH),
        (raw_message((0x0006, b"four"))[:-4], DropReason.BAD_LENGTH),
        (b"\x00\x01\x00\x02" + raw_message()[4:] + bytes(2), DropReason.BAD_LENGTH),
        (
            raw_message((0x0006, b"four")).replace(b"\0\4four", b"\0\5four"),
            DropReason.BAD_ATTRIBUTE,
        ),
        (
            raw_message((0x0006, b"four")).replace(b"\0\4four", b"\xff\xfffour"),
            DropReason.BAD_ATTRIBUTE,
        ),
    ],
    ids=[
        "empty",
        "nineteen bytes",
        "first bits 01",
        "first bits 10",
        "cookie",
        "longer than its length",
        "shorter than its length",
        "length no multiple of 4",
        "attribute one byte too long",
        "attribute far too long",
    ],
)
def test_bad_frame_is_malformed(datagram: bytes, reason: DropReason) -> None:
    assert fault_of(datagram) is reason


@pytest.mark.parametrize("vector", vectors.VECTORS, ids=lambda vector: vector.name)
def test_every_truncation_of_every_vector_is_malformed(vector: vectors.Vector) -> None:
    for size in range(len(vector.datagram)):
        assert fault_of(vector.datagram[:size]) in (DropReason.TOO_SHORT, DropReason.BAD_LENGTH)


def test_truncation_with_a_length_to_match_ends_within_an_attribute_or_loses_its_mac() -> None:
    whole = vectors.USERHASH_REQUEST
    starts = {20, 56, 104, 120, 128}
    for size in range(20, len(whole), 4):
        cut = whole[:2] + struct.pack("!H", size - 20) + whole[4:size]
        if size in starts:
            assert parse(cut).integrity_sha256_at == 0
        else:
            assert fault_of(cut) is DropReason.BAD_ATTRIBUTE


def test_view_is_read_like_bytes_and_not_kept() -> None:
    buffer = bytearray(vectors.REQUEST)
    message = parse(memoryview(buffer))
    buffer[:] = bytes(len(buffer))
    assert message == parse(vectors.REQUEST)


@pytest.mark.parametrize("kind", [0x8022, 0x0012, 0x7F01])
def test_sixty_four_attributes_are_read_and_no_more(kind: int) -> None:
    assert len(parse(raw_message(*[(kind, b"")] * 64)).attributes) == 64
    assert fault_of(raw_message(*[(kind, b"")] * 65)) == DropReason.BAD_ATTRIBUTE


def test_attributes_that_are_ignored_are_counted_too() -> None:
    signed = integrity.append_integrity(raw_message((0x8022, b"")), KEY)
    smuggled = raw_message(*[(0x8022, b"")] * 63)[20:]
    length = (len(signed) - 20 + len(smuggled)).to_bytes(2, "big")
    assert fault_of(signed[:2] + length + signed[4:] + smuggled) == DropReason.BAD_ATTRIBUTE


def test_repeated_attributes_are_kept_in_order_and_the_first_counts() -> None:
    peers = [PeerAddress.parse("192.0.2.1", port) for port in (1, 2, 3)]
    message = parse(
        build(
            Method.CREATE_PERMISSION,
            Class.REQUEST,
            TRANSACTION,
            [(Attribute.XOR_PEER_ADDRESS, peer) for peer in peers],
        )
    )
    assert message.all(Attribute.XOR_PEER_ADDRESS) == peers
    assert message.get(Attribute.XOR_PEER_ADDRESS) == peers[0]


def test_absent_attribute_is_none() -> None:
    message = parse(raw_message())
    assert message.get(Attribute.USERNAME) is None
    assert message.all(Attribute.USERNAME) == []


def test_types_of_values_are_known_to_mypy() -> None:
    message = parse(raw_message())
    assert_type(message.get(Attribute.LIFETIME), int | None)
    assert_type(message.get(Attribute.USERNAME), str | None)
    assert_type(message.get(Attribute.XOR_MAPPED_ADDRESS), ClientAddress | None)
    assert_type(message.get(Attribute.ERROR_CODE), ErrorCode | None)
    assert_type(message.all(Attribute.XOR_PEER_ADDRESS), list[PeerAddress])


def test_unknown_lists_comprehension_required_types_once_in_order() -> None:
    known = frozenset({0x0006})
    message = parse(
        raw_message((0x7F02, b""), (0x0006, b"u"), (0xFF01, b""), (0x7F01, b""), (0x7F02, b"x"))
    )
    assert message.unknown(known) == (0x7F02, 0x7F01)


def test_value_is_decoded_only_when_asked_for() -> None:
    message = parse(raw_message((Attribute.LIFETIME, b"\1\2"), (Attribute.SOFTWARE, b"x")))
    assert message.get(Attribute.SOFTWARE) == "x"
    with pytest.raises(Malformed) as caught:
        message.get(Attribute.LIFETIME)
    assert caught.value.reason is DropReason.BAD_ATTRIBUTE


def types_of(message: Message) -> list[int]:
    return [kind for kind, _ in message.attributes]


def test_attributes_after_message_integrity_are_ignored_but_for_two() -> None:
    mac, mac256 = (Attribute.MESSAGE_INTEGRITY, bytes(20)), (0x001C, bytes(32))
    late = (Attribute.LIFETIME, bytes(4))
    datagram = integrity.append_fingerprint(
        raw_message((Attribute.USERNAME, b"u"), mac, late, mac, mac256, late, mac, mac256)
    )
    message = parse(datagram)
    assert types_of(message) == [0x0006, 0x0008, 0x001C, 0x8028]
    assert (message.integrity_at, message.integrity_sha256_at) == (28, 28 + 24 + 8 + 24)
    assert message.get(Attribute.LIFETIME) is None


def test_message_integrity_after_the_sha256_one_is_ignored() -> None:
    message = parse(raw_message((0x001C, bytes(32)), (0x0008, bytes(20)), (0x000D, bytes(4))))
    assert types_of(message) == [0x001C]
    assert message.integrity_at == 0


def test_unknown_attribute_after_message_integrity_is_not_reported() -> None:
    message = parse(raw_message((0x0008, bytes(20)), (0x7F01, b"")))
    assert message.unknown(frozenset({0x0008})) == ()


def test_ignored_attribute_must_still_lie_within_the_message() -> None:
    datagram = raw_message((0x0008, bytes(20)), (0x000D, bytes(4)))
    assert fault_of(datagram[:-6] + b"\0\5" + bytes(4)) is DropReason.BAD_ATTRIBUTE


def test_fingerprint_must_be_right() -> None:
    datagram = build(Method.BINDING, Class.REQUEST, TRANSACTION, [], fingerprint=True)
    assert types_of(parse(datagram)) == [0x8028]
    assert fault_of(datagram[:-1] + bytes((datagram[-1] ^ 1,))) is DropReason.BAD_FINGERPRINT


@pytest.mark.parametrize("late", [0x8022, 0x0008, 0x8028])
def test_fingerprint_must_be_last(late: int) -> None:
    fingerprinted = build(Method.BINDING, Class.REQUEST, TRANSACTION, [], fingerprint=True)
    extra = struct.pack("!HH", late, 20) + bytes(20)
    datagram = fingerprinted[:2] + struct.pack("!H", 32) + fingerprinted[4:] + extra
    assert fault_of(datagram) is DropReason.BAD_FINGERPRINT


@pytest.mark.parametrize("size", [0, 3, 8])
def test_fingerprint_of_another_size_is_wrong(size: int) -> None:
    assert fault_of(raw_message((0x8028, bytes(size)))) is DropReason.BAD_FINGERPRINT


def test_largest_indication_is_built_and_a_larger_one_is_too_big() -> None:
    largest = 0xFFFC - 44 - 4  # body, less what MACs and FINGERPRINT may take, less one header
    for extra in (0, 1):
        attributes = [(Attribute.DATA, bytes(largest + extra))]
        if extra:
            with pytest.raises(Malformed) as caught:
                build(Method.DATA, Class.INDICATION, TRANSACTION, attributes)
            assert caught.value.reason is DropReason.TOO_BIG
        else:
            plain = build(Method.DATA, Class.INDICATION, TRANSACTION, attributes)
            whole = integrity.append_fingerprint(integrity.append_integrity_sha256(plain, KEY))
            assert len(parse(whole).raw) == 20 + 0xFFFC


def test_message_shows_no_address_and_no_attribute_when_printed() -> None:
    message = parse(vectors.IPV4_RESPONSE)
    for text in (repr(message), str(message), f"{message}"):
        assert text == "<Message method=0x001 SUCCESS>"
