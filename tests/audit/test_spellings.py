"""The search for canaries, proved by planting: a check that cannot fail is worth nothing."""

import base64
import binascii
import hashlib
import os
import struct
from ipaddress import ip_address

import pytest

from relay.tools.audit.layers import clear_spans
from relay.tools.audit.packets import parse
from relay.tools.audit.search import find
from relay.tools.audit.spellings import literals
from tests.kit.frames import End, frame, packet
from tests.lab.topology import CALLEE, CALLER

_V4, _V6 = CALLER.public
_NOISE = bytes(range(1, 200)) * 3

# Written by hand, not by the code under test, for 198.18.77.41 and 2001:db8:7741:c5::41d9.
_BY_HAND_V4 = [
    b"198.18.77.41",
    b"41.77.18.198",
    b"14.77.81.891",
    b"198-18-77-41",
    b"198%2E18%2E77%2E41",
    b"198%2e18%2e77%2e41",
    b"%c6%12%4d%29",
    b"%C6%12%4D%29",
    b"\xc6\x12\x4d\x29",
    b"\x29\x4d\x12\xc6",
    b"\xe7\x00\xe9\x6b",
    b"c6124d29",
    b"C6124D29",
    b"294d12c6",
    b"c6:12:4d:29",
    b"3323088169",
    b"692916934",
    b"e700e96b",
    base64.b64encode(b"198.18.77.41"),
    base64.b64encode(b"host=198.18.77.41;"),
    base64.b64encode(b"at 198.18.77.41;"),
    base64.b64encode(b"\x01\xc6\x12\x4d\x29\x02"),
    base64.b64encode(b"\xff\xff\xc6\x12\x4d\x29\x02"),
    base64.urlsafe_b64encode(b"\xff\xff\xff\xc6\x12\x4d\x29"),
    hashlib.md5(b"host|udp|198.18.77.41").hexdigest().encode(),  # noqa: S324 -- a foundation
    hashlib.md5(b"relay|udp|198.18.77.41").digest(),  # noqa: S324 -- a foundation
    hashlib.sha1(b"198.18.77.41").hexdigest().encode(),  # noqa: S324 -- an unsalted hash
    str(binascii.crc32(b"host198.18.77.41udp")).encode(),
    b"%08x" % binascii.crc32(b"198.18.77.41"),
]
_BY_HAND_V6 = [
    b"2001:db8:7741:c5::41d9",
    b"2001:DB8:7741:C5::41D9",
    b"2001:0db8:7741:00c5:0000:0000:0000:41d9",
    b"2001:db8:7741:c5:0:0:0:41d9",
    b"2001%3Adb8%3A7741%3Ac5%3A%3A41d9",
    bytes.fromhex("20010db8774100c500000000000041d9"),
    b"20010db8774100c500000000000041d9",
    b"9.d.1.4.0.0.0.0.0.0.0.0.0.0.0.0.5.c.0.0.1.4.7.7.8.b.d.0.1.0.0.2",
    base64.b64encode(bytes.fromhex("0020010db8774100c500000000000041d9")),
    hashlib.md5(b"srflx|udp|2001:db8:7741:c5::41d9").hexdigest().encode(),  # noqa: S324
]


@pytest.mark.parametrize("planted", _BY_HAND_V4)
def test_a_spelling_of_an_ipv4_address_written_by_hand_is_found(planted: bytes) -> None:
    assert find([_NOISE, _NOISE + planted + _NOISE], _V4)


@pytest.mark.parametrize("planted", _BY_HAND_V6)
def test_a_spelling_of_an_ipv6_address_written_by_hand_is_found(planted: bytes) -> None:
    assert find([_NOISE, _NOISE + planted + _NOISE], _V6)


@pytest.mark.parametrize("address", [*CALLER.addresses, *CALLEE.addresses])
def test_every_spelling_is_found_where_it_is_planted(address: str) -> None:
    planted = _all(address)

    hits = find([_NOISE + literal for _, literal in planted], address)

    found = {hit.item.number for hit in hits if hit.offset == len(_NOISE)}
    assert [name for item, (name, _) in enumerate(planted) if item not in found] == []


@pytest.mark.parametrize("before", range(3))
@pytest.mark.parametrize("address", [*CALLER.addresses])
def test_base64_around_an_address_is_found_at_every_alignment(address: str, before: int) -> None:
    packed = ip_address(address).packed
    for data in (packed, address.encode()):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(os.urandom(30 + before) + data + os.urandom(31))
            assert find([text], address)


def test_an_ipv6_address_xored_with_a_transaction_id_is_found() -> None:
    transaction_id = os.urandom(12)
    pad = bytes.fromhex("2112a442") + transaction_id
    packed = ip_address(_V6).packed
    xored = bytes(a ^ b for a, b in zip(packed, pad, strict=True))
    message = struct.pack("!HHI", 0x0101, 24, 0x2112A442) + transaction_id
    message += struct.pack("!HHBBH", 0x0020, 20, 0, 2, 4711) + xored

    hits = find([_NOISE, _NOISE + message], _V6)

    assert [(hit.spelling, hit.item.number) for hit in hits] == [("xor v6", 1)]


@pytest.mark.parametrize("address", [*CALLER.addresses, *CALLEE.addresses])
def test_what_is_not_there_is_not_found(address: str) -> None:
    others = {*CALLER.addresses, *CALLEE.addresses} - {address}
    planted = [literal for other in others for _, literal in _all(other)]

    assert find([_NOISE, *planted], address) == []


def _all(address: str) -> list[tuple[str, bytes]]:
    return list(literals(ip_address(address)))


def _frame(payload: bytes) -> bytes:
    """A frame of UDP over IPv4 between two addresses that are no canaries."""
    return frame(packet(End("203.0.113.1", 1000), End("203.0.113.2", 2000), payload))


_PACKED = ip_address(_V4).packed
_RTP = b"\x80\x60" + bytes(10)
_DTLS = bytes.fromhex("17fefd0001000000000001")


@pytest.mark.parametrize(
    "ciphertext",
    [
        _RTP + _PACKED,
        struct.pack("!HH", 0x4000, 16) + _RTP + _PACKED,
        b"\x80\xc8\x00\x06\x00\x00\x00\x01" + bytes(8) + _PACKED,
        _DTLS + b"\x00\x04" + _PACKED,
        struct.pack("!HHI12xHH", 0x0017, 20, 0x2112A442, 0x0013, 16) + _RTP + _PACKED,
    ],
)
def test_four_bytes_of_ciphertext_are_no_hit(ciphertext: bytes) -> None:
    assert find([_frame(ciphertext)], _V4) == []
    assert find([_frame(ciphertext + _V4.encode())], _V4)


@pytest.mark.parametrize(
    "clear",
    [
        _PACKED,
        b"\x90\x60" + bytes(10) + b"\xbe\xde\x00\x01" + _PACKED + b"ciphertext",
        b"\x81\x60" + bytes(10) + _PACKED + b"ciphertext",
        struct.pack("!HH", 0x4000, 4) + _PACKED,
        b"\x80\xc8\x00\x06" + _PACKED + b"ciphertext",
        bytes.fromhex("16fefd00000000000000000004") + _PACKED,
        struct.pack("!HHI12xHH", 0x0017, 8, 0x2112A442, 0x0013, 4) + _PACKED,
        struct.pack("!HHI12xHH", 0x0017, 8, 0x2112A442, 0x0012, 4) + _PACKED,
        struct.pack("!HHI12x", 0x0017, 0, 0x2112A442) + struct.pack("!HH", 0x4000, 4) + _PACKED,
    ],
)
def test_four_bytes_in_the_clear_part_of_a_packet_are_a_hit(clear: bytes) -> None:
    assert find([_frame(clear)], _V4)


def test_the_addresses_of_a_frame_itself_are_a_hit() -> None:
    frame = bytearray(_frame(_RTP))
    frame[26:30] = _PACKED
    assert find([bytes(frame)], _V4)


def test_clear_spans_lose_nothing_of_what_is_not_ciphertext() -> None:
    for payload in (b"", b"\x01", b"\x00\x01\x00\x08" + bytes.fromhex("2112a442") + bytes(20)):
        frame = _frame(payload)
        assert clear_spans(parse(frame)) == [(0, len(frame))]
