"""The official vectors: read, verified, and written again byte for byte."""

import pytest

from relay.address import ClientAddress
from relay.stun import credentials, integrity
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method, build, parse
from relay.stun.values import PasswordAlgorithm
from tests.stun import vectors
from tests.stun.strategies import BY_NUMBER
from tests.stun.vectors import VECTORS, Vector

TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
LONG_TERM_TRANSACTION = bytes.fromhex("78ad3433c6ad72c029da412e")
EACH = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)


@EACH
def test_vector_is_read_and_verified(vector: Vector) -> None:
    message = parse(vector.datagram)
    integrity.verify(message, vector.key)
    assert message.raw == vector.datagram
    assert message.method == Method.BINDING


@EACH
def test_every_attribute_of_a_vector_decodes_and_encodes_to_the_same_value(vector: Vector) -> None:
    message = parse(vector.datagram)
    for kind, value in message.attributes:
        attribute = BY_NUMBER[kind]
        encoded = attribute.encode(message.get(attribute), message.transaction_id)
        assert encoded == value


def test_rfc_5769_section_2_1_request() -> None:
    message = parse(vectors.REQUEST)
    assert message.cls is Class.REQUEST
    assert message.transaction_id == TRANSACTION
    assert [kind for kind, _ in message.attributes] == [
        Attribute.SOFTWARE,
        Attribute.PRIORITY,
        Attribute.ICE_CONTROLLED,
        Attribute.USERNAME,
        Attribute.MESSAGE_INTEGRITY,
        Attribute.FINGERPRINT,
    ]
    assert message.get(Attribute.SOFTWARE) == "STUN test client"
    assert message.get(Attribute.PRIORITY) == 0x6E0001FF
    assert message.get(Attribute.ICE_CONTROLLED) == 0x932FF9B151263B36
    assert message.get(Attribute.USERNAME) == "evtj:h6vY"
    assert message.get(Attribute.FINGERPRINT) == 0xE57A3BCF


@pytest.mark.parametrize(
    ("datagram", "host"),
    [
        (vectors.IPV4_RESPONSE, "192.0.2.1"),
        (vectors.IPV6_RESPONSE, "2001:db8:1234:5678:11:2233:4455:6677"),
    ],
    ids=["section 2.2, IPv4", "section 2.3, IPv6"],
)
def test_rfc_5769_responses(datagram: bytes, host: str) -> None:
    message = parse(datagram)
    assert message.cls is Class.SUCCESS
    assert message.transaction_id == TRANSACTION
    assert message.get(Attribute.SOFTWARE) == "test vector"
    assert message.get(Attribute.XOR_MAPPED_ADDRESS) == ClientAddress.parse(host, 32853)


def test_rfc_5769_section_2_4_is_written_byte_for_byte() -> None:
    assert (
        build(
            Method.BINDING,
            Class.REQUEST,
            LONG_TERM_TRANSACTION,
            [
                (Attribute.USERNAME, vectors.USERNAME),
                (Attribute.NONCE, "f//499k954d6OL34oL9FSTvy64sA"),
                (Attribute.REALM, vectors.REALM),
            ],
            key=vectors.MD5_KEY,
        )
        == vectors.LONG_TERM_REQUEST
    )


def test_rfc_8489_appendix_b_1_is_written_byte_for_byte() -> None:
    userhash = credentials.userhash(vectors.USERNAME, vectors.REALM)
    unsigned = build(
        Method.BINDING,
        Class.REQUEST,
        LONG_TERM_TRANSACTION,
        [
            (Attribute.USERHASH, userhash),
            (Attribute.NONCE, "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"),
            (Attribute.REALM, vectors.REALM),
            (Attribute.PASSWORD_ALGORITHM, PasswordAlgorithm(2)),
        ],
    )
    signed = integrity.append_integrity_sha256(unsigned, vectors.SHA256_KEY)
    assert signed == vectors.USERHASH_REQUEST


def test_keys_are_those_of_the_vectors() -> None:
    secrets = (vectors.USERNAME, vectors.REALM, vectors.PASSWORD)
    assert credentials.long_term_key(*secrets) == vectors.MD5_KEY
    assert credentials.long_term_key_sha256(*secrets) == vectors.SHA256_KEY


@pytest.mark.parametrize("secret", ["north", b"north"], ids=["text", "bytes"])
def test_rest_password_is_the_base64_of_hmac_sha1(secret: str | bytes) -> None:
    """The expected value is from `printf %s … | openssl dgst -sha1 -hmac north -binary`."""
    assert (
        credentials.rest_password(secret, "1764000000:call:leg") == "GY6GAQVdhC3/IhCuc7+DTn4ToNA="
    )
