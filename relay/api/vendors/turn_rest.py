"""`/turn`: TURN REST, as Janus asks for it and as coturn's companions answer it.

Spec: draft-uberti-behave-turn-rest-00 section 2.
"""

from typing import Any

from fastapi import APIRouter, Request, Response, Security
from fastapi.security import APIKeyQuery

from relay.api.dependencies import faults
from relay.api.schemas.vendors import TurnRestCredential
from relay.api.vendors.forms import fields, raw
from relay.api.vendors.minting import FAULTS, Mint, Minter, unstored
from relay.errors import CallError

_KEY = Security(
    APIKeyQuery(
        name="key", auto_error=False, description="One of `api.tokens`; Janus adds it as `api` too."
    )
)
_HOW_TO_NAME = "Send username=CALL:PARTY, where what stands before the colon names the call."
_USERNAME = {
    "name": "username",
    "in": "query",
    "required": False,
    "description": "What stands before the first colon names the call. Without a colon: no call.",
    "schema": {"type": "string"},
    "example": "weekly-meeting:alice",
}
_SERVICE = {
    "name": "service",
    "in": "query",
    "required": False,
    "description": "`turn`, or absent.",
    "schema": {"type": "string", "const": "turn"},
}
_FORM: dict[str, Any] = {
    "required": False,
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "properties": {
                    "service": {"type": "string", "const": "turn"},
                    "username": {"type": "string"},
                },
                "example": {"service": "turn", "username": "weekly-meeting:alice"},
            }
        }
    },
}
_PARAMETERS = {"parameters": [_SERVICE, _USERNAME]}

router = APIRouter(prefix="/turn", tags=["vendors"], dependencies=[_KEY])


@router.get(
    "",
    response_model=TurnRestCredential,
    responses=faults(*FAULTS),
    openapi_extra=_PARAMETERS,
)
async def get_turn_rest_credential(request: Request, minter: Mint) -> Response:
    """Make a credential in the shape of TURN REST.

    The part of `username` before its first colon names the call: credentials that you ask for with
    the same one are of one call, which is closed. Without a colon the credential is of a user in no
    call, where `relay.peers` is `relay`, `listed` or `any`.
    """
    return _answer(minter, request.scope["query_string"])


@router.post(
    "",
    response_model=TurnRestCredential,
    responses=faults("too_large", *FAULTS),
    openapi_extra={**_PARAMETERS, "requestBody": _FORM},
)
async def create_turn_rest_credential(request: Request, minter: Mint) -> Response:
    """Make a credential in the shape of TURN REST, as Janus asks for it.

    Janus writes every parameter into the URL and into the body. The token must stand in the URL;
    of the other parameters that of the URL counts.
    """
    return _answer(minter, request.scope["query_string"], await request.body())


def _answer(minter: Minter, *sources: bytes) -> Response:
    try:
        given = fields(*sources)
        identifier = _identifier(given.get("username", ""))
    except ValueError:
        raise CallError("invalid_request", "Send fewer parameters, in UTF-8.") from None
    if given.get("service", "turn") != "turn":
        raise CallError("invalid_request", "service: turn is the only one.")
    minted = minter.mint(identifier, None, _HOW_TO_NAME)
    uris = sorted(minted.urls, key=lambda url: "[" in url)
    body = TurnRestCredential(
        username=minted.username, password=minted.password, ttl=minted.ttl_s, uris=uris
    )
    return unstored(body)


def _identifier(username: str) -> bytes:
    """What names the call; empty where nothing does. Raises: ValueError."""
    identifier, colon, _ = username.partition(":")
    return raw(identifier) if colon else b""
