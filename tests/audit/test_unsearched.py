"""What was not searched is said, counted, and leaves no verdict of clean."""

import json
import struct
from collections.abc import Sequence
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.stun.message import Class, Method
from relay.tools.audit import Gap, Report, Verdict, assign, audit
from relay.tools.audit.layers import Kind, clear_spans, layers
from relay.tools.audit.packets import TCP, parse
from relay.tools.audit.search import Item, search
from relay.tools.audit.spellings import literals
from relay.tools.audit.streams import MAX_STREAMS, MAX_WAITING, Streams
from tests.audit import captures
from tests.audit.captures import (
    ALICE,
    ALICE_PUBLIC,
    BOB_PUBLIC,
    RELAYED,
    SERVER,
    segment,
    stun,
    turn_client,
    udp,
    write,
)

_V6 = "2001:db8:77:1::4c2e"
_PPPOE = bytes(12) + b"\x88\x64" + bytes(60)
_ARP = bytes(12) + b"\x08\x06" + bytes(28)
_GZIP = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b"
_DEFLATED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n\r\n"
)
_OFFERED = b"GET / HTTP/1.1\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"


def _run(tmp_path: Path, bobs: Sequence[bytes] | bytes, alices: Sequence[bytes] = ()) -> Report:
    files = write(tmp_path, alice_pcap=[*turn_client(ALICE_PUBLIC), *alices], bob_pcap=bobs)
    return audit(assign(files, []), {})


def _kinds(report: Report) -> list[tuple[str, str, int]]:
    return [(gap.kind, gap.about, gap.count) for gap in report.unsearched]


def _bob(*frames: bytes) -> list[bytes]:
    return turn_client(BOB_PUBLIC, *frames)


def _cut(frame: bytes, at: int, value: bytes) -> bytes:
    return frame[:at] + value + frame[at + len(value) :]


_DATAGRAM = udp(SERVER, BOB_PUBLIC, b"some data", (3478, 40000))


@pytest.mark.parametrize(
    ("frames", "kind"),
    [
        ([_PPPOE], "unknown_frames"),
        ([_DATAGRAM[:30]], "malformed_packets"),
        ([_cut(_DATAGRAM, 14, b"\x42")], "malformed_packets"),  # an IP header of 8 bytes
        ([_cut(_DATAGRAM, 14, b"\x95")], "malformed_packets"),  # IPv9
        ([_cut(_DATAGRAM, 16, b"\x7f\xff")], "malformed_packets"),  # longer than the frame
        ([_cut(_DATAGRAM, 38, b"\x00\xff")], "malformed_packets"),  # the same of UDP
        ([_cut(_DATAGRAM, 38, b"\x00\x07")], "malformed_packets"),
        ([_cut(segment(SERVER, BOB_PUBLIC, b"x", 1), 46, b"\x10")], "malformed_packets"),
        ([captures.ethernet(SERVER, BOB_PUBLIC, TCP, bytes(10))], "malformed_packets"),
        ([_cut(_DATAGRAM, 20, b"\x20\x00")], "fragments"),
        ([_cut(_DATAGRAM, 20, b"\x00\x10")], "fragments"),
        ([captures.ethernet(_V6, "2001:db8::b", 44, bytes(20))], "fragments"),
        (
            [segment(SERVER, BOB_PUBLIC, b"one", 1), segment(SERVER, BOB_PUBLIC, b"x", 9)],
            "missing_segments",
        ),
        ([segment(SERVER, BOB_PUBLIC, _GZIP, 1)], "compressed"),
        ([segment(SERVER, BOB_PUBLIC, _DEFLATED, 1)], "compressed"),
    ],
)
def test_what_is_not_whole_or_not_understood_is_counted(
    tmp_path: Path, frames: list[bytes], kind: str
) -> None:
    report = _run(tmp_path, _bob(*frames))
    assert _kinds(report) == [(kind, "bob", 1)]
    assert report.verdict is Verdict.INCOMPLETE
    assert "bob.pcap: 1 packet" in report.unsearched[0].text


@pytest.mark.parametrize(
    "frame",
    [
        _ARP,
        bytes(12) + b"\x00\x26" + bytes(38),  # IEEE 802.3, spanning tree
        bytes(12) + b"\x88\xcc" + bytes(60),  # LLDP
        _cut(_DATAGRAM, 16, bytes(2)),  # a segment that the network card has yet to divide
        captures.ethernet(SERVER, BOB_PUBLIC, 1, bytes(8)),  # ICMP
        segment(SERVER, BOB_PUBLIC, _OFFERED, 1),
        _DATAGRAM + bytes(18),  # padded
    ],
)
def test_what_every_network_has_leaves_a_call_clean(tmp_path: Path, frame: bytes) -> None:
    report = _run(tmp_path, _bob(frame))
    assert (_kinds(report), report.verdict) == ([], Verdict.CLEAN)


def test_a_link_type_that_is_not_read_is_counted(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    files = assign(
        write(tmp_path, alice_pcap=turn_client(ALICE_PUBLIC), bob_pcap=_bob()),
        [("bob", write(tmp_path / "more", bob_pcap=captures.pcap([b"?"] * 3, link=127))[0])],
    )
    assert _kinds(audit(files)) == [("unknown_link", "bob", 3)]


def test_a_capture_with_holes_says_so(tmp_path: Path) -> None:
    data = bytearray(captures.pcap(_bob()))
    data[36:40] = (1500).to_bytes(4, "little")
    report = _run(tmp_path, bytes(data[:-1]))
    assert _kinds(report) == [("cut_packets", "bob", 1), ("partial_capture", "bob", 1)]


def test_a_capture_without_packets_says_so(tmp_path: Path) -> None:
    files = write(
        tmp_path, alice_pcap=turn_client(ALICE_PUBLIC), bob_pcap=_bob(), bob_cap=captures.pcap([])
    )
    assert _kinds(audit(assign(files, []))) == [("empty_capture", "bob", 1)]


@pytest.mark.parametrize("order", "<>")
def test_packets_that_the_capturing_program_dropped_are_counted(tmp_path: Path, order: str) -> None:
    """Of one interface the last count holds, and sections are added up."""
    frames = [(frame, 0) for frame in _bob()]
    first = captures.pcapng(frames, order=order) + captures.statistics(5, order)
    data = first + captures.statistics(7, order) + captures.pcapng(frames, order=order)
    report = _run(tmp_path, data + captures.statistics(3, order))
    assert _kinds(report) == [("dropped_packets", "bob", 10)]


def test_blocks_of_the_older_kind_hold_frames_too(tmp_path: Path) -> None:
    leak = udp(SERVER, BOB_PUBLIC, b"\xff" + ALICE_PUBLIC.encode(), (3478, 40000))
    data = captures.pcapng([(frame, 0) for frame in _bob()]) + captures.obsolete(leak)
    report = _run(tmp_path, data)
    assert [(leak.encoding, leak.first.number) for leak in report.leaks] == [("text", 3)]


def test_a_family_whose_owner_cannot_be_told_is_said(tmp_path: Path) -> None:
    report = _run(tmp_path, _bob(udp("2001:db8::1", "2001:db8::2", b"x")))
    assert _kinds(report) == [("unknown_address", "bob", 1)]


def test_a_party_of_whom_no_address_is_known_is_said(tmp_path: Path) -> None:
    files = write(tmp_path, alice_pcap=turn_client(ALICE_PUBLIC), bob_sdp="v=0\n")
    report = audit(assign(files, []))
    assert _kinds(report) == [("unknown_address", "bob", 1)]
    assert "--secret bob=ADDRESS" in report.unsearched[0].text


def test_a_party_behind_nat_whose_public_address_nobody_tells_is_said(tmp_path: Path) -> None:
    files = write(tmp_path, alice_pcap=turn_client(ALICE), bob_pcap=_bob())
    assert _kinds(audit(assign(files, []))) == [("unknown_public_address", "alice", 1)]
    given = {"alice": [ip_address(ALICE_PUBLIC)]}
    assert audit(assign(files, []), given).verdict is Verdict.CLEAN


def test_an_address_that_is_called_a_relays_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    """Whoever writes a description could otherwise keep the audit from looking for an address."""
    called = f"v=0\na=candidate:1 1 udp 1 {ALICE_PUBLIC} 9 typ relay raddr 0.0.0.0 rport 9\n"
    files = write(
        tmp_path,
        alice_pcap=[*turn_client(ALICE), *turn_client(ALICE_PUBLIC)],
        bob_pcap=_bob(),
        bob_sdp=called,
    )
    report = audit(assign(files, []))
    assert ("disputed_address", "alice", 1) in _kinds(report)
    assert report.verdict is Verdict.INCOMPLETE
    given = {"alice": [ip_address(ALICE_PUBLIC)]}
    assert audit(assign(files, []), given).verdict is Verdict.LEAK


def test_who_calls_a_partys_address_a_relays_does_not_hide_it(tmp_path: Path) -> None:
    """The party's own description names it, and nothing but what the other was told contradicts."""
    srflx = f"a=candidate:1 1 udp 1 {ALICE_PUBLIC} 1 typ srflx raddr 192.168.17.5 rport 1\r\n"
    called = f"a=candidate:1 1 udp 1 {ALICE_PUBLIC} 1 typ relay raddr 0.0.0.0 rport 9\r\n"
    bobs = "a=candidate:1 1 udp 1 203.0.113.190 1 typ host\r\n"
    files = write(
        tmp_path,
        alice_sent_sdp=f"v=0\r\n{srflx}",
        bob_sent_sdp=f"v=0\r\n{bobs}",
        bob_sdp=f"v=0\r\n{called}",
    )
    report = audit(assign(files, []))
    assert _kinds(report) == [("disputed_address", "alice", 1)]
    assert report.verdict is Verdict.INCOMPLETE


def test_the_relays_address_that_a_masked_party_takes_for_its_own_is_not_disputed(
    tmp_path: Path,
) -> None:
    """Its server-reflexive candidate is one, and so is what it is told as its mapped address."""
    relay = f"a=candidate:1 1 udp 1 {RELAYED} 50000 typ relay raddr {RELAYED} rport 1023\r\n"
    srflx = f"a=candidate:2 1 udp 1 {RELAYED} 1023 typ srflx raddr 192.168.17.5 rport 1\r\n"
    bobs = "a=candidate:1 1 udp 1 203.0.113.190 1 typ host\r\n"
    wrote = {"from": "alice", "candidates": [srflx.strip(), relay.strip()]}
    files = write(
        tmp_path,
        alice_json=json.dumps(wrote),
        bob_sent_sdp=f"v=0\r\n{bobs}",
        bob_sdp=f"v=0\r\n{relay}",
    )
    assert audit(assign(files, [])).verdict is Verdict.CLEAN


def test_what_stays_within_a_private_network_has_no_public_address(tmp_path: Path) -> None:
    def client(own: str) -> list[bytes]:
        return [udp(own, "10.0.0.1", stun(Method.ALLOCATE, Class.REQUEST))]

    files = write(tmp_path, alice_pcap=client("10.0.0.2"), bob_pcap=client("10.0.0.3"))
    assert audit(assign(files, [])).verdict is Verdict.CLEAN


def test_one_partys_files_alone_are_searched_for_what_was_given(tmp_path: Path) -> None:
    """There is nothing to look for the other's addresses in."""
    files = write(tmp_path, bob_pcap=turn_client("10.1.1.1"))
    given = {"alice": [ip_address(ALICE_PUBLIC)]}
    assert audit(assign(files, []), given).verdict is Verdict.CLEAN


def test_a_leak_is_one_whatever_was_not_searched(tmp_path: Path) -> None:
    leak = udp(SERVER, BOB_PUBLIC, b"\xff" + ALICE_PUBLIC.encode(), (3478, 40000))
    report = _run(tmp_path, _bob(leak, _PPPOE))
    assert (report.verdict, len(report.unsearched)) == (Verdict.LEAK, 1)


def test_document_and_lines_say_what_was_not_searched(tmp_path: Path) -> None:
    report = _run(tmp_path, _bob(_PPPOE, _PPPOE))
    text = (
        "bob.pcap: 2 packets: the audit cannot read this protocol; it may be wrapped or encrypted"
    )
    assert report.unsearched == [Gap("unknown_frames", "bob", 2, text)]
    document = report.as_document(is_shown=False)
    assert (document["verdict"], document["clean"]) == ("incomplete", False)
    assert document["unsearched"] == [
        {"kind": "unknown_frames", "about": "bob", "count": 2, "text": text}
    ]
    assert list(report.lines(is_shown=False))[-2:] == [
        f"unsearched  bob: {text}",
        "incomplete  no address was found, but not everything could be searched",
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("address", [ALICE_PUBLIC, _V6])
def test_an_address_across_segments_is_found_in_every_encoding(address: str, size: int) -> None:
    ip = ip_address(address)
    for name, literal in literals(ip):
        data = b"\xff" * (size - 1) + literal + b"\x02\xff"  # the first seam lies within
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        found = {hit.address for hit in search(_seams(pieces), [ip])}
        assert found == {0}, name


def test_an_ipv6_address_xored_with_the_transaction_is_found_across_segments() -> None:
    message = stun(Method.DATA, Class.INDICATION, xor_peer_address=_V6)
    for at in range(5, len(message) - 1):
        hits = list(search(_seams([message[:at], message[at:]]), [ip_address(_V6)]))
        assert [hit.spelling for hit in hits] == ["xor v6"], at


def _seams(pieces: Sequence[bytes]) -> list[Item]:
    """Only what lies across a seam, in segments that come in reverse order after the first."""
    starts = [1]
    for piece in pieces:
        starts.append(starts[-1] + len(piece))
    frames = [
        segment(SERVER, BOB_PUBLIC, piece, start)
        for piece, start in zip(pieces, starts, strict=False)
    ]
    streams = Streams()
    items = []
    for frame in (frames[0], *reversed(frames[1:])):
        items += [Item(1, seam.data, seam=seam.at) for seam in streams.take(parse(frame))]
    assert streams.missing == 0
    return items


def test_a_leak_across_segments_is_reported_with_the_later_one(tmp_path: Path) -> None:
    text = b"from 198.51.100.23 "
    frames = [
        segment(SERVER, BOB_PUBLIC, text[:9], 100),
        segment(SERVER, BOB_PUBLIC, text[9:], 109),
        segment(SERVER, BOB_PUBLIC, text[:9], 100),  # sent again
    ]
    (leak,) = _run(tmp_path, _bob(*frames)).leaks
    assert (leak.first.number, leak.first.layer, leak.count) == (4, "TCP stream", 1)


def test_streams_hold_no_more_than_they_may_and_count_what_they_let_go() -> None:
    streams = Streams()
    for number in range(MAX_WAITING + 2):  # the first of them is missing
        streams.take(parse(segment(SERVER, BOB_PUBLIC, b"ab", 100 + 3 * number)))
    assert streams.missing > 0
    many = Streams()
    for port in range(MAX_STREAMS + 3):
        many.take(parse(segment(SERVER, BOB_PUBLIC, b"x", 1, port=port)))
    assert many.missing == 3


@given(st.data())
def test_a_stream_in_any_order_and_pieces_has_all_its_seams(data: st.DataObject) -> None:
    whole = bytes(range(1, 200))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=12)))
    spans = list(pairwise([0, *cuts, len(whole)]))
    first = (2**32 - 20) % 2**32
    frames = [segment(SERVER, BOB_PUBLIC, whole[a:b], (first + a) % 2**32) for a, b in spans]
    later = data.draw(st.permutations(frames[1:]))
    streams = Streams()
    seams = [seam for frame in (frames[0], *later) for seam in streams.take(parse(frame))]
    assert streams.missing == 0
    assert sorted(seam.at for seam in seams) == cuts
    assert all(whole[: len(seam.data)] == seam.data for seam in seams)


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=40), st.integers(0, 63))))
def test_any_segments_are_taken(parts: list[tuple[int, bytes, int]]) -> None:
    streams = Streams()
    for sequence, payload, flags in parts:
        frame = bytearray(segment(SERVER, BOB_PUBLIC, payload, sequence))
        frame[47] = flags
        for seam in streams.take(parse(bytes(frame))):
            assert 0 < seam.at < len(seam.data)


def _of(payload: bytes) -> tuple[list[Kind], bool]:
    packet = parse(segment(SERVER, ALICE, payload, 1))
    whole = clear_spans(packet) == [(0, len(packet.frame))]
    return [layer.kind for layer in layers(packet)], whole


def test_a_segment_is_read_only_if_messages_or_records_fill_it() -> None:
    rtp = b"\x80\x60" + bytes(10) + b"ciphertext.."
    channel = struct.pack("!HH", 0x4000, len(rtp)) + rtp
    record = b"\x17\x03\x03" + struct.pack("!H", 30)
    assert _of(channel) == ([Kind.CHANNEL_DATA, Kind.RTP], False)
    assert _of(channel[4:]) == ([Kind.OTHER], True)
    assert _of(channel + channel[:9]) == ([Kind.OTHER], True)
    assert _of(stun(Method.ALLOCATE, Class.REQUEST)) == ([Kind.STUN], True)
    assert _of(b"GET / HTTP/1.1\r\n\r\n") == ([Kind.OTHER], True)
    assert _of(record + bytes(30)) == ([Kind.TLS], False)
    assert _of(record + bytes(10)) == ([Kind.TLS], False)  # its end is in the next segment
    assert _of(record[:4]) == ([Kind.OTHER], True)
    assert _of(b"\x16\x03\x01" + struct.pack("!H", 30) + bytes(30)) == ([Kind.TLS], True)


@pytest.mark.parametrize("first", [0x16, 0x45, 0x80])
def test_an_answer_of_dns_is_clear_whatever_its_id(tmp_path: Path, first: int) -> None:
    answer = bytes([first]) + bytes(30) + ip_address(ALICE_PUBLIC).packed
    report = _run(tmp_path, _bob(udp(SERVER, BOB_PUBLIC, answer, (53, 40000))))
    assert [leak.encoding for leak in report.leaks] == ["packed"]
