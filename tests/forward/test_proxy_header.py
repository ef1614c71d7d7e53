"""The header of PROXY protocol v2: what HAProxy sends, any other bytes, and every truncation."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.address import ClientAddress
from relay.errors import DropReason, Malformed
from relay.forward.user.proxy_header import HEAD, LONGEST, SIGNATURE, parse, size_of
from tests.forward import proxying
from tests.forward.proxying import LOCAL, PROXY, TCP4, TCP6, UDP4, UDP6, UNIX, UNIX_DATAGRAM, UNSPEC

VECTORS = [
    ("0d0a0d0a000d0a515549540a 21 11 000c 7f000001 7f000001 e57c 1d1b", ("127.0.0.1", 58748)),
    (
        "0d0a0d0a000d0a515549540a 21 21 0024 00000000000000000000000000000001"
        "00000000000000000000000000000001 b2f6 1d1b",
        ("::1", 45814),
    ),
    (
        "0d0a0d0a000d0a515549540a 21 11 0016 7f000001 7f000001 b05c 1d1c"
        "03 0004 022d5855 05 0000",  # CRC32C, UNIQUE_ID
        ("127.0.0.1", 45148),
    ),
    ("0d0a0d0a000d0a515549540a 20 00 0000", None),  # a health check
]
"""Captured from Debian's HAProxy 2.6.12 (`send-proxy-v2`); the client is what getsockname said."""

ALL = [bytes.fromhex(text) for text, _ in VECTORS]
ENDS = bytes.fromhex("c0000201 c6336401 1234 01bb")


def refused(raw: bytes) -> bool:
    """Whether it is no header, for the one reason there is; anything else fails the test."""
    try:
        parse(raw)
    except Malformed as malformed:
        if malformed.reason is not DropReason.BAD_PROXY_HEADER:
            raise
        return True
    return False


@pytest.mark.parametrize(("text", "client"), VECTORS)
def test_what_haproxy_sends_names_the_client(text: str, client: tuple[str, int] | None) -> None:
    raw = bytes.fromhex(text)
    found = parse(raw)
    assert (found and found.reveal()) == client
    assert size_of(raw[:HEAD]) == len(raw)


@pytest.mark.parametrize("raw", ALL)
def test_every_truncation_is_refused(raw: bytes) -> None:
    assert all(refused(raw[:end]) for end in range(len(raw)))
    assert refused(raw + b"\0")


@pytest.mark.parametrize("raw", ALL)
def test_every_wrong_byte_of_the_signature_and_version_is_refused(raw: bytes) -> None:
    for place in range(13):
        for bit in range(8 if place < 12 else 0):
            wrong = bytearray(raw)
            wrong[place] ^= 1 << bit
            assert refused(bytes(wrong))


@pytest.mark.parametrize("family", [UNSPEC, UDP4, UDP6, UNIX, UNIX_DATAGRAM, 0x10, 0x41, 0xFF])
def test_a_client_without_an_address_over_tcp_is_refused(family: int) -> None:
    assert refused(proxying.header(PROXY, family, bytes(216)))
    assert parse(proxying.header(LOCAL, family, bytes(216))) is None


@pytest.mark.parametrize("command", [0x00, 0x01, 0x10, 0x11, 0x22, 0x2F, 0x30, 0x31, 0xFF])
def test_another_version_or_command_is_refused(command: int) -> None:
    assert refused(proxying.header(command, TCP4, ENDS))


@pytest.mark.parametrize(("family", "least"), [(TCP4, 12), (TCP6, 36)])
def test_addresses_that_do_not_fit_the_length_are_refused(family: int, least: int) -> None:
    for size in range(least):
        assert refused(proxying.header(PROXY, family, bytes(size)))
    assert parse(proxying.header(PROXY, family, bytes(least))) is not None


def test_a_header_may_be_as_long_as_a_segment_and_no_longer() -> None:
    longest = proxying.header(PROXY, TCP4, ENDS + bytes(LONGEST - HEAD - len(ENDS)))
    assert len(longest) == LONGEST == 552
    assert parse(longest) == ClientAddress.parse("192.0.2.1", 0x1234)
    for length in (LONGEST - HEAD + 1, 0xFFFF):
        with pytest.raises(Malformed):
            size_of(proxying.header(PROXY, TCP4, b"", length))


def test_version_1_is_refused() -> None:
    line = b"PROXY TCP4 192.0.2.1 198.51.100.1 4660 443\r\n"
    assert refused(line)
    with pytest.raises(Malformed):
        size_of(line[:HEAD])


def test_ipv4_inside_ipv6_is_ipv4() -> None:
    found = parse(proxying.of("::ffff:192.0.2.1", 7))
    assert found == ClientAddress.parse("192.0.2.1", 7)


@given(st.ip_addresses(), st.integers(0, 65535), st.binary(max_size=500))
def test_whoever_is_named_is_found_whatever_follows(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, tlvs: bytes
) -> None:
    raw = proxying.of(str(ip), port, tlvs)
    assert parse(raw) == ClientAddress.parse(str(ip), port)
    assert size_of(raw[:HEAD]) == len(raw)


@given(st.binary(max_size=600), st.booleans())
def test_any_bytes_give_a_value_or_are_refused(raw: bytes, is_signed: bool) -> None:
    refused(SIGNATURE + raw if is_signed else raw)
