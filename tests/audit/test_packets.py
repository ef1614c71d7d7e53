"""Frames of every link type, and of none; what lies where in them."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.tools.audit.layers import Kind, clear_spans, layers
from relay.tools.audit.packets import TCP, UDP, parse
from tests.audit import captures
from tests.audit.captures import ALICE, SERVER

_V6 = ("2001:db8::a", "2001:db8::b")
_IP = captures.ip(ALICE, SERVER, UDP, struct.pack("!HHHH", 1, 2, 12, 0) + b"data")


@pytest.mark.parametrize(
    ("frame", "link"),
    [
        (bytes(12) + b"\x08\x00" + _IP, 1),
        (bytes(12) + b"\x81\x00\x00\x07\x08\x00" + _IP, 1),
        (bytes(12) + b"\x88\xa8\x00\x01\x81\x00\x00\x07\x08\x00" + _IP, 1),
        (b"\x00\x04" + bytes(12) + b"\x08\x00" + _IP, 113),
        (b"\x08\x00" + bytes(8) + b"\x04" + bytes(9) + _IP, 276),
        (_IP, 101),
        (_IP, 228),
        (b"\x02\x00\x00\x00" + _IP, 0),
    ],
)
def test_a_packet_is_found_in_every_kind_of_frame(frame: bytes, link: int) -> None:
    packet = parse(frame, link=link)
    assert (packet.source, packet.destination, packet.payload) == (ALICE, SERVER, b"data")
    assert frame[packet.payload_at :] == b"data"
    assert packet.is_outgoing is (True if link in (113, 276) else None)


@pytest.mark.parametrize("ends", [(ALICE, SERVER), _V6])
def test_ports_and_payload_of_udp_and_tcp(ends: tuple[str, str]) -> None:
    for frame, protocol in ((captures.udp(*ends, b"x"), UDP), (captures.tcp(*ends, b"x"), TCP)):
        packet = parse(frame + b"trailer")
        assert (packet.protocol, packet.sender) == (protocol, (ends[0], 40000))
        assert (packet.payload, packet.trailer) == (b"x", b"trailer")


def test_a_later_fragment_has_no_ports_and_is_clear() -> None:
    frame = bytearray(captures.udp(ALICE, SERVER, b"\x80" * 20))
    frame[20:22] = b"\x00\x05"
    packet = parse(bytes(frame))
    assert (packet.source, packet.source_port, packet.payload) == (ALICE, 0, b"")
    assert clear_spans(packet) == [(0, len(frame))]


@pytest.mark.parametrize("frame", [b"", bytes(5), bytes(14), bytes(12) + b"\x08\x06" + bytes(28)])
def test_what_is_not_ip_is_a_packet_without_fields(frame: bytes) -> None:
    packet = parse(frame)
    assert (packet.version, packet.source, packet.payload) == (0, "", b"")
    assert list(layers(packet)) == []


def test_layers_lie_in_each_other() -> None:
    rtp = b"\x80\x60" + bytes(10) + b"ciphertext"
    channel = struct.pack("!HH", 0x4000, len(rtp)) + rtp
    packet = parse(captures.udp(ALICE, SERVER, channel))
    assert [layer.kind for layer in layers(packet)] == [Kind.CHANNEL_DATA, Kind.RTP]
    assert clear_spans(packet) == [(0, len(packet.frame) - len(b"ciphertext"))]


@pytest.mark.parametrize("unit", [b"\x40\x00\x00\x00", b"\x40\x00\xff\xff"])
def test_layers_may_be_as_many_as_fit(unit: bytes) -> None:
    packet = parse(captures.udp(ALICE, SERVER, unit * 16_000))
    assert len(list(layers(packet))) == 16_000


@given(st.binary(max_size=300), st.sampled_from([0, 1, 12, 101, 108, 113, 228, 276, 4711]))
def test_any_bytes_are_a_packet(frame: bytes, link: int) -> None:
    _assert_whole(frame, link)


@given(st.binary(max_size=200), st.sampled_from([UDP, TCP, 1, 58]), st.booleans())
def test_any_bytes_may_follow_an_ip_header(body: bytes, protocol: int, is_v6: bool) -> None:
    ends = _V6 if is_v6 else (ALICE, SERVER)
    _assert_whole(captures.ethernet(*ends, protocol, body), 1)


@given(st.binary(max_size=200), st.sampled_from([b"\x40\x00", b"\x00\x17\x00\x20\x21\x12\xa4\x42"]))
def test_any_bytes_may_follow_the_head_of_a_payload(body: bytes, head: bytes) -> None:
    _assert_whole(captures.udp(ALICE, SERVER, head + body), 1)


def _assert_whole(frame: bytes, link: int) -> None:
    """Offsets are in order, spans are within the frame, and what is not UDP or TCP is all clear."""
    packet = parse(frame, link=link)
    spans = clear_spans(packet)
    assert all(0 <= start <= end <= len(frame) for start, end in spans)
    assert spans == sorted(spans)
    assert packet.network_at <= packet.transport_at <= packet.payload_at <= len(frame)
    if not packet.payload and frame:
        assert spans == [(0, len(frame))]
