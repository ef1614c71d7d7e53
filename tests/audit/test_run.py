"""The audit as a whole: planted leaks are found where they are, and clean files are clean."""

import struct
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from relay.errors import ConfigError
from relay.stun.message import Class, Method
from relay.tools.audit import Report, Verdict, assign, audit
from relay.tools.audit.search import BATCH
from relay.tools.audit.spellings import literals
from tests.audit import captures
from tests.audit.captures import (
    ALICE,
    ALICE_PUBLIC,
    BOB,
    BOB_PUBLIC,
    RELAYED,
    SERVER,
    stun,
    turn_client,
    udp,
    write,
)
from tests.audit.test_certificates import certificate, handshake
from tests.audit.test_descriptions import SDP

_RTP = b"\x80\x60" + bytes(10)
_CLEAN_SDP = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\na=candidate:1 1 udp 1 192.0.2.78 50000 typ relay\r\n"
_ALICE_V6 = "2001:db8:77:1::4c2e"


def _run(
    tmp_path: Path, secrets: tuple[str, ...] = (), /, **files: list[bytes] | str | bytes
) -> Report:
    given = {"alice": [ip_address(each) for each in secrets]} if secrets else {}
    return audit(assign(write(tmp_path, **files), []), given)


def _channel(data: bytes) -> bytes:
    return struct.pack("!HH", 0x4000, len(data)) + data


def _to_bob(payload: bytes) -> bytes:
    return udp(SERVER, BOB, payload, (3478, 40000))


@pytest.mark.parametrize("address", [ALICE_PUBLIC, _ALICE_V6])
def test_every_encoding_is_found_where_it_was_planted(tmp_path: Path, address: str) -> None:
    planted = list(literals(ip_address(address)))
    frames = [_to_bob(b"\x01\x02" + literal + b"\x03") for _, literal in planted]

    report = _run(tmp_path, (address,), alice_pcap=turn_client(ALICE), bob_pcap=frames)

    places = {(leak.first.number, leak.first.offset) for leak in report.leaks}
    counted = sum(leak.count for leak in report.leaks)
    assert counted >= len(planted)
    assert (1, 44) in places
    assert {leak.secret.party for leak in report.leaks} == {"alice"}
    assert {leak.seen_by for leak in report.leaks} == {"bob"}


@pytest.mark.parametrize(
    ("payload", "encoding", "layer", "offset"),
    [
        (b"\xff from 198.51.100.23", "text", "payload", 49),
        (_channel(b"\xff from 198.51.100.23"), "text", "payload", 53),
        (_RTP + b"198.51.100.23", "text", "RTP or RTCP header", 54),
        (
            stun(Method.DATA, Class.INDICATION, xor_peer_address=ALICE_PUBLIC),
            "xor cookie",
            "STUN message",
            70,
        ),
    ],
)
def test_a_leak_is_named_by_encoding_layer_and_place(
    tmp_path: Path, payload: bytes, encoding: str, layer: str, offset: int
) -> None:
    frames = [*turn_client(BOB), _to_bob(payload)]

    report = _run(tmp_path, (ALICE_PUBLIC,), alice_pcap=turn_client(ALICE), bob_pcap=frames)

    (leak,) = report.leaks
    assert (leak.encoding, leak.first.layer) == (encoding, layer)
    assert (leak.first.unit, leak.first.number, leak.first.offset) == ("packet", 3, offset)


def test_an_ipv6_address_xored_with_the_transaction_is_found(tmp_path: Path) -> None:
    message = stun(Method.DATA, Class.INDICATION, xor_peer_address=_ALICE_V6)
    report = _run(
        tmp_path, (_ALICE_V6,), alice_pcap=turn_client(ALICE), bob_pcap=[_to_bob(message)]
    )
    assert [leak.encoding for leak in report.leaks] == ["xor v6"]


def test_packets_that_come_straight_from_the_other_are_found_without_being_told(
    tmp_path: Path,
) -> None:
    alices = turn_client(ALICE, udp(ALICE, BOB_PUBLIC, b"check"))
    bobs = turn_client(BOB, udp(ALICE_PUBLIC, BOB, b"check"), udp(ALICE_PUBLIC, BOB, b"check"))
    told = stun(Method.BINDING, Class.SUCCESS, xor_mapped_address=ALICE_PUBLIC)
    alices.append(udp(SERVER, ALICE, told))

    report = _run(tmp_path, alice_pcap=alices, bob_pcap=bobs)

    (leak,) = report.leaks
    assert (leak.secret.party, leak.seen_by, leak.count) == ("alice", "bob", 2)
    assert (leak.secret.kind, leak.first.layer) == ("public IPv4", "IP header")


def test_a_description_that_was_received_leaks_what_its_author_wrote(tmp_path: Path) -> None:
    report = _run(tmp_path, alice_sent_sdp=SDP, bob_sdp=SDP, bob_pcap=turn_client(BOB))

    assert {leak.seen_by for leak in report.leaks} == {"bob"}
    assert {leak.secret.kind for leak in report.leaks} == {"private IPv4", "public IPv4"}
    assert {leak.first.layer for leak in report.leaks} == {"a=candidate"}
    assert min(leak.first.number for leak in report.leaks) == 6


def test_what_a_party_wrote_itself_is_no_leak_to_it(tmp_path: Path) -> None:
    report = _run(
        tmp_path,
        (ALICE_PUBLIC,),
        alice_pcap=turn_client(ALICE),
        bob_pcap=turn_client(BOB),
        bob_sent_sdp=f"v=0\ns={ALICE_PUBLIC}\n",
        bob_json='{"from": "bob", "sdp": "v=0\\n'
        + ALICE_PUBLIC
        + '", "is": "'
        + ALICE_PUBLIC
        + '"}',
    )
    assert report.leaks == []


def test_what_stands_around_a_description_in_json_is_searched(tmp_path: Path) -> None:
    report = _run(
        tmp_path,
        (ALICE_PUBLIC,),
        alice_pcap=turn_client(ALICE),
        bob_json='{"sdp": "v=0\\n", "remote": {"address": "' + ALICE_PUBLIC + '"}}',
    )
    assert [leak.encoding for leak in report.leaks] == ["text"]


@pytest.mark.parametrize(
    "make", [captures.pcap, lambda each: captures.pcapng((f, 0) for f in each)]
)
def test_a_relayed_call_is_clean(tmp_path: Path, make: Callable[[list[bytes]], bytes]) -> None:
    media = _channel(_RTP + bytes(range(256)))
    clients = {"alice": (ALICE, ALICE_PUBLIC), "bob": (BOB, BOB_PUBLIC)}
    files: dict[str, bytes | str] = {}
    for name, (inside, outside) in clients.items():
        for point, own in (("inside", inside), ("outside", outside)):
            frames = turn_client(own, udp(SERVER, own, media, (3478, 40000)))
            files[f"{name}_{point}_pcap"] = make(frames)
        files[f"{name}_sdp"] = _CLEAN_SDP
    report = _run(tmp_path, **files)
    assert (report.verdict, report.notices, report.unsearched) == (Verdict.CLEAN, [], [])
    assert [looked.packets for looked in report.parties.values()] == [6, 6]
    assert [looked.encrypted for looked in report.parties.values()] == [2, 2]
    assert [len(looked.secrets) for looked in report.parties.values()] == [2, 2]


@pytest.mark.parametrize("near", ["198.51.100.231", "1198.51.100.23", "98.51.100.23"])
def test_another_address_that_looks_alike_is_no_leak(tmp_path: Path, near: str) -> None:
    report = _run(
        tmp_path,
        (ALICE_PUBLIC,),
        alice_pcap=turn_client(ALICE),
        bob_pcap=[_to_bob(near.encode())],
    )
    assert report.leaks == []


def test_four_bytes_of_ciphertext_are_no_leak_and_once_in_the_clear_may_be_chance(
    tmp_path: Path,
) -> None:
    packed = ip_address(ALICE_PUBLIC).packed
    for payload, count in ((_RTP + packed, 0), (b"\xff" + packed, 1)):
        report = _run(
            tmp_path, (ALICE_PUBLIC,), alice_pcap=turn_client(ALICE), bob_pcap=[_to_bob(payload)]
        )
        assert [leak.may_be_chance for leak in report.leaks] == [True] * count


def test_a_leak_at_the_end_of_a_large_capture_has_its_number(tmp_path: Path) -> None:
    filling = [_to_bob(_RTP + bytes(60_000))] * (2 * BATCH // 60_000)
    frames = [*filling, _to_bob(b"\xff198.51.100.23")]
    report = _run(tmp_path, (ALICE_PUBLIC,), alice_pcap=turn_client(ALICE), bob_pcap=frames)
    assert [leak.first.number for leak in report.leaks] == [len(frames)]


def test_an_address_that_both_have_is_not_looked_for_and_leaves_the_audit_incomplete(
    tmp_path: Path,
) -> None:
    report = _run(
        tmp_path,
        alice_pcap=turn_client(ALICE),
        alice_sent_sdp=SDP,
        bob_pcap=turn_client(BOB),
        bob_sent_sdp="v=0\na=candidate:1 1 udp 1 198.51.100.23 9 typ srflx",
    )
    assert "shared_address" in [gap.kind for gap in report.unsearched]
    assert (report.verdict, report.leaks) == (Verdict.INCOMPLETE, [])


def test_a_certificate_of_two_calls_and_its_name_are_noticed(tmp_path: Path) -> None:
    (datagram,) = handshake(certificate("Alice's laptop"))
    bobs = turn_client(BOB, _to_bob(_channel(datagram)))
    report = _run(
        tmp_path, alice_pcap=turn_client(ALICE), bob_monday_pcap=bobs, bob_tuesday_pcap=bobs
    )
    assert [(notice.about, notice.kind) for notice in report.notices] == [
        ("bob", "certificate_reused"),
        ("bob", "certificate_name"),
    ]
    assert "Alice" not in "\n".join(report.lines(is_shown=False))
    assert "Alice's laptop" in "\n".join(report.lines(is_shown=True))


def test_a_certificate_that_two_captures_of_one_call_show_is_no_notice(tmp_path: Path) -> None:
    (datagram,) = handshake(certificate("WebRTC"))
    bobs = turn_client(BOB, _to_bob(datagram))
    report = _run(tmp_path, alice_pcap=turn_client(ALICE), bob_pcap=bobs, bob_cap=bobs)
    assert report.notices == []


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({"alice_pcap": turn_client(ALICE)}, "files of two parties"),
        ({"alice_pcap": turn_client(ALICE), "bob_pcap": b""}, "neither a capture"),
        ({"alice_pcap": turn_client(ALICE), "bob_pcap": []}, "bob: expected packets"),
        ({"alice_pcap": turn_client(ALICE), "bob_sdp": "hello"}, "nor a session description"),
        (
            {"alice_pcap": turn_client(ALICE), "bob_pcap": [udp(RELAYED, BOB, b"x")]},
            "give --secret bob=ADDRESS",
        ),
        (
            {"alice_sdp": _CLEAN_SDP, "bob_sdp": _CLEAN_SDP},
            "the files tell no address that is one party's own",
        ),
    ],
)
def test_nothing_to_look_for_or_at_is_a_fault(
    tmp_path: Path, files: dict[str, list[bytes] | str | bytes], fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault):
        _run(tmp_path, (), **files)


def test_files_are_a_partys_by_name_by_directory_or_by_option(tmp_path: Path) -> None:
    for party in ("alice", "bob"):
        (tmp_path / party / "monday").mkdir(parents=True)
        (tmp_path / party / "monday" / "a.pcap").touch()
        (tmp_path / party / "b.sent.sdp").touch()
    (tmp_path / "carol.2.pcap").touch()
    found = assign(
        [tmp_path / "alice", tmp_path / "carol.2.pcap"],
        [("dave", tmp_path / "bob"), ("dave", tmp_path / "bob")],
    )
    assert {
        party: [(each.path.name, each.is_sent, each.call) for each in sources]
        for party, sources in found.items()
    } == {
        "alice": [("b.sent.sdp", True, "."), ("a.pcap", False, "monday")],
        "carol": [("carol.2.pcap", False, "2")],
        "dave": [("b.sent.sdp", True, "."), ("a.pcap", False, "monday")],
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("alice/wlan.pcap", "bob/wlan.pcap"),
        ("alice/wlan.1.pcap", "bob/wlan.sdp"),
        ("alice/wlan", "bob/wlan"),
        ("alice/wlan.pcap", "alice/more/wlan.pcap"),
    ],
)
def test_one_name_in_two_directories_is_refused_with_what_to_do(
    tmp_path: Path, first: str, second: str
) -> None:
    for name in (first, second):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(ConfigError, match=r"say whose it is with --party NAME=.*each party"):
        assign([tmp_path / first, tmp_path / second], [])
    found = assign([], [("alice", tmp_path / first), ("bob", tmp_path / second)])
    assert list(found) == ["alice", "bob"]


def test_a_direct_call_in_files_of_one_name_is_no_clean_one(tmp_path: Path) -> None:
    """By directory, which is what the refusal says."""
    for name, other, own in (("alice", BOB_PUBLIC, ALICE), ("bob", ALICE_PUBLIC, BOB)):
        (tmp_path / name).mkdir()
        told = stun(Method.BINDING, Class.SUCCESS, xor_mapped_address=own)
        frames = turn_client(own, udp(other, own, b"check"), udp(SERVER, own, told))
        (tmp_path / name / "wlan.pcap").write_bytes(captures.pcap(frames))
    with pytest.raises(ConfigError):
        assign([tmp_path / "alice/wlan.pcap", tmp_path / "bob/wlan.pcap"], [])
    secrets = {"alice": [ip_address(ALICE_PUBLIC)], "bob": [ip_address(BOB_PUBLIC)]}
    report = audit(assign([tmp_path / "alice", tmp_path / "bob"], []), secrets)
    assert report.verdict is Verdict.LEAK
    assert {leak.secret.party for leak in report.leaks} == {"alice", "bob"}


def test_a_partys_files_may_lie_in_its_directory_and_beside_it(tmp_path: Path) -> None:
    (tmp_path / "alice").mkdir()
    (tmp_path / "alice" / "a.pcap").touch()
    (tmp_path / "alice.sdp").touch()
    found = assign([tmp_path / "alice", tmp_path / "alice.sdp"], [])
    assert [source.path.name for source in found["alice"]] == ["a.pcap", "alice.sdp"]


def test_a_link_is_called_as_it_is_given(tmp_path: Path) -> None:
    for name in ("alice", "bob"):
        (tmp_path / f"of-{name}").mkdir()
        (tmp_path / f"of-{name}" / "wlan.pcap").touch()
        (tmp_path / f"{name}.pcap").symlink_to(tmp_path / f"of-{name}" / "wlan.pcap")
    assert list(assign([tmp_path / "alice.pcap", tmp_path / "bob.pcap"], [])) == ["alice", "bob"]


def test_a_directory_that_is_not_looked_into_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "alice").mkdir()
    (tmp_path / "alice" / "a.pcap").touch()
    (tmp_path / "alice" / "more").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="expected no link to a directory"):
        assign([tmp_path / "alice"], [])


def test_what_was_given_is_looked_for_besides_what_the_files_tell(tmp_path: Path) -> None:
    planted = _to_bob(b"\xff" + ALICE.encode())
    report = _run(
        tmp_path, (ALICE_PUBLIC,), alice_pcap=turn_client(ALICE), bob_pcap=turn_client(BOB, planted)
    )
    assert [leak.secret.kind for leak in report.leaks] == ["private IPv4"]
