"""Descriptions as text, in JSON of any shape, and anything else."""

import json
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.tools.audit.capture_file import Unreadable
from relay.tools.audit.descriptions import candidates, fingerprints, place, read

_PRINT = ":".join(["AB"] * 32)
_LATE = "candidate:1 1 udp 1 10.0.0.1 9 typ host"
SDP = (
    "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\n"
    f"a=fingerprint:sha-256 {_PRINT}\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
    "a=candidate:1 1 udp 2130706431 192.168.17.5 40000 typ host\r\n"
    "a=candidate:2 1 udp 1 198.51.100.23 40000 typ srflx raddr 192.168.17.5 rport 40000\r\n"
    "a=candidate:3 1 udp 1 192.0.2.78 50000 typ relay raddr 198.51.100.24 rport 40000\r\n"
    "a=candidate:4 1 udp 1 7e1f.local 40000 typ host\r\n"
)


@pytest.mark.parametrize(
    ("data", "authors"),
    [
        (SDP, [""]),
        ("candidate:1 1 udp 1 10.0.0.1 9 typ host", [""]),
        (json.dumps({"type": "offer", "sdp": SDP}), [""]),
        (json.dumps({"from": "bob", "sdp": SDP, "other": "v=1"}), ["bob"]),
        (json.dumps([{"from": "bob", "body": {"sdp": SDP}}, {"sdp": SDP}]), ["bob", ""]),
        (json.dumps({"log": [{"value": f"type: offer, sdp: {SDP}"}]}), [""]),
        (json.dumps({"log": [{"value": f"type: offer, sdp: {SDP.partition('a=cand')[0]}"}]}), [""]),
        (
            json.dumps({"log": [{"value": f"sdpMLineIndex: 0, candidate: {_LATE}"}]}),
            [""],
        ),
        (json.dumps({"log": [{"value": json.dumps({"type": "offer", "sdp": SDP})}]}), [""]),
        (json.dumps([json.dumps({"from": "bob", "candidate": _LATE}), "{", "[1"]), ["bob"]),
        (json.dumps({"candidate": "candidate:1 1 udp 1 10.0.0.1 9 typ host"}), [""]),
    ],
)
def test_a_description_is_found(data: str, authors: list[str]) -> None:
    found = [each for each in read(data.encode()) if not each.is_around]
    assert [each.author for each in found] == authors


def test_what_stands_around_descriptions_is_read_too_by_author() -> None:
    document = [
        {"from": "bob", "sdp": SDP, "stats": {"ip": "198.51.100.23", "as_number": 3325256727}},
        {"stats": [True, None, "2001:db8::1"]},
    ]
    around = {
        each.author: each.text.split("\n") for each in read(json.dumps(document).encode())[1:]
    }
    assert {"198.51.100.23", "3325256727", "as_number"} <= set(around["bob"])
    assert "2001:db8::1" in around[""]


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"{}", b'{"sdp": ""}', b"[" * 100_000, b"{", b"\xff\xfe\x00", b"[1e999]"],
)
def test_what_is_none_is_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable):
        read(data)


def test_candidates_are_the_partys_own_or_relayed() -> None:
    found = candidates(SDP)
    own = {"192.168.17.5", "198.51.100.23", "198.51.100.24"}
    assert found.own == {ip_address(each) for each in own}
    assert found.relayed == {ip_address("192.0.2.78")}
    assert candidates("candidate:1 1 udp 1 1.2.3.4 9 typ relay raddr 0.0.0.0 rport 9").own == set()


def test_fingerprints_are_read() -> None:
    assert fingerprints(SDP) == {b"\xab" * 32}


def test_a_place_is_the_line_and_its_kind() -> None:
    data = SDP.encode()
    assert place(data, data.index(b"192.168")) == (6, "a=candidate")
    assert place(data, data.index(b"IP4")) == (2, "o=")
    assert place(b"\x00", 0) == (1, "a line")


@given(
    st.one_of(st.binary(), st.text().map(str.encode)), st.sampled_from([b"", b"v=0\n", b"{", b"["])
)
def test_any_bytes_are_descriptions_or_unreadable(data: bytes, head: bytes) -> None:
    try:
        found = read(head + data)
    except Unreadable:
        return
    for description in found:
        candidates(description.text)
        fingerprints(description.text)
        place(description.data, len(description.data) // 2)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.just(SDP),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("from"), inner),
)


@given(_JSON)
def test_json_of_any_shape_is_read(document: object) -> None:
    text = json.dumps(document)
    if text.lstrip()[:1] in ("{", "[") and SDP in _strings(document):
        assert read(text.encode())


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _strings(each)]
    if isinstance(value, list):
        return [text for each in value for text in _strings(each)]
    return [value] if isinstance(value, str) else []
