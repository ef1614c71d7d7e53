"""Writes an imported configuration as YAML, with what there is to say about it as comments."""

import textwrap
from collections.abc import Iterator
from typing import Any

from relay.config.document import MAX_BYTES
from relay.tools.coturn.convert import Imported

_WIDTH = 100
_PEERS = (
    "any: clients reach whom they name, as with coturn. It keeps nobody's address from a peer. "
    "call: a party reaches the other parties of its call and nothing else, and the call can be "
    "ended; it needs usernames EXPIRY:CALL:PARTY, or calls made by the HTTP API. relay: clients "
    "reach each other's relayed addresses, whatever their usernames. listed: these, and your media "
    "servers."
)
_ESCAPES = {'"': '\\"', "\\": "\\\\"}


def written(imported: Imported) -> str:
    """The whole file. callveil's own reader takes it, whatever the values hold.

    Where it would be too long for that, what there is to say is left out.
    """
    body = "".join(f"{line}\n" for each in imported.document.items() for line in _entry(*each, ""))
    said = "".join(f"{line}\n" for line in _said(imported))
    if len((said + body).encode()) > MAX_BYTES - 100:
        said = "# What is not carried over is too much to stand here: it was printed.\n"
    return (
        f"# Made by `callveil import-coturn`. Check it: callveil check-config FILE\n{said}\n{body}"
    )


def _said(imported: Imported) -> list[str]:
    """What there is to say, as comments."""
    lines: list[str] = []
    if imported.notes:
        lines += ["#", "# What is not carried over, or not as it was:"]
        lines += [line for note in imported.notes for line in _comment(_plain(str(note)), "- ")]
    if imported.same:
        lines += ["#", "# What needs no key:"]
        said = [f"{name}: {text}" for name, text in imported.same.items()]
        lines += [line for each in said for line in _comment(each, "- ")]
    return lines


def _entry(key: str, value: Any, indent: str) -> Iterator[str]:
    if key == "peers" and indent:
        yield from (f"{indent}{line}" for line in _comment(_PEERS, ""))
    if isinstance(value, dict):
        yield f"{indent}{_key(key)}:"
        for name, each in value.items():
            yield from _entry(name, each, f"{indent}  ")
    elif isinstance(value, list) and value:
        yield f"{indent}{_key(key)}:"
        yield from (f"{indent}  - {_scalar(each)}" for each in value)
    else:
        yield f"{indent}{_key(key)}: {_scalar(value)}"


def _key(text: str) -> str:
    is_ours = text.isascii() and text.replace("_", "").isalpha() and text.islower()
    return text if is_ours and text not in ("true", "false", "null") else quoted(text)


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return quoted(value) if isinstance(value, str) else "[]"


def quoted(text: str) -> str:
    """Write a text as a double-quoted scalar of printable characters: YAML 1.2 section 7.3.1."""
    return '"' + "".join(_ESCAPES.get(each) or _character(each) for each in text) + '"'


def _character(each: str) -> str:
    code = ord(each)
    if each.isprintable():
        return each
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _plain(text: str) -> str:
    """A text that may stand in a comment: one line of what YAML takes."""
    return "".join(_character(each) for each in text)


def _comment(text: str, bullet: str) -> list[str]:
    lines = textwrap.wrap(text, _WIDTH - 4 - len(bullet), break_on_hyphens=False)
    return [f"# {bullet if not at else ' ' * len(bullet)}{line}" for at, line in enumerate(lines)]
