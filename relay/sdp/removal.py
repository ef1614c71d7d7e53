"""Counts what was removed from a description: kinds and numbers, never a value."""

from dataclasses import dataclass
from enum import Enum


class RemovedKind(Enum):
    """What the relay has removed, or replaced by a constant."""

    ORIGIN = "origin"
    """User name, id or address in `o=`."""
    CONNECTION = "connection"
    PORT = "port"
    RTCP = "rtcp"
    SESSION_TEXT = "session_text"
    """`s= i= u= e= p=`: names, mail addresses, telephone numbers."""
    TIMING = "timing"
    KEY = "key"
    """`k=`, a media key in clear text."""
    BANDWIDTH = "bandwidth"
    CNAME = "cname"
    STREAM_ID = "stream_id"
    ATTRIBUTE = "attribute"
    """An attribute that is not on the allow list, or stood where it may not."""
    VALUE = "value"
    """A known attribute whose value the relay does not understand."""
    PARAMETER = "parameter"
    """A part of `fmtp`, `rid`, `extmap`, `group` or `ice-options` that is not on its list."""
    REMOTE_CANDIDATES = "remote_candidates"
    CANDIDATE_HOST = "candidate_host"
    CANDIDATE_SRFLX = "candidate_srflx"
    CANDIDATE_PRFLX = "candidate_prflx"
    CANDIDATE_RELAY = "candidate_relay"
    """A relay candidate whose address is none of this leg's relayed addresses."""
    CANDIDATE_TCP = "candidate_tcp"
    CANDIDATE_MDNS = "candidate_mdns"
    CANDIDATE_NAME = "candidate_name"
    """A candidate that names a host: looking the name up would tell that host who calls."""
    CANDIDATE_RTCP = "candidate_rtcp"
    """A candidate of a second component: RTCP shares the port of RTP."""
    CANDIDATE_DUPLICATE = "candidate_duplicate"
    CANDIDATE_UNREADABLE = "candidate_unreadable"
    CANDIDATE_DETAIL = "candidate_detail"
    """Foundation, preference, related address or extensions of a candidate that was kept."""


@dataclass(frozen=True, slots=True)
class Removed:
    """How many things of one kind were removed."""

    kind: RemovedKind
    count: int


class Tally:
    """Counts what is removed, in the order in which the kinds first occurred."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[RemovedKind, int] = {}

    def add(self, kind: RemovedKind) -> None:
        """Count one more of this kind."""
        self._counts[kind] = self._counts.get(kind, 0) + 1

    def constant(self, kind: RemovedKind, was: str, becomes: str) -> str:
        """Return `becomes`, and count one of this kind if something else stood there."""
        if was != becomes:
            self.add(kind)
        return becomes

    def removed(self) -> tuple[Removed, ...]:
        """List the counts."""
        return tuple(Removed(kind, count) for kind, count in self._counts.items())
