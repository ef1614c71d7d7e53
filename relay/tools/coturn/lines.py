"""Reads the lines of a `turnserver.conf` as coturn 4.6 does (`read_config_file`).

Rules of this file: any bytes give lines; nothing is raised. What is no UTF-8 stays in a value as
surrogates, which no value of the configuration takes.
"""

import re
from typing import NamedTuple

MAX_BYTES = 1 << 20
"""Fifty times the file that comes with coturn."""

_MAX_LINE = 1022
"""What coturn reads at a time; a longer line is two to it."""

_SPACE = " \t\r\n\v\f"
_SEPARATORS = " =\t"
_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.A)


class Line(NamedTuple):
    """An option as it stands in the file.

    Args:
        number: of the line, from 1.
        name: the option; empty where the line begins with nothing that could be one.
        value: empty if it has none.
        is_long: coturn would take the line for two.
    """

    number: int
    name: str
    value: str
    is_long: bool = False

    @property
    def is_on(self) -> bool:
        """Whether a switch is on. No value means that it is."""
        if self.value[:1] in tuple("0nNfF"):
            return False
        return self.value not in ("off", "OFF", "Off")

    @property
    def whole_number(self) -> int | None:
        """The number that the value begins with, as C's atoi reads it; None where there is none."""
        match = re.match(r"[+-]?[0-9]{1,15}", self.value, re.A)
        return None if match is None else int(match[0])


def lines_of(content: bytes) -> list[Line]:
    """Read every line that is neither empty nor a comment."""
    text = content.decode("utf-8", "surrogateescape")
    read = (_line(number, each) for number, each in enumerate(text.split("\n"), 1))
    return [line for line in read if line is not None]


def _line(number: int, raw: str) -> Line | None:
    text = raw.partition("\0")[0].strip(_SPACE)
    if not text or text.startswith("#"):
        return None
    is_long = len(raw.encode("utf-8", "surrogateescape")) > _MAX_LINE
    end = next((at for at, each in enumerate(text) if each in _SEPARATORS), len(text))
    name, value = text[:end], _unquoted(text[end:].lstrip(_SEPARATORS))
    return Line(number, name if _OPTION.fullmatch(name) else "", value, is_long)


def _unquoted(value: str) -> str:
    return value[1:].rstrip(" \t\r\n").removesuffix('"') if value.startswith('"') else value
