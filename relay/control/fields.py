"""Fields of a body that are not known, and what is likely meant.

Rules of this file: a name that the client made up is said again only where it is letters alone and
near to a known one: a slip then, and neither an address nor somebody's name.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel

BODY = "asked"
"""What every endpoint calls the parameter that is its body."""

_WORD = re.compile(r"[A-Za-z_]{1,40}")


def unknown_field(endpoint: Callable[..., Any], loc: Sequence[str | int]) -> str:
    """Say that a field is not known where it stands.

    Args:
        endpoint: what the body was for.
        loc: the field's place in the body.
    """
    *places, name = loc
    known = _known(get_type_hints(endpoint)[BODY], places)
    near = difflib.get_close_matches(str(name).lower(), known, n=1)
    if near and _WORD.fullmatch(str(name)):
        return f"{'.'.join(map(str, loc))}: not known here; did you mean {near[0]}?"
    where = ".".join(map(str, places)) or "body"
    return f"{where}: a field that is not known here; known are {', '.join(known)}"


def _known(annotation: Any, places: Sequence[str | int]) -> list[str]:
    """The fields that are known at a place of a body."""
    fields = {
        field.alias or name: field
        for model in _models(annotation)
        for name, field in model.model_fields.items()
    }
    names = [place for place in places if isinstance(place, str)]
    return _known(fields[names[0]].annotation, names[1:]) if names else list(fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in an annotation: of its items, or beside its None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
