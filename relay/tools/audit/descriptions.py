"""Reads session descriptions and candidates from a file: text, or strings anywhere in JSON.

Rules of this file: it takes any bytes. What is neither raises Unreadable; nothing else is raised.
"""

import ipaddress
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from relay.tools.audit.capture_file import Unreadable
from relay.tools.audit.spellings import IP

MAX_BYTES = 16 * 1024 * 1024
"""The largest file that is read; `chrome://webrtc-internals` saves that much in an hour."""

_CANDIDATE = re.compile(
    r"candidate:\S+ \d+ \S+ \d+ (?P<host>\S+) \d+ typ (?P<type>\S+)"
    r"(?: raddr (?P<related>\S+))?",
    re.ASCII | re.IGNORECASE,
)
_FINGERPRINT = re.compile(
    r"^a=fingerprint:sha-256 ((?:[0-9a-f]{2}:){31}[0-9a-f]{2})[ \t\r]*$", re.M | re.I
)
_DESCRIPTION = re.compile(r"(?:^|[ \t,])v=0[ \t\r]*$|(?:^|[ \t,=])candidate:\S", re.MULTILINE)
"""Where a description or candidate begins, also within a sentence: `type: offer, sdp: v=0…` and
`sdpMid: 0, candidate: candidate:…` are how `chrome://webrtc-internals` writes them."""
_LINE = re.compile(rb"a=[a-zA-Z0-9-]{1,40}|[a-z]=|candidate(?=:)")


class Description(NamedTuple):
    """One session description or candidate, or what else stood in JSON around them.

    Args:
        data: the bytes as they stand in the file; of what stood around, a line for each value.
        author: the party that wrote it, where JSON says `"from"`.
        is_around: this is not a description, and is searched all the same.
    """

    data: bytes
    author: str = ""
    is_around: bool = False

    @property
    def text(self) -> str:
        """The description as text."""
        return self.data.decode(errors="replace")


def read(data: bytes) -> list[Description]:
    """Find the descriptions of a file, in order.

    Raises: Unreadable, if there is none. Nothing else.
    """
    if data.lstrip()[:1] in (b"{", b"["):
        found = list(_in_json(data))
    else:
        found = [Description(data)] if _DESCRIPTION.search(data.decode(errors="replace")) else []
    if all(each.is_around for each in found):
        raise Unreadable("neither a capture (pcap, pcapng) nor a session description (SDP, JSON)")
    return found


def _in_json(data: bytes) -> Iterator[Description]:
    """Yield every string that is a description or candidate; then, by author, all other values."""
    whole = _parsed(data)
    if whole is None:
        raise Unreadable("the file begins like JSON and is not JSON")
    around: dict[str, list[str]] = {}
    waiting: list[tuple[Any, str]] = [(whole, "")]
    while waiting:
        value, author = waiting.pop()
        if isinstance(value, dict):
            author = value["from"] if isinstance(value.get("from"), str) else author
            around.setdefault(author, []).extend(value)
            waiting += [(each, author) for each in reversed(list(value.values()))]
        elif isinstance(value, list):
            waiting += [(each, author) for each in reversed(value)]
        elif isinstance(value, str):
            inner = _parsed(value) if value[:1] in ("{", "[") else None
            if inner is not None:
                waiting.append((inner, author))
            elif _DESCRIPTION.search(value):
                yield Description(_encoded(value), author)
            else:
                around.setdefault(author, []).append(value)
        elif isinstance(value, int):
            around.setdefault(author, []).append(str(value))
    for author, values in around.items():
        yield Description(_encoded("\n".join(values)), author, is_around=True)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _parsed(text: bytes | str) -> Any:
    """Parse JSON; None where it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


class Candidates(NamedTuple):
    """The addresses that candidates name: the party's own ones, and relayed ones."""

    own: set[IP]
    relayed: set[IP]


def candidates(text: str) -> Candidates:
    """Read the addresses of every candidate. A host name is skipped."""
    found = Candidates(set(), set())
    for match in _CANDIDATE.finditer(text):
        is_relayed = match["type"].lower() == "relay"
        _add(found.relayed if is_relayed else found.own, match["host"])
        if match["related"]:
            _add(found.own, match["related"])
    return Candidates(found.own - found.relayed, found.relayed)


def _add(addresses: set[IP], text: str) -> None:
    with suppress(ValueError):
        ip = ipaddress.ip_address(text.partition("%")[0])
        if not ip.is_unspecified:
            addresses.add(ip)


def fingerprints(text: str) -> set[bytes]:
    """Find the SHA-256 of every certificate that a description announces (RFC 8122 section 5)."""
    return {bytes.fromhex(found.replace(":", "")) for found in _FINGERPRINT.findall(text)}


def place(data: bytes, offset: int) -> tuple[int, str]:
    """Find the number, from 1, and the kind of the line at an offset."""
    start = data.rfind(b"\n", 0, offset) + 1
    kind = _LINE.match(data, start)
    return data.count(b"\n", 0, offset) + 1, "a line" if kind is None else kind[0].decode()
