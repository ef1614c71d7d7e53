"""How an API client shows its token, and in what form it is told of a fault.

Rules of this file: a dialect finds what was presented and judges nothing; `first_good` compares.
"""

import hmac
from collections.abc import Callable, Iterable, Mapping
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


def first_good(tokens: Iterable[str], presented: tuple[bytes, ...]) -> bytes:
    """The first of the tokens that was presented; empty for none.

    Each is compared with all that was presented, in constant time.
    """
    good = b""
    for token in tokens:
        is_good = False
        for each in presented:
            is_good |= hmac.compare_digest(token.encode(), each)
        good = good or (token.encode() if is_good else b"")
    return good


def bearer(scope: Scope) -> tuple[bytes, ...]:
    """The token of an Authorization header. Spec: RFC 6750 section 2.1."""
    scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
    return (given.strip().encode("latin-1"),) if scheme.lower() == "bearer" else ()


_WHICH_TOKEN = "Send Authorization: Bearer and one of the tokens in api.tokens."  # noqa: S105  none

OWN = Dialect(bearer, problem, _WHICH_TOKEN, "Bearer")
"""That of the API itself."""
