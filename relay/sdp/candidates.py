"""Rebuilds ICE candidates: keeps those with a relayed address of the leg, and drops the others.

Rules of this file: a kept candidate is composed of a relayed address, a number and constants.
`raddr` and `rport` are constants rather than left out, because without them Firefox takes host
candidates only. Of the priority, the type preference stays, by which a client ranks UDP above TCP
to the relay; the local preference, which tells the network that the client is on, does not.
Candidates of a party that is not masked stay as they are, except those that name a host: nobody
should have to look up a name.
"""

import re
from typing import NamedTuple

from relay.address import PeerAddress
from relay.sdp.leg import LegDescription, Relayed
from relay.sdp.removal import Removed, RemovedKind, Tally

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
    "host": RemovedKind.CANDIDATE_HOST,
    "srflx": RemovedKind.CANDIDATE_SRFLX,
    "prflx": RemovedKind.CANDIDATE_PRFLX,
    "relay": RemovedKind.CANDIDATE_RELAY,
}
_RTP = 1  # component id, RFC 8839 section 5.1
_HIGHEST_LOCAL_PREFERENCE = 65_535  # RFC 8445 section 5.1.2.1
_HOST_TYPE_PREFERENCE = 126  # RFC 8445 section 5.1.2.2
_RELATED = "raddr 0.0.0.0 rport 9"


class RebuiltCandidate(NamedTuple):
    """One candidate after rebuilding.

    Args:
        candidate: `candidate:…`, as `RTCIceCandidateInit.candidate` takes it; empty where the
            client says that no more will come; None where the candidate was dropped.
        removed: what was removed.
    """

    candidate: str | None
    removed: tuple[Removed, ...]


def rebuild_candidate(candidate: str, leg: LegDescription) -> RebuiltCandidate:
    """Rebuild one trickled candidate.

    Args:
        candidate: `candidate:…`, with or without `a=` before it; empty for the end of candidates.
    Raises: nothing. A candidate that is not understood is dropped.
    Spec: RFC 8839 section 5.1.
    """
    text = candidate.strip().removeprefix("a=")
    if not text:
        return RebuiltCandidate("", ())
    tally = Tally()
    return RebuiltCandidate(rewrite(text, leg, tally), tally.removed())


def rewrite(text: str, leg: LegDescription, tally: Tally) -> str | None:
    """Rewrite a candidate so that it may be passed on; None where it may not."""
    if len(text) > MAX_CANDIDATE_CHARACTERS:
        tally.add(RemovedKind.CANDIDATE_UNREADABLE)
        return None
    parts = _LINE.fullmatch(" ".join(text.split()))
    if parts is None or not (leg.masked or _KEPT_AS_IT_IS.fullmatch(text)):
        tally.add(RemovedKind.CANDIDATE_UNREADABLE)
        return None
    kept = _kept(parts, leg) if leg.masked else _refused(parts[5])
    if isinstance(kept, RemovedKind):
        tally.add(kept)
        return None
    rewritten = _written(parts, kept) if kept else text
    return tally.constant(RemovedKind.CANDIDATE_DETAIL, text, rewritten)


def _refused(host: str) -> RemovedKind | None:
    """Why a candidate of an unmasked party is dropped; None if it is kept.

    A candidate that names a host is dropped: whoever answers the look-up would learn who asks.
    """
    return _name(host) or (RemovedKind.CANDIDATE_NAME if "%" in host else None)


def _name(host: str) -> RemovedKind | None:
    """Which kind of host name this is; None for a numeric address."""
    if host.lower().endswith(".local"):
        return RemovedKind.CANDIDATE_MDNS
    try:
        PeerAddress.parse(host, 0)
    except ValueError:
        return RemovedKind.CANDIDATE_NAME
    return None


def _kept(parts: re.Match[str], leg: LegDescription) -> Relayed | RemovedKind:
    """Find the relayed address that a candidate names, or why the candidate is dropped."""
    _, component, transport, _, host, port, kind, _ = parts.groups()
    if transport.lower() != "udp":
        return RemovedKind.CANDIDATE_TCP
    named = _name(host)
    if named is not None:
        return named
    relayed = leg.relayed(host, int(port))
    if relayed is None:
        return _BY_TYPE.get(kind, RemovedKind.CANDIDATE_UNREADABLE)
    return relayed if int(component) == _RTP else RemovedKind.CANDIDATE_RTCP


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
    """Keep the one extension that tells which ICE generation a late candidate belongs to."""
    words = extensions.split()
    for name, value in zip(words[::2], words[1::2], strict=False):
        if name == "ufrag" and _UFRAG.fullmatch(value):
            return f" ufrag {value}"
    return ""
