"""Every fault of the API as `application/problem+json` (RFC 9457).

Rules of this file: what a client sent is never sent back, since it may be an address or somebody's
id, nor is the name of a field it made up, unless that is a slip (`fields.py`); it is told which
field is wrong and what is expected.
"""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import Request

from relay.api.fields import unknown_field
from relay.api.schemas.base import ResponseBody
from relay.errors import CallError

MEDIA_TYPE = "application/problem+json"

KINDS: dict[str, tuple[int, str]] = {
    "malformed_body": (400, "The body cannot be read"),
    "unauthenticated": (401, "A bearer token is needed"),
    "cross_site": (403, "Requests of other sites' pages are refused"),
    "not_found": (404, "There is nothing here"),
    "unknown_call": (404, "There is no such call"),
    "unknown_party": (404, "The call has no such party"),
    "method_not_allowed": (405, "This cannot be done here"),
    "wrong_state": (409, "The call is in another state"),
    "only_tightens": (409, "Privacy is not switched off in a call"),
    "bad_configuration": (409, "The configuration has faults"),
    "too_large": (413, "The body is too large"),
    "invalid_request": (422, "The request is not as expected"),
    "bad_description": (422, "The description cannot be used"),
    "plain_media": (422, "The media would not be encrypted between the parties"),
    "too_many": (429, "This party sends too much"),
    "internal_error": (500, "The relay failed"),
    "draining": (503, "The relay is draining"),
    "out_of_ports": (503, "No relayed port is free"),
    "not_ready": (503, "The relay takes no calls now"),
}
"""Every kind of fault: its status and its title."""

_SHOWN = 8
"""Faults that are listed of one body; who made more has made the same one again."""


class Problem(ResponseBody):
    """Why the relay did not do what was asked (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_serialization_defaults_required=True,
        json_schema_extra={
            "example": {
                "type": "urn:callveil:problem:wrong_state",
                "title": "The call is in another state",
                "status": 409,
                "detail": "The call is not ringing: active.",
                "call": "cv_QmFzZTY0dXJsMTI4Yml0cw",
            }
        },
    )

    type: str
    """`urn:callveil:problem:` and a word of a closed list, which `docs/api.md` shows."""
    title: str
    """What the relay says of every problem of this type."""
    status: int
    """The status of the HTTP response."""
    detail: str = ""
    """What is wrong with this request and what is expected. It never repeats what you sent."""
    call: str | None = None
    """The id of the call, if the problem is about a call that the relay knows."""


def problem(
    kind: str, detail: str = "", call: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """The response for one kind of fault."""
    status, title = KINDS[kind]
    body = Problem(
        type=f"urn:callveil:problem:{kind}",
        title=title,
        status=status,
        detail=detail,
        call=call or None,
    )
    return Response(body.model_dump_json(), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let the application answer its own and FastAPI's faults in this form."""
    app.add_exception_handler(CallError, _on_call_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_call_error(_: Request, fault: Exception) -> Response:
    assert isinstance(fault, CallError)  # noqa: S101  registered for this type only
    return problem(fault.kind, fault.detail, fault.call)


async def _on_validation_error(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, RequestValidationError)  # noqa: S101  as above
    errors = fault.errors()
    if any(error["type"] == "json_invalid" for error in errors):
        return problem("malformed_body", "It is not JSON.")
    sentences = [_sentence(error, request.scope["endpoint"]) for error in errors[:_SHOWN]]
    return problem("invalid_request", "; ".join(sentences))


async def _on_http_exception(_: Request, fault: Exception) -> Response:
    """The framework's own: its texts may quote the request, so only its status is used."""
    assert isinstance(fault, HTTPException)  # noqa: S101  as above
    kind = {404: "not_found", 405: "method_not_allowed"}.get(fault.status_code, "malformed_body")
    return problem(kind, headers=fault.headers)


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
    return "a JSON object, with Content-Type: application/json, is expected"
