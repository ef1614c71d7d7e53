"""ICE candidates: the leg's own relayed addresses survive, written anew; nothing else does.

Rules of this file: a candidate that survives is composed of the relay's own address, a number and
constants. `raddr` and `rport` are constants rather than gone, since Firefox takes no candidate but
a host's without them. Of the priority the type preference stays, by which a client ranks UDP above
TCP towards the relay; the local preference, which says what network it is on, does not. Those of a
party that is not masked stay as they are; but nobody is made to look up a name.
"""

import re
from typing import NamedTuple

from relay.address import PeerAddress
from relay.sdp.leg import LegDescription, Relayed
from relay.sdp.removal import Kind, Removed, Tally

MAX_CANDIDATE_CHARACTERS = 1024

_ICE_CHARS = r"[A-Za-z0-9+/]"
_LINE = re.compile(
    rf"candidate:({_ICE_CHARS}{{1,64}}) (\d{{1,3}}) (\S{{1,16}}) (\d{{1,10}})"
    r" (\S{1,255}) (\d{1,5}) typ (\S{1,16})((?: \S+)*)",
    re.ASCII,
)
_KEPT_AS_IT_IS = re.compile(r"candidate:[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_UFRAG = re.compile(rf"{_ICE_CHARS}{{4,256}}")
_BY_TYPE = {
    "host": Kind.CANDIDATE_HOST,
    "srflx": Kind.CANDIDATE_SRFLX,
    "prflx": Kind.CANDIDATE_PRFLX,
    "relay": Kind.CANDIDATE_RELAY,
}
_RTP = 1  # component id, RFC 8839 section 5.1
_HIGHEST_LOCAL_PREFERENCE = 65_535  # RFC 8445 section 5.1.2.1
_HOST_TYPE_PREFERENCE = 126  # RFC 8445 section 5.1.2.2
_RELATED = "raddr 0.0.0.0 rport 9"


class RebuiltCandidate(NamedTuple):
    """One candidate after rebuilding.

    Args:
        candidate: as `RTCIceCandidateInit.candidate` takes it, `candidate:…`; empty where the
            client says that no more will come; None where it was dropped.
        removed: what is not in it any more.
    """

    candidate: str | None
    removed: tuple[Removed, ...]


def rebuild_candidate(candidate: str, leg: LegDescription) -> RebuiltCandidate:
    """Rebuild one trickled candidate.

    Args:
        candidate: `candidate:…`, with or without `a=` before it; empty for the end of candidates.
    Raises: nothing: what is not understood is dropped.
    Spec: RFC 8839 section 5.1.
    """
    text = candidate.strip().removeprefix("a=")
    if not text:
        return RebuiltCandidate("", ())
    tally = Tally()
    return RebuiltCandidate(rewrite(text, leg, tally), tally.removed())


def rewrite(text: str, leg: LegDescription, tally: Tally) -> str | None:
    """The candidate as it may be passed on; None where it may not."""
    if len(text) > MAX_CANDIDATE_CHARACTERS:
        tally.add(Kind.CANDIDATE_UNREADABLE)
        return None
    parts = _LINE.fullmatch(" ".join(text.split()))
    if parts is None or not (leg.masked or _KEPT_AS_IT_IS.fullmatch(text)):
        tally.add(Kind.CANDIDATE_UNREADABLE)
        return None
    kept = _kept(parts, leg) if leg.masked else _refused(parts[5])
    if isinstance(kept, Kind):
        tally.add(kept)
        return None
    rewritten = _written(parts, kept) if kept else text
    return tally.constant(Kind.CANDIDATE_DETAIL, text, rewritten)


def _refused(host: str) -> Kind | None:
    """As what a candidate is dropped whose party is not masked; None for one that is kept.

    What may have to be looked up is not: whoever answers would learn who asks.
    """
    return _name(host) or (Kind.CANDIDATE_NAME if "%" in host else None)


def _name(host: str) -> Kind | None:
    """What sort of name this is; None for an address."""
    if host.lower().endswith(".local"):
        return Kind.CANDIDATE_MDNS
    try:
        PeerAddress.parse(host, 0)
    except ValueError:
        return Kind.CANDIDATE_NAME
    return None


def _kept(parts: re.Match[str], leg: LegDescription) -> Relayed | Kind:
    """The relayed address that the candidate names, or as what it is dropped."""
    _, component, transport, _, host, port, kind, _ = parts.groups()
    if transport.lower() != "udp":
        return Kind.CANDIDATE_TCP
    named = _name(host)
    if named is not None:
        return named
    relayed = leg.relayed(host, int(port))
    if relayed is None:
        return _BY_TYPE.get(kind, Kind.CANDIDATE_UNREADABLE)
    return relayed if int(component) == _RTP else Kind.CANDIDATE_RTCP


def _written(parts: re.Match[str], relayed: Relayed) -> str:
    local_preference = _HIGHEST_LOCAL_PREFERENCE + 1 - relayed.number
    type_preference = int(parts[4]) >> 24
    if parts[7] != "relay" or type_preference >= _HOST_TYPE_PREFERENCE:
        type_preference = 0
    # RFC 8445 section 5.1.2.1
    priority = (type_preference << 24) + (local_preference << 8) + 256 - _RTP
    return (
        f"candidate:{relayed.number} {_RTP} udp {priority} {relayed.host} {relayed.port}"
        f" typ relay {_RELATED}{_ufrag_of(parts[8])}"
    )


def _ufrag_of(extensions: str) -> str:
    """The one extension that is kept: which ICE generation a late candidate belongs to."""
    words = extensions.split()
    for name, value in zip(words[::2], words[1::2], strict=False):
        if name == "ufrag" and _UFRAG.fullmatch(value):
            return f" ufrag {value}"
    return ""
