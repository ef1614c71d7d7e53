"""Unknown fields of a body, and what is likely meant.

Rules of this file: a name that the client made up is said again only where it is letters alone and
all but the same as a known one: a slip then, and neither an address nor somebody's name.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel

BODY = "body"
"""What every handler calls the parameter that is its body."""

_WORD = re.compile(r"[A-Za-z_]{1,40}")
_SLIP = 0.8
"""How near, by `difflib`: `rings` is to `ring`, and `Alice` is not to `ice`."""


def unknown_field(endpoint: Callable[..., Any], loc: Sequence[str | int]) -> str:
    """Say that a field is unknown where it stands.

    Args:
        endpoint: what the body was for.
        loc: the field's place in the body.
    """
    *places, name = loc
    known = _known(get_type_hints(endpoint)[BODY], places)
    word = str(name).lower() if _WORD.fullmatch(str(name)) else ""
    if slip := difflib.get_close_matches(word, known, n=1, cutoff=_SLIP):
        return f"{'.'.join(map(str, loc))}: unknown field; did you mean {slip[0]}?"
    near = difflib.get_close_matches(word, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the known fields are {', '.join(known)}"
    return f"{'.'.join(map(str, places)) or 'body'}: unknown field; {hint}"


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
