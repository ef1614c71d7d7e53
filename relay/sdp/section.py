"""Rebuilds one media section: an `m=` line, and the lines up to the next one."""

import re
from collections.abc import Iterable
from typing import NamedTuple, Self

from relay.sdp import candidates
from relay.sdp.attributes import Level, Writing, rewrite
from relay.sdp.leg import LegDescription, Relayed
from relay.sdp.lines import Line, refusal
from relay.sdp.removal import RemovedKind

CONNECTION = "IN IP4 0.0.0.0"
"""With port 9, this means "see the candidates": RFC 8839 section 4.3.1, RFC 8840 section 4.1.1."""

_MEDIA = re.compile(
    r"(audio|video|application|text|image|message) (\d{1,5})(?:/\d{1,5})? ([A-Za-z/]{3,24})"
    r"((?: (?:\d{1,5}|webrtc-datachannel|t38|\*)){1,128})",
    re.ASCII,
)
_DTLS = frozenset(
    {
        *("UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "TCP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVP"),
        *("UDP/DTLS/SCTP", "TCP/DTLS/SCTP", "DTLS/SCTP"),
    }
)
_DTLS_IF_FINGERPRINTED = frozenset({"RTP/SAVPF", "RTP/SAVP"})
"""How clients wrote DTLS-SRTP before RFC 5764 section 9; without a fingerprint it means SDES."""
_PLAIN = frozenset({"RTP/AVP", "RTP/AVPF"})
_REJECTED_ONLY = frozenset({*_PLAIN, "udptl", "TCP/MSRP", "TCP/TLS/MSRP", "UDP/BFCP", "TCP/BFCP"})
_BANDWIDTH = re.compile(r"(?:AS|TIAS|CT|RS|RR):\d{1,10}", re.ASCII)


class HeldCandidate(NamedTuple):
    """A candidate that the relay holds until the call is accepted.

    Args:
        candidate: the rebuilt candidate, as `RTCIceCandidateInit.candidate` takes it.
        sdp_mid: the mid of its section, where that has one.
        sdp_m_line_index: the index of its section, from 0.
    """

    candidate: str
    sdp_mid: str | None
    sdp_m_line_index: int | None


class Destination(NamedTuple):
    """The default destination of a section's media: a port, and the value of a `c=` line."""

    port: str
    connection: str

    @classmethod
    def at(cls, host: str, port: str) -> Self:
        """Make the destination of a relayed transport address."""
        return cls(port, f"IN IP{6 if ':' in host else 4} {host}")

    @classmethod
    def first_of(cls, candidates: Iterable[str]) -> Self | None:
        """Make the destination of the first rebuilt candidate, if there is one."""
        first = next(iter(candidates), None)
        return cls.at(*first.split(" ")[4:6]) if first is not None else None

    @property
    def rtcp(self) -> str:
        """The value of the attribute `rtcp`."""
        return f"{self.port} {self.connection}"


NOWHERE = Destination("9", CONNECTION)


class Session(NamedTuple):
    """What the lines before the first section say about all sections.

    Args:
        is_trickling: candidates may come later.
        connections: the values of the `c=` lines.
    """

    is_trickling: bool
    connections: tuple[str, ...]


class Section:
    """Takes the lines of one section and gives them back rebuilt.

    Args:
        index: the index of the section, from 0.
        media: the `m=` line of the section.
    Raises: CallError, where the relay does not understand the `m=` line.
    """

    def __init__(self, index: int, media: Line, leg: LegDescription, writing: Writing) -> None:
        parts = _MEDIA.fullmatch(media.value)
        if parts is None:
            raise refusal(media, "The relay does not understand this m= line.")
        self._line = media
        self._index = index
        self._leg = leg
        self._writing = writing
        self._kind, self._port, self._transport, self._formats = parts.groups()
        self._is_live = int(self._port) != 0
        self._bandwidths: list[str] = []
        self._attributes: list[str] = []
        self._candidates: dict[str, None] = {}
        self._connections: list[str] = []
        self._rtcp: list[str] = []
        self._is_trickling = False
        self._mid: str | None = None
        self._has_fingerprint = False
        self._key: Line | None = None

    def take(self, line: Line) -> None:
        """Take the next line of the section. Raises: CallError."""
        tally = self._writing.tally
        if line.type == "a":
            self._take_attribute(line)
        elif line.type == "c":
            self._connections.append(line.value)
        elif line.type == "b":
            kept = bandwidth(line.value, self._writing)
            self._bandwidths += [kept] if kept else []
        else:
            tally.add(RemovedKind.KEY if line.type == "k" else RemovedKind.SESSION_TEXT)

    def close(self, *, is_fingerprinted: bool) -> None:
        """Check the whole section.

        Args:
            is_fingerprinted: there is a fingerprint before the first section, for all of them.
        Raises: CallError `plain_media` or `bad_description`.
        """
        if not self._is_live:
            if self._transport not in _DTLS | _DTLS_IF_FINGERPRINTED | _REJECTED_ONLY:
                raise refusal(self._line, "The relay does not know this transport.")
            return
        if self._key is not None:
            raise refusal(
                self._key,
                "Whoever reads this description has the media key in it. Use DTLS-SRTP.",
                "plain_media",
            )
        has_keys = self._has_fingerprint or is_fingerprinted
        if self._transport in _PLAIN or (
            self._transport in _DTLS_IF_FINGERPRINTED and not has_keys
        ):
            raise refusal(
                self._line, "The media would not be encrypted. Use DTLS-SRTP.", "plain_media"
            )
        if self._transport not in _DTLS | _DTLS_IF_FINGERPRINTED:
            raise refusal(self._line, "The relay does not carry this transport.")

    def lines(self, session: Session) -> list[str]:
        """Compose the lines of the rebuilt section. Call `close` before."""
        tally = self._writing.tally
        default = NOWHERE if self._leg.ringing else self.destination(session) or NOWHERE
        port = self._port if int(self._port) == 0 else default.port
        tally.constant(RemovedKind.PORT, self._port, port)
        for was in self._connections:
            tally.constant(RemovedKind.CONNECTION, was, default.connection)
        for was in self._rtcp:
            tally.constant(RemovedKind.RTCP, was, default.rtcp)
        lines = [f"m={self._kind} {int(port)} {self._transport}{self._formats}"]
        lines += [f"c={default.connection}", *self._bandwidths]
        if self._is_live and "RTP" in self._transport:
            lines += [f"a=rtcp:{default.rtcp}", "a=rtcp-mux"]
        lines += self._attributes
        return lines if self._leg.ringing else [*lines, *(f"a={c}" for c in self._candidates)]

    def destination(self, session: Session) -> Destination | None:
        """Find the default destination of the media when the call has been accepted.

        Clients that do not trickle compare the default destination with the candidates. If it is
        none of them, they take the description for one without ICE; RFC 8839 section 4.2.5 exempts
        the constants from that, and older clients do not. Clients without ICE have nothing else.

        Returns: a relayed transport address of the leg, or constants; None where it is to be the
            first candidate, and no candidate is known yet.
        """
        leg = self._leg
        if session.is_trickling or self._is_trickling or not leg.masked:
            return NOWHERE
        named = next(iter((*self._connections, *session.connections)), "")
        relayed = _relayed(named.removeprefix("IN IP4 ").removeprefix("IN IP6 "), self._port, leg)
        if relayed is not None:
            return Destination.at(relayed.host, str(relayed.port))
        return Destination.first_of(self._candidates)

    def held(self) -> list[HeldCandidate]:
        """List the candidates to pass on when the call has been accepted."""
        if not self._leg.ringing:
            return []
        return [HeldCandidate(each, self._mid, self._index) for each in self._candidates]

    def _take_attribute(self, line: Line) -> None:
        name, _, value = line.value.partition(":")
        if name == "candidate":
            self._take_candidate(line.value)
        elif name == "rtcp":
            self._rtcp.append(value)
        elif name == "remote-candidates":
            self._writing.tally.add(RemovedKind.REMOTE_CANDIDATES)
        elif name == "crypto":
            self._key = line
        elif name != "rtcp-mux":
            kept = attribute(name, value, Level.MEDIA, self._leg, self._writing)
            if kept is not None:
                self._attributes.append(kept)
                self._note(name, value)
            elif name == "mid":
                raise refusal(line, "A mid must have 1 to 64 letters, digits or any of _+-.")

    def _note(self, name: str, value: str) -> None:
        """Remember what the section needs to know of an attribute that was kept."""
        if name == "mid":
            self._mid = value
        elif name == "fingerprint":
            self._has_fingerprint = True
        elif name == "bundle-only":
            self._is_live = True
        elif name == "ice-options":
            self._is_trickling = has_trickle(value)

    def _take_candidate(self, text: str) -> None:
        kept = candidates.rewrite(text, self._leg, self._writing.tally)
        if kept in self._candidates:
            self._writing.tally.add(RemovedKind.CANDIDATE_DUPLICATE)
        elif kept is not None:
            self._candidates[kept] = None


def _relayed(host: str, port: str, leg: LegDescription) -> Relayed | None:
    try:
        return leg.relayed(host, int(port))
    except ValueError:
        return None


def has_trickle(options: str) -> bool:
    """Whether `ice-options` has a value that lets candidates come later: RFC 8840 section 3."""
    return "trickle" in options.split(" ")


def attribute(
    name: str, value: str, level: Level, leg: LegDescription, writing: Writing
) -> str | None:
    """Compose the line of an attribute; None where it is dropped.

    While a call rings, `end-of-candidates` is dropped, because candidates are held.
    """
    if name == "end-of-candidates" and leg.ringing:
        return None
    kept = rewrite(name, value, level, writing)
    return f"a={kept}" if kept else None


def bandwidth(value: str, writing: Writing) -> str | None:
    """Compose a `b=` line if its modifier is known: RFC 8866 section 5.8, RFC 3556, RFC 3890."""
    if _BANDWIDTH.fullmatch(value):
        return f"b={value}"
    writing.tally.add(RemovedKind.BANDWIDTH)
    return None
