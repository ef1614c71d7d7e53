"""MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256. RFC 8489 sections 14.5 and 14.6."""

import hmac
import struct

import pytest

from relay.errors import Malformed, Rejected
from relay.stun import integrity
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method, build, parse
from tests.stun import vectors
from tests.stun.vectors import VECTORS, Vector

KEY = bytes(range(16))
TRANSACTION = bytes(range(12))
PLAIN = build(Method.REFRESH, Class.REQUEST, TRANSACTION, [(Attribute.LIFETIME, 600)])
BOTH = integrity.append_fingerprint(
    integrity.append_integrity_sha256(integrity.append_integrity(PLAIN, KEY), KEY)
)


def is_verified(datagram: bytes, key: bytes) -> bool:
    try:
        integrity.verify(parse(datagram), key)
    except Rejected as rejected:
        return rejected.code != 401
    except Malformed:
        return False
    return True


def truncated(size: int) -> bytes:
    """PLAIN with a MESSAGE-INTEGRITY-SHA256 of `size` bytes, right as far as it goes."""
    body = len(PLAIN) - 20 + 4
    covered = PLAIN[:2] + struct.pack("!H", body + size) + PLAIN[4:]
    mac = (hmac.digest(KEY, covered, "sha256") + bytes(8))[:size]
    head = PLAIN[:2] + struct.pack("!H", body + size + -size % 4) + PLAIN[4:]
    return head + struct.pack("!HH", 0x001C, size) + mac + bytes(-size % 4)


@pytest.mark.parametrize("vector", [*VECTORS, Vector("both", BOTH, KEY)], ids=lambda v: v.name)
def test_every_flipped_bit_fails_but_those_that_are_to_be_ignored(vector: Vector) -> None:
    """What survives is the type of FINGERPRINT: any other type there is ignored, as it must be."""
    whole = parse(vector.datagram)
    last, _ = whole.attributes[-1]
    survivors = []
    for bit in range(len(vector.datagram) * 8):
        flipped = bytearray(vector.datagram)
        flipped[bit // 8] ^= 0x80 >> bit % 8
        if is_verified(bytes(flipped), vector.key):
            survivors.append(bit)
            assert parse(bytes(flipped)).attributes == whole.attributes[:-1]
    if last == Attribute.FINGERPRINT:
        start = (len(vector.datagram) - 8) * 8
        assert survivors == list(range(start, start + 16))
    else:
        assert survivors == []


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_another_key_is_rejected(vector: Vector) -> None:
    assert is_verified(vector.datagram, vector.key)
    assert not is_verified(vector.datagram, vector.key + b"x")
    assert not is_verified(vector.datagram, b"")


def test_message_without_integrity_is_rejected_with_401() -> None:
    with pytest.raises(Rejected) as caught:
        integrity.verify(parse(PLAIN), KEY)
    assert caught.value.code == 401


def test_integrity_covers_the_header_with_a_length_up_to_itself_only() -> None:
    signed = build(Method.REFRESH, Class.REQUEST, TRANSACTION, [], key=KEY, fingerprint=True)
    covered = signed[:2] + b"\0\x18" + signed[4:20]  # 24 bytes: one MESSAGE-INTEGRITY
    assert signed[2:4] == b"\0\x20"
    assert signed[24:44] == hmac.digest(KEY, covered, "sha1")


def test_attributes_after_integrity_do_not_disturb_it() -> None:
    signed = integrity.append_integrity(PLAIN, KEY)
    late = struct.pack("!HHI", Attribute.LIFETIME.number, 4, 0)
    longer = signed[:2] + struct.pack("!H", len(signed) - 20 + 8) + signed[4:] + late
    integrity.verify(parse(longer), KEY)
    assert parse(longer).get(Attribute.LIFETIME) == 600


@pytest.mark.parametrize("size", [16, 20, 24, 28, 32])
def test_truncated_sha256_is_accepted(size: int) -> None:
    message = parse(truncated(size))
    integrity.verify(message, KEY)
    mac = message.get(Attribute.MESSAGE_INTEGRITY_SHA256)
    assert mac is not None
    assert len(mac) == size


@pytest.mark.parametrize("size", [0, 4, 12, 15, 17, 30, 31, 33, 36])
def test_sha256_of_another_size_is_rejected(size: int) -> None:
    message = parse(truncated(size))
    with pytest.raises(Rejected):
        integrity.verify(message, KEY)


@pytest.mark.parametrize("size", [0, 4, 16, 19])
def test_truncated_sha1_is_rejected(size: int) -> None:
    body = len(PLAIN) - 20 + 4
    covered = PLAIN[:2] + struct.pack("!H", body + size) + PLAIN[4:]
    mac = hmac.digest(KEY, covered, "sha1")[:size]
    head = PLAIN[:2] + struct.pack("!H", body + size + -size % 4) + PLAIN[4:]
    message = parse(head + struct.pack("!HH", 0x0008, size) + mac + bytes(-size % 4))
    with pytest.raises(Rejected):
        integrity.verify(message, KEY)


def test_wrong_sha256_is_not_saved_by_a_right_sha1() -> None:
    first = integrity.append_integrity(PLAIN, KEY)
    assert is_verified(integrity.append_integrity_sha256(first, KEY), KEY)
    assert not is_verified(integrity.append_integrity_sha256(first, KEY + b"x"), KEY)


def test_key_of_one_vector_does_not_verify_another() -> None:
    assert not is_verified(vectors.LONG_TERM_REQUEST, vectors.SHA256_KEY)
    assert not is_verified(vectors.USERHASH_REQUEST, vectors.MD5_KEY)
