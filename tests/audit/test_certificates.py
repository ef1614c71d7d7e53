"""Certificates in DTLS handshakes: whole, in fragments, with names that tell something or not."""

import datetime
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from relay.tools.audit.certificates import Certificate, CertificateReader
from relay.tools.audit.packets import parse
from tests.audit import captures
from tests.audit.captures import ALICE, BOB


def certificate(name: str, host: str = "") -> bytes:
    """A certificate signed by itself, in DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    if host:
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        builder = builder.add_extension(names, critical=False)
    signed = builder.sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


def handshake(der: bytes, fragment: int = 100_000) -> list[bytes]:
    """Datagrams with a Certificate message, in fragments of so many bytes."""
    entry = len(der).to_bytes(3) + der
    body = len(entry).to_bytes(3) + entry
    datagrams = []
    for at in range(0, len(body), fragment):
        part = body[at : at + fragment]
        message = b"\x0b" + len(body).to_bytes(3) + b"\x00\x01"
        message += at.to_bytes(3) + len(part).to_bytes(3) + part
        datagrams.append(b"\x16\xfe\xfd" + bytes(8) + len(message).to_bytes(2) + message)
    return datagrams


def _read(datagrams: list[bytes]) -> list[Certificate]:
    reader = CertificateReader()
    return [
        found
        for datagram in datagrams
        for found in reader.take(parse(captures.udp(BOB, ALICE, datagram)))
    ]


@pytest.mark.parametrize("fragment", [100_000, 200, 64, 1])
def test_a_certificate_is_read_whole_or_in_fragments(fragment: int) -> None:
    der = certificate("Bob's telephone")
    datagrams = handshake(der, fragment)
    expected = [Certificate(hashlib.sha256(der).digest(), ("Bob's telephone",))]
    assert _read(datagrams) == _read(datagrams[::-1]) == expected


def test_a_certificate_is_read_inside_of_a_channel_and_beside_other_messages() -> None:
    (datagram,) = handshake(certificate("bob"))
    hello = b"\x16\xfe\xfd" + bytes(8) + (14).to_bytes(2) + b"\x02\x00\x00\x02" + bytes(5)
    hello += (2).to_bytes(3) + b"ok"
    both = hello + datagram
    channel = b"\x40\x00" + len(both).to_bytes(2) + both
    assert [found.names for found in _read([channel])] == [("bob",)]


@pytest.mark.parametrize("name", ["WebRTC", "0123456789abcdef", "8d1f" * 8])
def test_a_name_made_for_one_call_says_nothing(name: str) -> None:
    assert [found.names for found in _read(handshake(certificate(name)))] == [()]


def test_alternative_names_are_read() -> None:
    (found,) = _read(handshake(certificate("WebRTC", "bobs-laptop.example")))
    assert found.names == ("bobs-laptop.example",)


def test_fragments_that_never_become_whole_are_forgotten() -> None:
    reader = CertificateReader()
    for number in range(1000):
        (first, *_) = handshake(bytes(400), 100)
        frame = captures.udp(BOB, ALICE, first, (number, 9))
        assert reader.take(parse(frame)) == []
    assert len(reader._pending) <= 256


@given(st.binary(max_size=300))
def test_any_bytes_of_a_handshake_are_taken(data: bytes) -> None:
    record = b"\x16\xfe\xfd" + bytes(8) + len(data).to_bytes(2) + data
    _read([record, b"\x16\xfe\xfd" + data])


@given(st.binary(max_size=300))
def test_any_bytes_in_place_of_a_certificate_are_taken(data: bytes) -> None:
    assert all(len(found.digest) == 32 for found in _read(handshake(data)))


@pytest.mark.parametrize("said", [12, 24, 500, 0xFFFF])
def test_a_record_may_say_that_it_is_longer_than_it_is(said: int) -> None:
    (datagram,) = handshake(certificate("somebody"))
    header = datagram[:11] + said.to_bytes(2)
    assert _read([header + bytes(12), header + b"\x01" + bytes(11), header]) == []
    assert _read([header + datagram[13:]]) == _read([datagram])
