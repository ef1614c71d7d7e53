"""A description as lines, within bounds.

Rules of this file: a refusal names the line and what is wrong with it, never what stands there.
"""

from typing import NamedTuple

from relay.errors import CallError

MAX_BYTES = 256 * 1024
MAX_LINES = 8_192
"""Some thirty times what a browser writes for a call of eight."""
MAX_LINE_CHARACTERS = 16_384
"""An H.265 stream's parameter sets take a tenth of it."""


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
        raise CallError("bad_description", f"At most {MAX_BYTES} bytes are taken.")
    texts = sdp.split("\n", MAX_LINES)
    if len(texts) > MAX_LINES and texts.pop():
        raise CallError("bad_description", f"At most {MAX_LINES} lines are taken.")
    texts = [text.rstrip(" \t\r") for text in texts]
    return [_line(number, text) for number, text in enumerate(texts, start=1) if text]


def refusal(line: Line, what: str, kind: str = "bad_description") -> CallError:
    """Why this description is refused, for the one who sent it."""
    return CallError(kind, f"line {line.number}: {what}")


def _line(number: int, text: str) -> Line:
    line = Line(number, text[0], text[2:])
    if text[1:2] != "=" or not "a" <= line.type <= "z":
        raise refusal(line, "a letter and an equals sign are expected.")
    if len(text) > MAX_LINE_CHARACTERS:
        raise refusal(line, f"at most {MAX_LINE_CHARACTERS} characters are taken.")
    return line
