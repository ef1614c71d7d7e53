"""Paths as they were sent: a slash within a name is none between names.

Rules of this file: whoever looks at the path of a request, the guard as well as the router, sees
the one that `canonical` makes. Servers decode a path before they hand it on, and then `a%2Fb` is
two names. A call that a credential has begun may have any name but one with a colon.
"""

from typing import Annotated
from urllib.parse import quote, unquote, unquote_to_bytes

from fastapi import Path
from pydantic import AfterValidator
from starlette.convertors import Convertor, register_url_convertor
from starlette.types import Scope


def canonical(scope: Scope) -> str:
    """The path of a request in its one spelling: of each name, all but letters, digits and `-._~`
    is percent-encoded.

    Spec: RFC 3986 sections 2.3 and 6.2.2.
    """
    names = scope["raw_path"].split(b"/")
    return "/".join(quote(unquote_to_bytes(name), safe="") for name in names)


class _Name(Convertor[str]):
    """One name of a canonical path. What is no UTF-8 becomes surrogates, which `checked` finds."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return unquote(value, errors="surrogateescape")

    def to_string(self, value: str) -> str:
        return quote(value, safe="")


register_url_convertor("name", _Name())


def checked(name: str) -> str:
    """A name that is UTF-8. Raises: ValueError."""
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise ValueError("UTF-8 is expected")
    return name


CallId = Annotated[
    str,
    Path(description="The id of the call, from the answer to its creation or from a credential."),
    AfterValidator(checked),
]
PartyId = Annotated[
    str,
    Path(description="The id of the party. In a call that a credential began: its leg."),
    AfterValidator(checked),
]
UserId = Annotated[
    str,
    Path(description="The name of the user: the username of its credentials without the expiry."),
    AfterValidator(checked),
]
