"""Where the clients of each vendor put the token, and what a fault looks like to them."""

import base64
import binascii
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from relay.api.dialects import Dialect, bearer
from relay.api.problems import KINDS, problem
from relay.api.schemas.vendors import CloudflareError, CloudflareFault, TwilioFault
from relay.api.vendors.forms import fields, raw

_TWILIO_CODES = {400: 20001, 401: 20003, 404: 20404, 405: 20004, 429: 20429, 503: 20503}
"""Twilio's own numbers for what these statuses mean; for others the status stands alone."""


def _parameters(scope: Scope) -> tuple[bytes, ...]:
    """`key`, or what Janus calls it beside that, `api`; else as elsewhere.

    Only the URL is looked at: Janus writes both there too when it POSTs them.
    """
    try:
        found = fields(scope["query_string"])
        shown = tuple(raw(found[name]) for name in ("key", "api") if name in found)
    except ValueError:
        shown = ()
    return shown + bearer(scope)


def _password(scope: Scope) -> tuple[bytes, ...]:
    """The password of basic authentication, whatever the user's name. Spec: RFC 7617 section 2."""
    scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ()
    try:
        decoded = base64.b64decode(given.strip(), validate=True)
    except (binascii.Error, ValueError):
        return ()
    return (decoded.partition(b":")[2],)


def _cloudflare_fault(
    kind: str, detail: str = "", call: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    status, title = KINDS[kind]
    error = CloudflareError(code=status, message=_sentence(title, detail))
    return _json(CloudflareFault(errors=[error]).model_dump_json(), status, headers)


def _twilio_fault(
    kind: str, detail: str = "", call: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    status, title = KINDS[kind]
    body = TwilioFault(
        code=_TWILIO_CODES.get(status, status),
        message=_sentence(title, detail),
        more_info=f"urn:callveil:problem:{kind}",
        status=status,
    )
    return _json(body.model_dump_json(), status, headers)


def _sentence(title: str, detail: str) -> str:
    return f"{title}. {detail}".rstrip()


def _json(text: str, status: int, headers: Mapping[str, str] | None) -> Response:
    return Response(text, status, headers, "application/json")


TURN_REST = Dialect(
    _parameters, problem, "Send one of the tokens in api.tokens as the parameter key.", "Bearer"
)
CLOUDFLARE = Dialect(
    bearer,
    _cloudflare_fault,
    "Send Authorization: Bearer and one of the tokens in api.tokens.",
    "Bearer",
)
TWILIO = Dialect(
    _password,
    _twilio_fault,
    "Send one of the tokens in api.tokens as the password of basic authentication.",
    'Basic realm="callveil"',
)
