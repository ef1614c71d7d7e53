"""What each route requires of a request before its handler runs: the one table of all routes.

Rules of this file: every route of the application has its line in `ROUTES`, and a test compares the
two. It fails closed: a path without a line needs a token, may carry the smallest body, and finds no
handler anyway.
"""

import re
from typing import NamedTuple

from relay.api import viewer
from relay.api.dialects import OWN, Dialect
from relay.api.vendors.dialects import CLOUDFLARE, TURN_REST, TWILIO
from relay.sdp import MAX_BYTES

MAX_BODY_BYTES = 64 * 1024
"""A call with a thousand parties fits."""

MAX_DESCRIPTION_BODY_BYTES = MAX_BYTES + MAX_BODY_BYTES
"""The longest session description fits: JSON writes its line ends in four bytes instead of two."""


class Requirements(NamedTuple):
    """What the guard requires of the requests to one route.

    Args:
        needs_token: the request carries one of `api.tokens`; where none is configured, it names
            this host by address or as localhost.
        max_body_bytes: a longer body is refused before it is read to its end.
        takes_turns: requests about one call wait for each other (`turns.py`).
        dialect: where the token stands, and the form of a fault.
    """

    needs_token: bool = True
    max_body_bytes: int = MAX_BODY_BYTES
    takes_turns: bool = False
    dialect: Dialect = OWN


_OPEN = Requirements(needs_token=False)
"""For what tells nothing about anybody: probes and scrapers carry no tokens, and the description of
the API is published with the source."""

_TOKEN = Requirements()

_DESCRIPTION = Requirements(max_body_bytes=MAX_DESCRIPTION_BODY_BYTES, takes_turns=True)
_CANDIDATE = Requirements(takes_turns=True)
"""For what parties write, any of which may be hostile."""

_KEY = "/v1/turn/keys/{key}/credentials"

ROUTES: dict[str, Requirements] = {
    "/v1/calls": _TOKEN,
    "/v1/calls/{call}": _TOKEN,
    "/v1/calls/{call}/accept": _TOKEN,
    "/v1/calls/{call}/endpoint": _TOKEN,
    "/v1/calls/{call}/description": _DESCRIPTION,
    "/v1/calls/{call}/candidate": _CANDIDATE,
    "/v1/calls/{call}/parties/{party}": _TOKEN,
    "/v1/users/{name}": _TOKEN,
    "/v1/permission": _TOKEN,
    "/v1/status": _TOKEN,
    "/v1/drain": _TOKEN,
    "/v1/reload": _TOKEN,
    "/turn": Requirements(dialect=TURN_REST),
    f"{_KEY}/generate-ice-servers": Requirements(dialect=CLOUDFLARE),
    f"{_KEY}/generate": Requirements(dialect=CLOUDFLARE),
    f"{_KEY}/{{username}}/revoke": Requirements(dialect=CLOUDFLARE),
    "/2010-04-01/Accounts/{sid}/Tokens.json": Requirements(dialect=TWILIO),
    "/healthz": _OPEN,
    "/readyz": _OPEN,
    "/metrics": _OPEN,
    "/openapi.json": _OPEN,
    **dict.fromkeys(sorted(viewer.PATHS), _OPEN),
}
"""Every route by its path, as the OpenAPI document writes it."""

_NAMED = [
    (re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path))), requirements)
    for path, requirements in ROUTES.items()
    if "{" in path
]


def look_up(path: str) -> tuple[Requirements, str]:
    """Find what is required of a request.

    Args:
        path: canonical (`paths.py`), so that a name in it holds no slash.
    Returns:
        The route's requirements, and the call that the path names, as it stands there; empty where
        it names none.
    """
    if path in ROUTES:
        return ROUTES[path], ""
    for pattern, requirements in _NAMED:
        if found := pattern.fullmatch(path):
            return requirements, found.groupdict().get("call", "")
    return _TOKEN, ""
