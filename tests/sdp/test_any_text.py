"""Any text is rebuilt or refused; what is rebuilt names nobody and stays as it is."""

import ipaddress
import re
from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.errors import CallError
from relay.sdp import LegDescription, rebuild, rebuild_candidate
from relay.sdp.attributes import ALLOWED
from relay.tools.audit.spellings import spellings
from tests.sdp.samples import ACCEPTED, CANARIES, LEG, leaks, sample

HEAD = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n"
SECTION = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
LINES = sorted({line for name in ACCEPTED for line in sample(name).split("\r\n")})
TEXT_SPELLINGS = [
    spelling.core.decode()
    for address in CANARIES
    for spelling in spellings(ip_address(address))
    if "text" in spelling.name and spelling.core.isascii() and b"\0" not in spelling.core
    if any(mark in spelling.core for mark in (b".", b":", b"%"))
]
NAMES = st.sampled_from([*ALLOWED, "candidate", "rtcp", "tool", "cname", "x-unknown", "crypto"])
CANARY = st.sampled_from(TEXT_SPELLINGS)

JUNK_LINES = (
    st.sampled_from(LINES)
    | st.text(max_size=40)
    | st.builds("{}={}".format, st.sampled_from("vostcmabkiuepzr"), st.text(max_size=30))
    | st.builds("a={}:{}".format, NAMES, st.text(max_size=30))
)
SLICED = st.builds(
    lambda text, start, end: text[:start] + text[end:],
    st.sampled_from([sample(name) for name in ACCEPTED]),
    st.integers(0, 5_000),
    st.integers(0, 5_000),
)


def _rebuilt(text: str) -> str | None:
    """The rebuilt text; None where it is refused. Anything else is a fault."""
    try:
        return rebuild(text, LEG).sdp
    except CallError as refused:
        if refused.kind not in ("bad_description", "plain_media"):
            raise
        return None


@given(st.lists(JUNK_LINES, max_size=40).map("\r\n".join) | SLICED | st.text())
@example("v=0\no=- 1 1 IN IP4 0\nm=audio 9 UDP/TLS/RTP/SAVPF 0\na=rtpmap:0 \ud800/8000")
@example("v=0\no=- 1 1 IN IP4 0\nm=audio 9 UDP/TLS/RTP/SAVPF 0\na=rtpmap:\u0660 x/8000")
def test_any_text_is_rebuilt_or_refused_and_stays_as_it_is(text: str) -> None:
    for each in (text, HEAD + text, HEAD + SECTION + text):
        once = _rebuilt(each)
        if once is not None:
            assert _rebuilt(once) == once
            assert once.isascii()
            assert once.splitlines() == once.removesuffix("\r\n").split("\r\n")


@given(st.binary(max_size=400))
def test_any_bytes_read_as_text_are_rebuilt_or_refused(data: bytes) -> None:
    for encoding in ("latin-1", "utf-8"):
        _rebuilt(data.decode(encoding, "replace"))
        rebuild_candidate(data.decode(encoding, "replace"), LEG)


ATTRIBUTES = [
    line for line in LINES if line[:2] in ("a=", "b=", "c=", "i=") and not line.startswith("a=mid")
]


@given(
    st.lists(st.sampled_from(ATTRIBUTES), max_size=30),
    CANARY,
    st.data(),
)
def test_no_address_in_text_form_survives_wherever_it_stands(
    lines: list[str], canary: str, data: st.DataObject
) -> None:
    """In place of any word of any line of any stack: an address as one would write it."""
    for number, line in enumerate(lines):
        words = re.split(r"([ :;=,/])", line[2:])
        words[data.draw(st.integers(0, len(words) - 1))] = canary
        lines[number] = line[:2] + "".join(words)
    rebuilt = rebuild(HEAD + SECTION + "\r\n".join(lines), LEG).sdp
    assert canary not in rebuilt
    assert leaks(rebuilt) == []


@pytest.mark.parametrize("name", [*ALLOWED, "candidate", "rtcp", "remote-candidates", "unheard-of"])
@pytest.mark.parametrize("form", ["{}", "96 {}", "{} x", "1 cname:{}", "1 msid:{} {}", "96 x={}"])
def test_no_attribute_takes_an_address_for_its_value(name: str, form: str) -> None:
    for spelt in TEXT_SPELLINGS:
        for before in (HEAD, HEAD + SECTION):
            assert spelt not in (_rebuilt(f"{before}a={name}:{form.format(spelt, spelt)}") or "")


ADDRESSES = st.ip_addresses().map(str)
CANDIDATES = st.builds(
    "candidate:{} {} {} {} {} {} typ {} raddr {} rport {}{}".format,
    st.text("ab1/+", min_size=1, max_size=33),
    st.integers(0, 3),
    st.sampled_from(["udp", "UDP", "tcp", "ssltcp"]),
    st.integers(0, 2**32),
    ADDRESSES | st.sampled_from(["192.0.2.1", "::ffff:192.0.2.1", "host.local", "2001:db8::%1"]),
    st.sampled_from([50000, 50001, 9, 0, 65536]),
    st.sampled_from(["host", "srflx", "prflx", "relay", "x"]),
    ADDRESSES,
    st.integers(0, 65535),
    st.sampled_from(["", " generation 0", " ufrag abcd network-id 1", " odd"]),
)


@given(CANDIDATES | st.text(max_size=60))
def test_of_any_candidate_only_the_relays_address_survives(text: str) -> None:
    rebuilt = rebuild_candidate(text, LEG).candidate
    if not rebuilt:
        return
    fields = rebuilt.split(" ")
    named = [word for word in fields if _is_address(word)]
    assert named in (["192.0.2.1", "0.0.0.0"], ["2001:db8:ffff::1", "0.0.0.0"])  # noqa: S104  text
    assert rebuild_candidate(rebuilt, LEG).candidate == rebuilt
    assert rebuild_candidate(text, LegDescription()).candidate is None


def _is_address(word: str) -> bool:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return not word.isdecimal()
