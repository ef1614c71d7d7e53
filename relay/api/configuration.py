"""Faults of the configuration as the API names them: key and expectation, never the value.

Rules of this file: it fails closed. A fault is a line `key: value: expected …` (`relay.config`),
and a value may be an address; of a line in another form, or with an address in what is left of it,
the key alone is said.
"""

import re
from collections.abc import Sequence

from relay.logs import looks_like_address

_SHOWN = 8
_TAIL = re.compile(r": ((?:expected|unknown key|unknown variable|cannot be read)\b.*)")
_DOCUMENT = re.compile(r"line [0-9]+(?:, column [0-9]+)?: .*")
"""Of the file as YAML: such a line quotes nothing of it."""


def describe_faults(faults: Sequence[str]) -> str:
    """One sentence about all of them."""
    named = "; ".join(map(_named, faults[:_SHOWN]))
    more = "; …" if len(faults) > _SHOWN else ""
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    return f"{count}: {named}{more}. Run `callveil check-config` to see the values."


def _named(fault: str) -> str:
    """One fault without its value."""
    if _DOCUMENT.fullmatch(fault):
        return fault if not looks_like_address(fault) else "not YAML"
    key = "the file" if fault.startswith(("'", '"')) else fault.partition(": ")[0]
    if looks_like_address(key):
        return "an unknown key"
    tails = _tails(fault)
    said = tails[-1] if tails else ""
    is_sayable = said and not looks_like_address(said)
    return f"{key}: {said if is_sayable else 'expected another value'}"


def _tails(fault: str) -> list[str]:
    """What may be the last part of the line, the longest first: a value may look like one."""
    starts = [found.start() for found in re.finditer(r": ", fault)]
    return [found[1] for at in starts if (found := _TAIL.fullmatch(fault, at))]
