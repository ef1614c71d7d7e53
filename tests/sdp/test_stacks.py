"""The descriptions of real stacks: what survives, what does not, and that it stays so."""

import re

import pytest

from relay.sdp import LegDescription, RemovedKind, rebuild
from tests.sdp.samples import ACCEPTED, LEG, leaks, sample

_MEDIA_NEEDS = re.compile(
    r"a=(group|mid|rtpmap|rtcp-fb|fmtp|extmap|extmap-allow-mixed|rid|simulcast|ssrc-group|setup"
    r"|fingerprint|ice-ufrag|ice-pwd|ice-lite|sctp-port|sctpmap|max-message-size|ptime|maxptime"
    r"|framerate|content|bundle-only|rtcp-rsize|sendrecv|sendonly|recvonly|inactive"
    r"|end-of-candidates)(:|$)|b="
)
_REWRITTEN = {
    "a=fmtp:96 useinbandfec=1; maxaveragebitrate=32000; x-host=10.77.31.9": (
        "a=fmtp:96 useinbandfec=1;maxaveragebitrate=32000"
    )
}
FIRST = "192.0.2.1 50000 typ relay raddr 0.0.0.0 rport 9"
SECOND = "192.0.2.1 50002 typ relay raddr 0.0.0.0 rport 9"
THIRD = "2001:db8:ffff::1 50001 typ relay raddr 0.0.0.0 rport 9"


def _candidates(text: str) -> list[str]:
    return [line for line in text.split("\r\n") if line.startswith("a=candidate")]


@pytest.mark.parametrize("name", ACCEPTED)
def test_nothing_of_the_partys_addresses_survives_in_any_spelling(name: str) -> None:
    assert leaks(sample(name)), "a scan that finds nothing in the original is worth nothing"
    assert leaks(rebuild(sample(name), LEG).sdp) == []
    assert leaks(rebuild(sample(name), LegDescription()).sdp) == []


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_was_rebuilt_stays_as_it_is(name: str) -> None:
    once = rebuild(sample(name), LEG)
    again = rebuild(once.sdp, LEG)
    assert (again.sdp, again.removed) == (once.sdp, ())


@pytest.mark.parametrize("name", ACCEPTED)
def test_every_line_that_media_needs_survives_in_its_section_and_order(name: str) -> None:
    sections = [re.split(r"^m=", text, flags=re.M) for text in (sample(name), _rebuilt(name))]
    assert len(sections[0]) == len(sections[1])
    for before, after in zip(*sections, strict=True):
        needed = [line for line in before.split("\r\n") if _MEDIA_NEEDS.match(line)]
        kept = [line for line in after.split("\r\n") if _MEDIA_NEEDS.match(line)]
        assert kept == [_REWRITTEN.get(line, line) for line in needed]


def _rebuilt(name: str) -> str:
    return rebuild(sample(name), LEG).sdp


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("aiortc_offer", [f"a=candidate:{n} 1 udp {p} {a}" for n, p, a in (
            (1, 16777215, FIRST), (2, 16776959, SECOND))]),
        ("android_libwebrtc_offer", [f"a=candidate:1 1 udp 50331647 {FIRST} ufrag kX5/"]),
        ("chromium_offer", [f"a=candidate:1 1 udp 50331647 {FIRST}",
                            f"a=candidate:2 1 udp 33554175 {SECOND}"]),
        ("chromium_simulcast_restart", [f"a=candidate:3 1 udp 50331135 {THIRD} ufrag Rst4"]),
        ("firefox_offer", [f"a=candidate:1 1 udp 100663295 {FIRST}"]),
        ("gstreamer_offer", [f"a=candidate:1 1 udp 520093695 {FIRST}"]),
        ("ios_libwebrtc_offer", [f"a=candidate:1 1 udp 50331647 {FIRST} ufrag Fv3h"]),
        ("safari_answer", [f"a=candidate:1 1 udp 50331647 {FIRST}"]),
        ("sip_phone_offer", [f"a=candidate:1 1 udp 16777215 {FIRST}"]),
    ],
)  # fmt: skip
def test_only_the_legs_relayed_addresses_are_candidates(name: str, expected: list[str]) -> None:
    assert _candidates(_rebuilt(name)) == expected


def test_every_stack_has_a_row_above() -> None:
    (mark,) = test_only_the_legs_relayed_addresses_are_candidates.pytestmark  # type: ignore[attr-defined]  # set by the decorator
    assert sorted(row[0] for row in mark.args[1]) == ACCEPTED


@pytest.mark.parametrize("name", ACCEPTED)
def test_without_known_relayed_addresses_there_is_no_candidate(name: str) -> None:
    assert _candidates(rebuild(sample(name), LegDescription()).sdp) == []


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_names_addresses_is_constant(name: str) -> None:
    lines = _rebuilt(name).split("\r\n")
    version = re.search(r"^o=\S+ \S+ (\d+)", sample(name), re.M)
    assert version
    assert lines[:4] == ["v=0", f"o=- 1 {version[1]} IN IP4 0.0.0.0", "s=-", "t=0 0"]
    media = [line.split(" ") for line in lines if line.startswith("m=")]
    rtp = [fields for fields in media if "RTP" in fields[2]]
    assert set(_destinations(lines)) - {NOWHERE, REJECTED} == _DEFAULTS.get(name, set())
    assert sum(line.startswith("c=") for line in lines) == len(media)
    assert 0 < lines.count("a=rtcp-mux") <= len(rtp)
    assert {line[0] for line in lines if line} <= set("vostcmab")


def _destinations(lines: list[str]) -> list[tuple[str, str]]:
    """Port and address of every section and of every `a=rtcp`."""
    ports = [line.split(" ")[1] for line in lines if line.startswith("m=")]
    hosts = [line.split(" ")[2] for line in lines if line.startswith("c=")]
    rtcp = [line.removeprefix("a=rtcp:").split(" ") for line in lines if line.startswith("a=rtcp:")]
    return [*zip(ports, hosts, strict=True), *((each[0], each[3]) for each in rtcp)]


FINGERPRINT = f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}\r\na=setup:actpass\r\n"
NOWHERE, REJECTED = ("9", "0.0.0.0"), ("0", "0.0.0.0")  # noqa: S104  no socket
_DEFAULTS = {
    "aiortc_offer": {("50000", "192.0.2.1"), ("50002", "192.0.2.1")},
    "sip_phone_offer": {("50000", "192.0.2.1")},
}
"""Of clients that do not trickle: the first candidate of each section (RFC 8839 section 4.2.5)."""


@pytest.mark.parametrize("level", ["session", "section"])
def test_without_ice_the_default_destination_stays_if_it_is_the_legs_relayed_address(
    level: str,
) -> None:
    media = "m=audio {} UDP/TLS/RTP/SAVP 0\r\n"
    connection = "c=IN IP4 {}\r\n"
    lines = [connection, media] if level == "session" else [media, connection]
    head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"
    text = head + "".join(lines) + FINGERPRINT

    def destination(host: str, port: int) -> tuple[str, str]:
        filled = text.replace("IP4 {}", f"IP4 {host}").replace("audio {}", f"audio {port}")
        return _destinations(rebuild(filled, LEG).sdp.split("\r\n"))[0]

    assert destination("192.0.2.1", 50000) == ("50000", "192.0.2.1")
    assert destination("192.0.2.1", 50009) == NOWHERE
    assert destination("198.51.100.7", 50000) == NOWHERE
    assert destination("a.host.example", 50000) == NOWHERE


@pytest.mark.parametrize("level", ["session", "section"])
def test_who_may_trickle_is_told_no_default_destination(level: str) -> None:
    at = "t=0 0\r\n" if level == "session" else "a=mid:0\r\n"
    assert at in sample("aiortc_offer")
    text = sample("aiortc_offer").replace(at, f"{at}a=ice-options:trickle\r\n")
    first, *_ = _destinations(rebuild(text, LEG).sdp.split("\r\n"))
    assert first == NOWHERE


def test_one_cname_stays_one_and_two_stay_two() -> None:
    rebuilt = _rebuilt("firefox_offer")
    assert re.findall(r"cname:(\S+)", rebuilt) == ["callveil-0"] * 3
    other = sample("firefox_offer").replace(
        "a=ssrc:3186014021 cname:{69b4b75e", "a=ssrc:3186014021 cname:{70b4b75e"
    )
    names = re.findall(r"cname:(\S+)", rebuild(other, LEG).sdp)
    assert names == ["callveil-0", "callveil-0", "callveil-1"]


def test_ids_of_streams_are_kept_unless_a_host_could_be_in_them() -> None:
    kept = re.findall(r"msid:\S+ \S+", sample("chromium_offer"))
    assert re.findall(r"msid:\S+ \S+", _rebuilt("chromium_offer")) == kept
    assert set(re.findall(r"msid:(\S+ \S+)", _rebuilt("gstreamer_offer"))) == {
        "callveil-stream-0 webrtctransceiver0",
        "callveil-stream-0 webrtctransceiver1",
    }


def test_what_was_removed_is_counted_by_kind_without_a_value() -> None:
    removed = rebuild(sample("sip_phone_offer"), LEG).removed
    assert {each.kind: each.count for each in removed} == {
        RemovedKind.ORIGIN: 1,
        RemovedKind.SESSION_TEXT: 6,
        RemovedKind.CONNECTION: 2,
        RemovedKind.TIMING: 3,
        RemovedKind.KEY: 1,
        RemovedKind.ATTRIBUTE: 8,
        RemovedKind.PARAMETER: 1,
        RemovedKind.CANDIDATE_HOST: 3,
        RemovedKind.CANDIDATE_SRFLX: 1,
        RemovedKind.CANDIDATE_NAME: 1,
        RemovedKind.CANDIDATE_DETAIL: 1,
        RemovedKind.CANDIDATE_RTCP: 1,
        RemovedKind.REMOTE_CANDIDATES: 1,
        RemovedKind.RTCP: 1,
        RemovedKind.PORT: 2,
    }
    assert leaks(repr(removed)) == []


def test_a_description_of_a_ringing_call_has_no_candidates_and_gives_them_back_apart() -> None:
    ringing = LegDescription([("192.0.2.1", 50000), ("192.0.2.1", 50002)], ringing=True)
    rebuilt = rebuild(sample("aiortc_offer"), ringing)
    assert _candidates(rebuilt.sdp) == []
    assert "end-of-candidates" not in rebuilt.sdp
    assert [tuple(each) for each in rebuilt.held] == [
        (f"candidate:1 1 udp 16777215 {FIRST}", "0", 0),
        (f"candidate:2 1 udp 16776959 {SECOND}", "1", 1),
    ]
    assert rebuild(sample("aiortc_offer"), LEG).held == ()


def test_an_unmasked_partys_candidates_stay_and_the_rest_is_rebuilt_all_the_same() -> None:
    rebuilt = rebuild(sample("firefox_offer"), LegDescription(masked=False)).sdp
    theirs = _candidates(sample("firefox_offer"))
    assert _candidates(rebuilt) == [each for each in theirs if ".local" not in each]
    assert "c=IN IP4 0.0.0.0\r\n" in rebuilt
    assert "SDPARTA" not in rebuilt


@pytest.mark.parametrize("name", ACCEPTED)
def test_line_ends_of_either_kind_are_read(name: str) -> None:
    assert rebuild(sample(name).replace("\r\n", "\n").rstrip(), LEG).sdp == _rebuilt(name)
