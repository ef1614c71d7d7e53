"""The options of one file while it is converted, and what there is to say about them."""

import difflib
from collections.abc import Iterable
from typing import NamedTuple

from relay.tools.coturn.lines import Line
from relay.tools.coturn.options import OPTIONS, Fate


class Note(NamedTuple):
    """Something that the operator must know.

    Args:
        number: the line it is about; 0 for none.
        text: begins with the option, or with the key of the configuration.
    """

    number: int
    text: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.text}" if self.number else self.text


class Reading:
    """What a file says, by option. Of what coturn knows once, the last line counts."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.notes: list[Note] = []
        self.same: dict[str, str] = {}
        self.refused: set[str] = set()
        """Options of which a line is not carried over."""
        self._lines: dict[str, list[Line]] = {}
        for line in lines:
            self._take(line)

    def lines(self, name: str) -> list[Line]:
        """Every line of an option that is carried over."""
        return self._lines.get(name, [])

    def last(self, name: str) -> Line | None:
        """The line that counts."""
        return self._lines[name][-1] if name in self._lines else None

    def is_on(self, name: str) -> bool:
        """Whether a switch is on."""
        line = self.last(name)
        return line is not None and line.is_on

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """The number of an option; the default, and a note, where it is not within low and high."""
        line = self.last(name)
        if line is None:
            return default
        if (number := line.whole_number) is not None and low <= number <= high:
            return number
        self.refuse(line, f"expected a number from {low} to {high}; {default} is taken")
        return default

    def refuse(self, line: Line, why: str) -> None:
        """Say that a line is not carried over."""
        self.refused.add(line.name)
        self.notes.append(Note(line.number, f"{line.name}: not carried over: {why}"))

    def say(self, text: str, line: Line | None = None) -> None:
        """Say what differs from coturn, of a line or of the whole."""
        said = text if line is None else f"{line.name}: {text}"
        self.notes.append(Note(0 if line is None else line.number, said))

    def _take(self, line: Line) -> None:
        option = OPTIONS.get(line.name)
        if line.is_long:
            self.say("longer than coturn reads at a time, and so not carried over", line)
        elif option is None:
            self._unknown(line)
        elif option.fate is Fate.CARRIED and line.value != option.inert:
            self._lines.setdefault(line.name, []).append(line)
        elif (option.is_switch and not line.is_on) or line.value == option.inert:
            return
        elif option.fate is Fate.SAME:
            self.same[line.name] = option.text
        else:
            self.refuse(line, option.text)

    def _unknown(self, line: Line) -> None:
        if not line.name:
            self.notes.append(Note(line.number, "not an option, and so not carried over"))
            return
        near = difflib.get_close_matches(line.name, OPTIONS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        self.refuse(line, f"coturn has no such option{hint}")
