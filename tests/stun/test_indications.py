"""Indications read and written quickly say what the codec says: RFC 8656 sections 11.1 and 11.4."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.address import PeerAddress
from relay.stun import integrity
from relay.stun.attributes import Attribute, Pair
from relay.stun.indications import DataIndications, peer_key, read
from relay.stun.message import Class, Method, build, parse

_PEERS = st.builds(
    PeerAddress,
    st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)),
    st.integers(0, 65535),
)
_IDS = st.binary(min_size=12, max_size=12)
_PEER = PeerAddress(bytes([192, 0, 2, 9]), 50000)
_USUAL = ((Attribute.XOR_PEER_ADDRESS, _PEER), (Attribute.DATA, b"some data, 21 bytes: "))


def _send(*attributes: Pair, fingerprint: bool = False) -> bytes:
    return build(Method.SEND, Class.INDICATION, bytes(12), attributes, fingerprint=fingerprint)


@given(
    peer=_PEERS,
    data=st.binary(min_size=12, max_size=1400),
    transaction_id=_IDS,
    fingerprint=st.booleans(),
    before=st.binary(max_size=40),
)
def test_what_the_codec_writes_is_read(
    peer: PeerAddress, data: bytes, transaction_id: bytes, fingerprint: bool, before: bytes
) -> None:
    attributes = ((Attribute.XOR_PEER_ADDRESS, peer), (Attribute.DATA, data))
    message = build(
        Method.SEND, Class.INDICATION, transaction_id, attributes, fingerprint=fingerprint
    )
    found = read(before + message + b"what is behind it", len(before), len(message))
    assert found is not None
    key, start, end = found
    assert key == peer_key(peer)
    assert (before + message)[start:end] == data


@given(peer=_PEERS, data=st.binary(max_size=1400), transaction_id=_IDS)
def test_what_is_written_is_what_the_codec_writes(
    peer: PeerAddress, data: bytes, transaction_id: bytes
) -> None:
    attributes = ((Attribute.XOR_PEER_ADDRESS, peer), (Attribute.DATA, data))
    writer = DataIndications(peer)
    size = len(data)
    assert writer.head(size, transaction_id) + data + writer.tail(size) == build(
        Method.DATA, Class.INDICATION, transaction_id, attributes
    )


@given(first=_PEERS, second=_PEERS)
def test_two_peers_have_two_keys(first: PeerAddress, second: PeerAddress) -> None:
    assert (peer_key(first) == peer_key(second)) == (first == second)


def _assert_read_like_the_codec(data: bytes) -> None:
    """Or not at all; what a FINGERPRINT is worth is not looked at."""
    found = read(data, 0, len(data))
    if found is None:
        return
    peer, start, end = found
    if peer[:2] != (b"\0\1" if len(peer) == 8 else b"\0\2"):
        return  # it is the key of no peer
    if data[-8:-4] == b"\x80\x28\0\4":
        data = integrity.append_fingerprint(data[:2] + bytes([0, len(data) - 28]) + data[4:-8])
    message = parse(data)
    assert (message.method, message.cls) == (Method.SEND, Class.INDICATION)
    assert message.get(Attribute.DATA) == data[start:end]
    named = message.get(Attribute.XOR_PEER_ADDRESS)
    assert named is not None
    assert peer == peer_key(named)


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=80).map(_send(*_USUAL).__add__)))
def test_whatever_is_read_the_codec_reads_too(data: bytes) -> None:
    _assert_read_like_the_codec(data)


@pytest.mark.parametrize("fingerprint", [False, True])
def test_any_byte_changed_is_read_as_the_codec_reads_it_or_not_at_all(fingerprint: bool) -> None:
    whole = _send(*_USUAL, fingerprint=fingerprint)
    for at in range(len(whole)):
        for value in range(256):
            _assert_read_like_the_codec(whole[:at] + bytes([value]) + whole[at + 1 :])


def test_every_truncation_is_not_read() -> None:
    message = _send(*_USUAL, fingerprint=True)
    assert read(message, 0, len(message))
    for size in range(len(message)):
        assert read(message[:size], 0, size) is None
        assert read(message, 0, size) is None


@pytest.mark.parametrize(
    "message",
    [
        _send(*reversed(_USUAL)),
        _send(_USUAL[0], *_USUAL),
        _send(_USUAL[0], (Attribute.DONT_FRAGMENT, True), _USUAL[1]),
        _send(*_USUAL, (Attribute.LIFETIME, 1)),
        _send(_USUAL[0]),
        _send(_USUAL[1]),
        build(Method.DATA, Class.INDICATION, bytes(12), _USUAL),
        build(Method.SEND, Class.REQUEST, bytes(12), _USUAL),
        _send(*_USUAL) + bytes(4),
        bytes(range(48)),
    ],
)
def test_another_shape_is_not_read(message: bytes) -> None:
    assert read(message, 0, len(message)) is None
