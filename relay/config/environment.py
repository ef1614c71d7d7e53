"""Lays the variables `CALLVEIL__SECTION__KEY` over the document.

Where a key is text, the variable is taken as it is. Numbers, switches, lists and mappings are read
as YAML. A list without brackets has one item.
"""

import difflib
from collections.abc import Mapping
from typing import Any, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from relay.config import document
from relay.config.settings import Settings
from relay.errors import ConfigError

PREFIX = "CALLVEIL__"


def variables() -> dict[str, tuple[str, ...]]:
    """Map the name of every variable to the key that it sets."""
    names: dict[str, tuple[str, ...]] = {}
    for name, field in Settings.model_fields.items():
        section = _section(field)
        keys = [(name,)] if section is None else [(name, key) for key in section.model_fields]
        names |= {PREFIX + "__".join(key).upper(): key for key in keys}
    return names


def overlay(tree: dict[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Put every `CALLVEIL__` variable into the tree.

    Returns: one fault per variable that sets no known key. A fault never shows the value: whoever
        misspells a name may have written a secret.
    """
    faults = []
    known = variables()
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
            hint = f"; did you mean {near[0]}?" if near else ""
            faults.append(f"{name.encode('unicode_escape').decode()}: unknown variable{hint}")
            continue
        *sections, key = known[name]
        place = tree.setdefault(sections[0], {}) if sections else tree
        if isinstance(place, dict):  # else the document's own fault is told
            place[key] = _value(known[name], environ[name])
    return faults


def _section(field: FieldInfo) -> type[BaseModel] | None:
    annotation = field.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def _value(key: tuple[str, ...], text: str) -> Any:
    """Read a variable as its key's type. What cannot be read stays text, which the key refuses."""
    field = Settings.model_fields[key[0]]
    if len(key) == 2 and (section := _section(field)) is not None:
        field = section.model_fields[key[1]]
    is_list = get_origin(field.annotation) is tuple
    is_mapping = get_origin(field.annotation) is dict
    if not (is_list or is_mapping or field.annotation in (int, bool) or text.startswith("[")):
        return text
    if is_list and not text.lstrip().startswith("["):
        return [text]
    try:
        tree = document.parse(b"value: " + text.encode("utf-8", "surrogateescape"))
    except ConfigError:
        return text
    return tree["value"] if len(tree) == 1 else text  # a line of its own would be another key
