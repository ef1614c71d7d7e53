"""What is refused, and that the refusal says where and what, never what stood there."""

import pytest

from relay.errors import CallError
from relay.sdp import MAX_BYTES, Kind, LegDescription, Removed, rebuild
from relay.sdp.lines import MAX_LINE_CHARACTERS, MAX_LINES
from relay.sdp.rebuilding import MAX_SECTIONS
from tests.sdp.samples import LEG, REFUSED, leaks, sample

HEAD = "v=0\r\no=- 1 1 IN IP4 10.77.31.9\r\ns=-\r\nt=0 0\r\n"
AUDIO = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
FINGERPRINT = f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}\r\n"


def _refusal(text: str, leg: LegDescription = LEG) -> CallError:
    with pytest.raises(CallError) as refused:
        rebuild(text, leg)
    assert leaks(f"{refused.value} {refused.value.detail}") == []
    return refused.value


def test_the_smallest_description_is_accepted() -> None:
    assert rebuild(HEAD, LEG).sdp == HEAD.replace("10.77.31.9", "0.0.0.0")  # noqa: S104  no socket
    rebuild(HEAD + AUDIO, LEG)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("masked", [True, False])
def test_media_in_the_clear_is_refused_whoever_is_masked(name: str, masked: bool) -> None:
    assert _refusal(sample(name), LegDescription(masked=masked)).kind == "plain_media"


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("m=audio 9 RTP/AVP 0\r\n", "line 5: media without DTLS-SRTP."),
        (f"m=audio 9 RTP/AVPF 0\r\n{FINGERPRINT}", "line 5: media without DTLS-SRTP."),
        ("m=audio 9 RTP/SAVP 0\r\n", "line 5: media without DTLS-SRTP."),
        ("m=audio 9 RTP/SAVPF 0\r\na=fingerprint:sha-256 AB\r\n",
         "line 5: media without DTLS-SRTP."),
        (f"{AUDIO}{FINGERPRINT}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n",
         "line 7: a media key, which whoever reads this has."),
    ],
)  # fmt: skip
def test_media_that_somebody_else_could_read_is_refused(text: str, detail: str) -> None:
    refusal = _refusal(HEAD + text)
    assert (refusal.kind, refusal.detail) == ("plain_media", detail)


@pytest.mark.parametrize("where", ["section", "head"])
def test_media_with_a_fingerprint_is_not_plain_whatever_its_transport_is_called(where: str) -> None:
    parts = [HEAD, "m=audio 9 RTP/SAVPF 0\r\n"]
    parts.insert(2 if where == "section" else 1, FINGERPRINT)
    assert FINGERPRINT in rebuild("".join(parts), LEG).sdp


def test_a_section_without_a_port_that_is_bundled_is_no_rejected_one() -> None:
    bundled = "m=audio 0 {} 0\r\nc=IN IP4 0.0.0.0\r\n{}a=bundle-only\r\n"
    assert _refusal(HEAD + bundled.format("RTP/AVP", "")).kind == "plain_media"
    muxed = bundled.format("UDP/TLS/RTP/SAVPF", "a=rtcp:9 IN IP4 0.0.0.0\r\na=rtcp-mux\r\n")
    assert rebuild(HEAD + muxed, LEG).sdp.endswith(muxed)


def test_a_section_that_is_rejected_may_have_been_anything() -> None:
    rejected = "m=audio 0 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"
    assert rebuild(HEAD + rejected, LEG).sdp.endswith(rejected)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "It does not begin with v=0 and an origin."),
        ("v=0\r\n", "It does not begin with v=0 and an origin."),
        (HEAD.replace("v=0", "v=1"), "It does not begin with v=0 and an origin."),
        (HEAD[5:], "It does not begin with v=0 and an origin."),
        (AUDIO + HEAD, "It does not begin with v=0 and an origin."),
        (HEAD.replace("- 1 1", "- 1"), "line 2: an origin of six fields is expected."),
        (HEAD.replace("- 1 1", "- 1 x"), "line 2: an origin of six fields is expected."),
        (f"{HEAD}10.77.31.9\r\n", "line 5: a letter and an equals sign are expected."),
        (f"{HEAD}A=10.77.31.9\r\n", "line 5: a letter and an equals sign are expected."),
        (f"{HEAD}m=10.77.31.9 9 UDP/TLS/RTP/SAVPF 0\r\n",
         "line 5: media that is not understood."),
        (f"{HEAD}m=audio 9 UDP/TLS/RTP/SAVPF 10.77.31.9\r\n",
         "line 5: media that is not understood."),
        (f"{HEAD}m=audio 9 tcp 0\r\n", "line 5: a transport that is not relayed."),
        (f"{HEAD}m=audio 0 carrier 0\r\n", "line 5: a transport that is not known."),
        (f"{HEAD}{AUDIO}a=mid:10.77.31.9\r\n",
         "line 6: a mid of letters and digits is expected."),
        (f"{HEAD}a=x{'y' * MAX_LINE_CHARACTERS}\r\n",
         f"line 5: at most {MAX_LINE_CHARACTERS} characters are taken."),
        (HEAD + AUDIO * (MAX_SECTIONS + 1),
         f"line {5 + MAX_SECTIONS}: at most {MAX_SECTIONS} media sections are taken."),
        (HEAD + "a=x\r\n" * MAX_LINES, f"At most {MAX_LINES} lines are taken."),
        (HEAD + "a=" + "x" * MAX_BYTES, f"At most {MAX_BYTES} bytes are taken."),
        (HEAD + "a=" + "\u00fc" * (MAX_BYTES // 2), f"At most {MAX_BYTES} bytes are taken."),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_what_is_wrong(text: str, detail: str) -> None:
    refusal = _refusal(text)
    assert (refusal.kind, refusal.detail) == ("bad_description", detail)


@pytest.mark.parametrize(
    ("head", "section"),
    [
        ("a=ssrc:1 cname:x\r\n", ""),
        ("a=mid:0\r\n", ""),
        ("a=rtpmap:0 PCMU/8000\r\n", ""),
        ("", "a=group:BUNDLE 0\r\n"),
        ("", "a=ice-lite\r\n"),
    ],
)
def test_an_attribute_that_stands_where_it_may_not_is_dropped(head: str, section: str) -> None:
    rebuilt = rebuild(HEAD + head + AUDIO + section, LEG)
    assert rebuilt.sdp == rebuild(HEAD + AUDIO, LEG).sdp
    assert Removed(Kind.ATTRIBUTE, 1) in rebuilt.removed


@pytest.mark.parametrize(
    "line",
    [
        "a=fmtp:96 minptime=\u0661\u0660",
        "a=fmtp:9\u0666 minptime=10",
        "a=rtpmap:9\u0666 opus/48000",
        "a=extmap:\u0661 urn:ietf:params:rtp-hdrext:toffset",
        "a=ssrc:\u0661 cname:x",
        "a=ssrc-group:FID \u0661",
        "a=sctp-port:\u0661",
        "b=AS:\u0661",
    ],
)
def test_digits_of_other_scripts_are_no_digits(line: str) -> None:
    assert rebuild(f"{HEAD}{AUDIO}{line}\r\n", LEG).sdp == rebuild(HEAD + AUDIO, LEG).sdp


def test_as_many_lines_and_sections_as_are_taken_are_taken() -> None:
    assert len(rebuild(HEAD + AUDIO * MAX_SECTIONS, LEG).sdp.split("m=audio")) == MAX_SECTIONS + 1
    most = HEAD + "a=x\r\n" * (MAX_LINES - 4)
    assert rebuild(most, LEG).removed[-1].count == MAX_LINES - 4


def test_ten_thousand_candidates_are_refused_and_eight_thousand_leave_one() -> None:
    one = "a=candidate:1 1 udp 1 192.0.2.1 50000 typ relay\r\n"
    assert _refusal(HEAD + AUDIO + one * 10_000).detail == f"At most {MAX_BYTES} bytes are taken."
    many = HEAD + AUDIO + one * 5_000
    assert rebuild(many, LEG).sdp.count("a=candidate") == 1
