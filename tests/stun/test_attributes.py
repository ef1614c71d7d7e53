"""Every row of the table of attributes. RFC 8489 section 14, RFC 8656 section 18."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.address import ClientAddress, PeerAddress, ServerAddress
from relay.errors import DropReason, Malformed
from relay.stun.attributes import Attribute, AttributeType
from relay.stun.values import AddressErrorCode, ErrorCode, Icmp, PasswordAlgorithm
from tests.stun.strategies import TYPES, VALUES, transactions

TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")

V4 = ("192.0.2.1", 32853)
V6 = ("2001:db8:1234:5678:11:2233:4455:6677", 32853)

WRITTEN: list[tuple[AttributeType[Any], Any, str]] = [
    (Attribute.MAPPED_ADDRESS, ClientAddress.parse(*V4), "00018055 c0000201"),
    (
        Attribute.MAPPED_ADDRESS,
        ClientAddress.parse(*V6),
        "00028055 20010db8 12345678 00112233 44556677",
    ),
    (Attribute.ALTERNATE_SERVER, ServerAddress.parse(*V4), "00018055 c0000201"),
    (Attribute.XOR_MAPPED_ADDRESS, ClientAddress.parse(*V4), "0001a147 e112a643"),
    (Attribute.XOR_PEER_ADDRESS, PeerAddress.parse(*V4), "0001a147 e112a643"),
    (
        Attribute.XOR_RELAYED_ADDRESS,
        PeerAddress.parse(*V6),
        "0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9",
    ),
    (Attribute.ERROR_CODE, ErrorCode(438, "Stale"), "00000426 5374616c65"),
    (Attribute.ERROR_CODE, ErrorCode(300), "00000300"),
    (Attribute.ERROR_CODE, ErrorCode(699), "00000663"),
    (Attribute.ADDRESS_ERROR_CODE, AddressErrorCode(2, 440, "no"), "02000428 6e6f"),
    (Attribute.UNKNOWN_ATTRIBUTES, (0x0002, 0x7FFF), "0002 7fff"),
    (Attribute.UNKNOWN_ATTRIBUTES, (), ""),
    (Attribute.CHANNEL_NUMBER, 0x4001, "40010000"),
    (Attribute.LIFETIME, 600, "00000258"),
    (Attribute.REQUESTED_ADDRESS_FAMILY, 2, "02000000"),
    (Attribute.ADDITIONAL_ADDRESS_FAMILY, 2, "02000000"),
    (Attribute.REQUESTED_TRANSPORT, 17, "11000000"),
    (Attribute.EVEN_PORT, True, "80"),
    (Attribute.EVEN_PORT, False, "00"),
    (Attribute.DONT_FRAGMENT, True, ""),
    (Attribute.USE_CANDIDATE, True, ""),
    (Attribute.RESERVATION_TOKEN, bytes(range(8)), "00010203 04050607"),
    (Attribute.ICMP, Icmp(3, 4, 1400), "00000604 00000578"),
    (Attribute.PRIORITY, 0x6E0001FF, "6e0001ff"),
    (Attribute.ICE_CONTROLLING, 1, "00000000 00000001"),
    (Attribute.CONNECTION_ID, 7, "00000007"),
    (Attribute.PASSWORD_ALGORITHM, PasswordAlgorithm(2), "00020000"),
    (
        Attribute.PASSWORD_ALGORITHMS,
        (PasswordAlgorithm(9, b"abcde"), PasswordAlgorithm(1)),
        "00090005 61626364 65000000 00010000",
    ),
]

BAD: list[tuple[AttributeType[Any], str]] = [
    (Attribute.MAPPED_ADDRESS, "00018055 c0000201 00"),
    (Attribute.MAPPED_ADDRESS, "00028055 c0000201"),
    (Attribute.MAPPED_ADDRESS, "00038055 c0000201"),
    (Attribute.MAPPED_ADDRESS, ""),
    (Attribute.XOR_PEER_ADDRESS, "0001a147 e112a6"),
    (Attribute.XOR_PEER_ADDRESS, "0002a147 e112a643"),
    (Attribute.XOR_PEER_ADDRESS, "0001a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9"),
    (Attribute.XOR_PEER_ADDRESS, "0000a147 e112a643"),
    (Attribute.XOR_PEER_ADDRESS, ""),
    (Attribute.ERROR_CODE, "000004"),
    (Attribute.ERROR_CODE, "00000200"),
    (Attribute.ERROR_CODE, "00000700"),
    (Attribute.ERROR_CODE, "00000464"),
    (Attribute.ERROR_CODE, "00000400 ff"),
    (Attribute.ERROR_CODE, "00000400" + "41" * 764),
    (Attribute.ADDRESS_ERROR_CODE, "020004"),
    (Attribute.UNKNOWN_ATTRIBUTES, "000200"),
    (Attribute.EVEN_PORT, ""),
    (Attribute.EVEN_PORT, "80000000"),
    (Attribute.DONT_FRAGMENT, "00"),
    (Attribute.USE_CANDIDATE, "00000000"),
    (Attribute.USERNAME, "ff"),
    (Attribute.USERNAME, "c3"),
    (Attribute.USERNAME, "eda080"),
    (Attribute.USERNAME, "41" * 509),
    (Attribute.REALM, "41" * 764),
    (Attribute.NONCE, "41" * 764),
    (Attribute.SOFTWARE, "41" * 764),
    (Attribute.ALTERNATE_DOMAIN, "41" * 256),
    (Attribute.MESSAGE_INTEGRITY, "00" * 19),
    (Attribute.MESSAGE_INTEGRITY_SHA256, "00" * 12),
    (Attribute.MESSAGE_INTEGRITY_SHA256, "00" * 18),
    (Attribute.MESSAGE_INTEGRITY_SHA256, "00" * 36),
    (Attribute.PASSWORD_ALGORITHM, ""),
    (Attribute.PASSWORD_ALGORITHM, "00020000 00010000"),
    (Attribute.PASSWORD_ALGORITHMS, "000200"),
    (Attribute.PASSWORD_ALGORITHMS, "00020001"),
    (Attribute.PASSWORD_ALGORITHMS, "00020000 0001"),
]

FIXED = {
    Attribute.CHANNEL_NUMBER: 4,
    Attribute.LIFETIME: 4,
    Attribute.REQUESTED_ADDRESS_FAMILY: 4,
    Attribute.ADDITIONAL_ADDRESS_FAMILY: 4,
    Attribute.REQUESTED_TRANSPORT: 4,
    Attribute.PRIORITY: 4,
    Attribute.CONNECTION_ID: 4,
    Attribute.FINGERPRINT: 4,
    Attribute.RESERVATION_TOKEN: 8,
    Attribute.ICMP: 8,
    Attribute.ICE_CONTROLLED: 8,
    Attribute.ICE_CONTROLLING: 8,
    Attribute.MESSAGE_INTEGRITY: 20,
    Attribute.USERHASH: 32,
}


@pytest.mark.parametrize(("kind", "value", "written"), WRITTEN)
def test_value_is_written_as_the_rfc_draws_it(
    kind: AttributeType[Any], value: Any, written: str
) -> None:
    assert kind.encode(value, TRANSACTION) == bytes.fromhex(written)
    decoded = kind.decode(bytes.fromhex(written), TRANSACTION)
    assert decoded == value
    assert type(decoded) is type(value)


@pytest.mark.parametrize(("kind", "written"), BAD)
def test_bad_value_is_malformed(kind: AttributeType[Any], written: str) -> None:
    with pytest.raises(Malformed) as caught:
        kind.decode(bytes.fromhex(written), TRANSACTION)
    assert caught.value.reason is DropReason.BAD_ATTRIBUTE


@pytest.mark.parametrize(("kind", "size"), FIXED.items())
def test_fixed_size_is_the_only_one(kind: AttributeType[Any], size: int) -> None:
    kind.decode(bytes(size), TRANSACTION)
    for other in {*range(40)} - {size}:
        with pytest.raises(Malformed):
            kind.decode(bytes(other), TRANSACTION)


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        (Attribute.CHANNEL_NUMBER, "4001ffff", 0x4001),
        (Attribute.REQUESTED_TRANSPORT, "11ffffff", 17),
        (Attribute.EVEN_PORT, "7f", False),
        (Attribute.EVEN_PORT, "ff", True),
        (Attribute.ERROR_CODE, "fffffc00", ErrorCode(400)),
        (Attribute.ICMP, "ffff0604 00000578", Icmp(3, 4, 1400)),
        (Attribute.XOR_PEER_ADDRESS, "ff01a147 e112a643", PeerAddress.parse(*V4)),
    ],
)
def test_reserved_bits_are_ignored(kind: AttributeType[Any], written: str, value: object) -> None:
    assert kind.decode(bytes.fromhex(written), TRANSACTION) == value


def test_flag_cannot_be_written_as_false() -> None:
    with pytest.raises(ValueError, match="absent"):
        Attribute.DONT_FRAGMENT.encode(False, TRANSACTION)


def test_comprehension_required_types_are_those_below_0x8000() -> None:
    optional = {name for name, kind in TYPES.items() if kind.number >= 0x8000}
    assert optional == {
        "ADDITIONAL_ADDRESS_FAMILY",
        "ADDRESS_ERROR_CODE",
        "PASSWORD_ALGORITHMS",
        "ALTERNATE_DOMAIN",
        "ICMP",
        "SOFTWARE",
        "ALTERNATE_SERVER",
        "FINGERPRINT",
        "ICE_CONTROLLED",
        "ICE_CONTROLLING",
    }


@given(data=st.data(), transaction=transactions)
@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
def test_round_trip(kind: AttributeType[Any], data: st.DataObject, transaction: bytes) -> None:
    value = data.draw(VALUES[kind])
    encoded = kind.encode(value, transaction)
    assert kind.decode(encoded, transaction) == value


@given(value=st.binary(max_size=900), transaction=transactions)
@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
def test_any_bytes_give_a_value_or_bad_attribute(
    kind: AttributeType[Any], value: bytes, transaction: bytes
) -> None:
    try:
        kind.decode(value, transaction)
    except Malformed as malformed:
        reason = malformed.reason
    else:
        return
    assert reason is DropReason.BAD_ATTRIBUTE


def test_a_type_equals_its_number_and_no_other() -> None:
    assert Attribute.LIFETIME == 0x000D
    assert 0x000D in {Attribute.LIFETIME}
    assert int(Attribute.LIFETIME) == 0x000D
    assert Attribute.LIFETIME != Attribute.DATA
    assert Attribute.LIFETIME != "LIFETIME"
    assert repr(Attribute.LIFETIME) == "<AttributeType 0x000d>"
