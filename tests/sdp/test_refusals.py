"""What is refused, and that the refusal says where and what, never what stood there."""

import pytest

from relay.errors import CallError
from relay.sdp import MAX_BYTES, LegDescription, Removed, RemovedKind, rebuild
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
        ("m=audio 9 RTP/AVP 0\r\n", "Line 5: The media would not be encrypted. Use DTLS-SRTP."),
        (f"m=audio 9 RTP/AVPF 0\r\n{FINGERPRINT}",
         "Line 5: The media would not be encrypted. Use DTLS-SRTP."),
        ("m=audio 9 RTP/SAVP 0\r\n", "Line 5: The media would not be encrypted. Use DTLS-SRTP."),
        ("m=audio 9 RTP/SAVPF 0\r\na=fingerprint:sha-256 AB\r\n",
         "Line 5: The media would not be encrypted. Use DTLS-SRTP."),
        (f"{AUDIO}{FINGERPRINT}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n",
         "Line 7: Whoever reads this description has the media key in it. Use DTLS-SRTP."),
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
        ("", "A description must begin with the lines v=0 and o=."),
        ("v=0\r\n", "A description must begin with the lines v=0 and o=."),
        (HEAD.replace("v=0", "v=1"), "A description must begin with the lines v=0 and o=."),
        (HEAD[5:], "A description must begin with the lines v=0 and o=."),
        (AUDIO + HEAD, "A description must begin with the lines v=0 and o=."),
        (HEAD.replace("- 1 1", "- 1"), "Line 2: The origin must have six fields."),
        (HEAD.replace("- 1 1", "- 1 x"), "Line 2: The origin must have six fields."),
        (f"{HEAD}10.77.31.9\r\n",
         "Line 5: A line must begin with a letter from a to z and an equals sign."),
        (f"{HEAD}A=10.77.31.9\r\n",
         "Line 5: A line must begin with a letter from a to z and an equals sign."),
        (f"{HEAD}m=10.77.31.9 9 UDP/TLS/RTP/SAVPF 0\r\n",
         "Line 5: The relay does not understand this m= line."),
        (f"{HEAD}m=audio 9 UDP/TLS/RTP/SAVPF 10.77.31.9\r\n",
         "Line 5: The relay does not understand this m= line."),
        (f"{HEAD}m=audio 9 tcp 0\r\n", "Line 5: The relay does not carry this transport."),
        (f"{HEAD}m=audio 0 carrier 0\r\n", "Line 5: The relay does not know this transport."),
        (f"{HEAD}{AUDIO}a=mid:10.77.31.9\r\n",
         "Line 6: A mid must have 1 to 64 letters, digits or any of _+-."),
        (f"{HEAD}a=x{'y' * MAX_LINE_CHARACTERS}\r\n",
         f"Line 5: A line may have at most {MAX_LINE_CHARACTERS} characters."),
        (HEAD + AUDIO * (MAX_SECTIONS + 1),
         f"Line {5 + MAX_SECTIONS}: A description may have at most {MAX_SECTIONS} media sections."),
        (HEAD + "a=x\r\n" * MAX_LINES, f"A description may have at most {MAX_LINES} lines."),
        (HEAD + "a=" + "x" * MAX_BYTES, f"A description may have at most {MAX_BYTES} bytes."),
        (HEAD + "a=" + "\u00fc" * (MAX_BYTES // 2),
         f"A description may have at most {MAX_BYTES} bytes."),
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
    assert Removed(RemovedKind.ATTRIBUTE, 1) in rebuilt.removed


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
    assert (
        _refusal(HEAD + AUDIO + one * 10_000).detail
        == f"A description may have at most {MAX_BYTES} bytes."
    )
    many = HEAD + AUDIO + one * 5_000
    assert rebuild(many, LEG).sdp.count("a=candidate") == 1
