"""Every fault of the API as `application/problem+json` (RFC 9457).

Rules of this file: a problem says which field is wrong and what is expected. It never repeats what
the client sent, since that may be an address or somebody's id, nor the name of an unknown field,
unless that is a slip of a known one (`fields.py`).
"""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import Request

from relay.api.fields import unknown_field
from relay.api.schemas.problem import Problem
from relay.errors import CallError

MEDIA_TYPE = "application/problem+json"

KINDS: dict[str, tuple[int, str]] = {
    "malformed_body": (400, "The relay cannot read the body"),
    "needs_call": (400, "The relay takes credentials of calls only, and the request names none"),
    "needs_registered_call": (400, "The relay takes only calls that were created through its API"),
    "unauthenticated": (401, "The request has no valid API token"),
    "cross_site": (403, "The relay refuses requests that a page of another site may have sent"),
    "not_found": (404, "The relay does not have this path"),
    "unknown_call": (404, "The relay does not know this call"),
    "unknown_party": (404, "The call does not have this party"),
    "unknown_credential": (404, "The relay does not know this credential"),
    "method_not_allowed": (405, "This path does not have this method"),
    "no_users": (409, "This relay has calls, and no users"),
    "wrong_state": (409, "The state of the call does not allow this"),
    "only_tightens": (409, "Privacy cannot be switched off during a call"),
    "bad_configuration": (409, "The configuration has faults, so the relay did not load it"),
    "too_large": (413, "The body is too large"),
    "invalid_request": (422, "The request is not valid"),
    "bad_description": (422, "The relay cannot use this session description"),
    "plain_media": (422, "The media would not be encrypted between the parties"),
    "too_many": (429, "This party sends too many descriptions and candidates"),
    "too_many_mints": (429, "This caller asks for too many credentials"),
    "internal_error": (500, "The relay failed; its log says where"),
    "draining": (503, "The relay is draining and takes no new calls"),
    "out_of_ports": (503, "The relay has no free relayed port"),
    "not_ready": (503, "The relay does not take new calls now"),
}
"""Every kind of problem: its status and its title."""

_SHOWN = 8
"""Wrong fields that one problem names at most."""


def problem(
    kind: str, detail: str = "", call: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """Make the response for one kind of problem."""
    status, title = KINDS[kind]
    body = Problem(
        type=f"urn:callveil:problem:{kind}",
        title=title,
        status=status,
        detail=detail,
        call=call or None,
    )
    return Response(body.model_dump_json(), status, headers, MEDIA_TYPE)


def install(app: FastAPI, form_of: Callable[[str], Callable[..., Response]]) -> None:
    """Have the application answer its own errors and FastAPI's.

    Args:
        form_of: what writes the faults of a path, as `problem` does.
    """

    async def on_call_error(request: Request, fault: Exception) -> Response:
        assert isinstance(fault, CallError)  # noqa: S101  registered for this type only
        headers = {"Retry-After": "1"} if fault.kind == "too_many_mints" else None
        return form_of(request.scope["path"])(fault.kind, fault.detail, fault.call, headers)

    async def on_validation_error(request: Request, fault: Exception) -> Response:
        assert isinstance(fault, RequestValidationError)  # noqa: S101  as above
        return form_of(request.scope["path"])(*_invalid(request, fault))

    async def on_http_exception(request: Request, fault: Exception) -> Response:
        """The framework's own: its texts may quote the request, so only its status is used."""
        assert isinstance(fault, HTTPException)  # noqa: S101  as above
        kinds = {404: "not_found", 405: "method_not_allowed"}
        kind = kinds.get(fault.status_code, "malformed_body")
        return form_of(request.scope["path"])(kind, headers=fault.headers)

    app.add_exception_handler(CallError, on_call_error)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(HTTPException, on_http_exception)


def _invalid(request: Request, fault: RequestValidationError) -> tuple[str, str]:
    """The kind of problem, and what is wrong."""
    errors = fault.errors()
    if any(error["type"] == "json_invalid" for error in errors):
        return "malformed_body", "The body is not JSON."
    sentences = [_sentence(error, request.scope["endpoint"]) for error in errors[:_SHOWN]]
    return "invalid_request", "; ".join(sentences)


def _sentence(error: Mapping[str, Any], endpoint: Callable[..., Any]) -> str:
    """Where a path, a query or a body is wrong, and what is expected there."""
    place = error["loc"][1:]
    if error["type"] == "extra_forbidden":
        return unknown_field(endpoint, place)
    said = error["msg"].removeprefix("Value error, ")
    where = ".".join(map(str, place))
    if where:
        return f"{where}: {said}"
    if error["type"] == "value_error":  # of the body as a whole, in our own words
        return f"body: {said}"
    return "Send a JSON object with Content-Type: application/json."
