"""Rebuilds a whole description from an allow list.

Rules of this file: it does not filter the description. It composes every line of constants, and of
values that a rule of the allow list has understood whole. Rebuilding a rebuilt description changes
nothing. Time is linear in the length of the description, which is bounded.
"""

import re
from typing import NamedTuple

from relay.errors import CallError
from relay.sdp.attributes import Level, Writing
from relay.sdp.leg import LegDescription
from relay.sdp.lines import Line, refusal, split
from relay.sdp.names import Names
from relay.sdp.removal import Removed, RemovedKind, Tally
from relay.sdp.section import (
    CONNECTION,
    Destination,
    HeldCandidate,
    Section,
    Session,
    attribute,
    bandwidth,
    has_trickle,
)

MAX_SECTIONS = 256

_ORIGIN = re.compile(r"\S+ \S+ (\d{1,20}) \S+ \S+ \S+", re.ASCII)
_NAME, _TIME = "-", "0 0"  # RFC 8829 section 5.2.1


class Rebuilt(NamedTuple):
    """One description after rebuilding.

    Args:
        sdp: the rebuilt description.
        removed: what was removed, by kind.
        held: candidates to pass on when the call has been accepted; empty unless the call rings.
        destinations: the default destination of each section for when the call has been accepted;
            None where that is the first candidate.
    """

    sdp: str
    removed: tuple[Removed, ...]
    held: tuple[HeldCandidate, ...] = ()
    destinations: tuple[Destination | None, ...] = ()


def rebuild(sdp: str, leg: LegDescription) -> Rebuilt:
    """Rebuild a description so that it names no address but the relay's.

    Args:
        sdp: an offer or an answer of any origin.
        leg: the leg of the party that wrote it.
    Raises: CallError `bad_description`, or `plain_media` where the media would not be encrypted
        between the parties. Nothing else. Neither quotes the description.
    Spec: RFC 8866, RFC 8829 section 5.
    """
    tally = Tally()
    writing = Writing(Names(tally), tally)
    head, rest = _cut(split(sdp))
    first = _Head(head, leg, writing)
    sections = _sections(rest, leg, writing)
    for section in sections:
        section.close(is_fingerprinted=first.is_fingerprinted)
    lines = list(first.lines)
    for section in sections:
        lines += section.lines(first.session)
    held = tuple(each for section in sections for each in section.held())
    destinations = tuple(section.destination(first.session) for section in sections)
    text = "".join(f"{line}\r\n" for line in lines)
    return Rebuilt(text, tally.removed(), held, destinations)


def _cut(lines: list[Line]) -> tuple[list[Line], list[Line]]:
    """Split the lines into those before the first section and the rest."""
    first = next((at for at, line in enumerate(lines) if line.type == "m"), len(lines))
    return lines[:first], lines[first:]


def _sections(lines: list[Line], leg: LegDescription, writing: Writing) -> list[Section]:
    sections: list[Section] = []
    for line in lines:
        if line.type != "m":
            sections[-1].take(line)
        elif len(sections) < MAX_SECTIONS:
            sections.append(Section(len(sections), line, leg, writing))
        else:
            raise refusal(line, f"A description may have at most {MAX_SECTIONS} media sections.")
    return sections


class _Head:
    """Rebuilds the lines before the first section.

    Raises: CallError, where they do not begin as every description does.
    """

    def __init__(self, lines: list[Line], leg: LegDescription, writing: Writing) -> None:
        self.is_fingerprinted = False
        self._is_trickling = False
        self._connections = tuple(line.value for line in lines if line.type == "c")
        self._leg = leg
        self._writing = writing
        if [line.type for line in lines[:2]] != ["v", "o"] or lines[0].value != "0":
            raise CallError(
                "bad_description", "A description must begin with the lines v=0 and o=."
            )
        self.lines = ["v=0", self._origin(lines[1]), f"s={_NAME}", f"t={_TIME}"]
        attributes = [self._taken(line) for line in lines[2:]]
        self.lines += filter(None, attributes)

    @property
    def session(self) -> Session:
        """What these lines say about all sections."""
        return Session(self._is_trickling, self._connections)

    def _origin(self, line: Line) -> str:
        """Keep the version only, which tells a change from a repetition: RFC 3264 section 8."""
        parts = _ORIGIN.fullmatch(line.value)
        if parts is None:
            raise refusal(line, "The origin must have six fields.")
        constant = f"- 1 {parts[1]} {CONNECTION}"
        return f"o={self._writing.tally.constant(RemovedKind.ORIGIN, line.value, constant)}"

    def _taken(self, line: Line) -> str | None:
        tally = self._writing.tally
        if line.type == "a":
            name, _, value = line.value.partition(":")
            kept = attribute(name, value, Level.SESSION, self._leg, self._writing)
            self.is_fingerprinted |= name == "fingerprint" and kept is not None
            self._is_trickling |= name == "ice-options" and has_trickle(value)
            return kept
        if line.type == "b":
            return bandwidth(line.value, self._writing)
        constant = {"c": CONNECTION, "s": _NAME, "t": _TIME}.get(line.type)
        if constant is not None:
            tally.constant(_HEAD_KINDS[line.type], line.value, constant)
        else:
            tally.add(_HEAD_KINDS.get(line.type, RemovedKind.SESSION_TEXT))
        return None


_HEAD_KINDS = {
    "c": RemovedKind.CONNECTION,
    "s": RemovedKind.SESSION_TEXT,
    "t": RemovedKind.TIMING,
    "r": RemovedKind.TIMING,
    "z": RemovedKind.TIMING,
    "k": RemovedKind.KEY,
}
