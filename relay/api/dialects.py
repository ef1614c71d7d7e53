"""How an API client shows its token, and in what form it is told of a fault.

Rules of this file: a dialect finds what was presented and judges nothing; the guard compares.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from relay.api.problems import problem


class Fault(Protocol):
    """Makes the response for one kind of problem: see `problems.KINDS`."""

    def __call__(
        self, kind: str, detail: str = "", call: str = "", headers: Mapping[str, str] | None = None
    ) -> Response: ...


class Dialect(NamedTuple):
    """What some API clients have in common.

    Args:
        presented: finds what a request shows as its token; all of it is to be compared.
        fault: writes a fault.
        which_token: what to do about a request without a valid token.
        challenge: the WWW-Authenticate header of that fault.
    """

    presented: Callable[[Scope], tuple[bytes, ...]]
    fault: Fault
    which_token: str
    challenge: str


def bearer(scope: Scope) -> tuple[bytes, ...]:
    """The token of an Authorization header. Spec: RFC 6750 section 2.1."""
    scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
    return (given.strip().encode("latin-1"),) if scheme.lower() == "bearer" else ()


_WHICH_TOKEN = "Send Authorization: Bearer and one of the tokens in api.tokens."  # noqa: S105  none

OWN = Dialect(bearer, problem, _WHICH_TOKEN, "Bearer")
"""That of the API itself."""
