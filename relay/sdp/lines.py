"""Splits a description into lines, within bounds.

Rules of this file: a refusal names the line and what is wrong with it. It never quotes the line.
"""

from typing import NamedTuple

from relay.errors import CallError

MAX_BYTES = 256 * 1024
MAX_LINES = 8_192
"""Some thirty times as many as a browser writes for a call of eight."""
MAX_LINE_CHARACTERS = 16_384
"""Ten times as many as the parameter sets of an H.265 stream take."""


class Line(NamedTuple):
    """One `<type>=<value>` line (RFC 8866 section 5); `number` counts from 1."""

    number: int
    type: str
    value: str


def split(sdp: str) -> list[Line]:
    """Split a description into its lines.

    Raises: CallError `bad_description`. Nothing else.
    """
    if len(sdp) > MAX_BYTES or len(sdp.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise CallError("bad_description", f"A description may have at most {MAX_BYTES} bytes.")
    texts = sdp.split("\n", MAX_LINES)
    if len(texts) > MAX_LINES and texts.pop():
        raise CallError("bad_description", f"A description may have at most {MAX_LINES} lines.")
    texts = [text.rstrip(" \t\r") for text in texts]
    return [_line(number, text) for number, text in enumerate(texts, start=1) if text]


def refusal(line: Line, what: str, kind: str = "bad_description") -> CallError:
    """Build the refusal of a description; `what` is a sentence about the line."""
    return CallError(kind, f"Line {line.number}: {what}")


def _line(number: int, text: str) -> Line:
    line = Line(number, text[0], text[2:])
    if text[1:2] != "=" or not "a" <= line.type <= "z":
        raise refusal(line, "A line must begin with a letter from a to z and an equals sign.")
    if len(text) > MAX_LINE_CHARACTERS:
        raise refusal(line, f"A line may have at most {MAX_LINE_CHARACTERS} characters.")
    return line
