"""`/2010-04-01/Accounts/{sid}/Tokens.json`: Twilio's Network Traversal Service Tokens."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response, Security, status
from fastapi.security import HTTPBasic
from pydantic import AfterValidator

from relay.api.dependencies import Daemon, faults
from relay.api.paths import checked
from relay.api.schemas.vendors import TwilioCredential, TwilioFault, TwilioIceServer
from relay.api.vendors.forms import fields, raw
from relay.api.vendors.minting import FAULTS, Mint, Minted, unstored
from relay.errors import CallError

_HOW_TO_NAME = "Send CustomIdentifier, which names the call."
_DIGITS = 9


class _Basic(HTTPBasic):
    """For the OpenAPI document only: `guard.py` is what checks."""

    async def __call__(self, request: Request) -> None:  # type: ignore[override]
        return None


_BASIC = Security(
    _Basic(
        scheme_name="HTTPBasic", description="Any user name; the password is one of `api.tokens`."
    )
)
_FORM: dict[str, Any] = {
    "required": False,
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "properties": {
                    "Ttl": {
                        "type": "integer",
                        "description": "For how many seconds the credential may start allocations."
                        " Default: `auth.ttl_s`.",
                    },
                    "CustomIdentifier": {
                        "type": "string",
                        "description": "Names the call. Twilio's own client does not send it.",
                    },
                },
                "example": {"Ttl": 86400, "CustomIdentifier": "weekly-meeting"},
            }
        }
    },
}

AccountSid = Annotated[
    str, Path(description="Any: it comes back in the answer."), AfterValidator(checked)
]

router = APIRouter(
    prefix="/2010-04-01/Accounts/{sid:name}", tags=["vendors"], dependencies=[_BASIC]
)


@router.post(
    "/Tokens.json",
    status_code=status.HTTP_201_CREATED,
    response_model=TwilioCredential,
    responses=faults("too_large", *FAULTS, model=TwilioFault),
    openapi_extra={"requestBody": _FORM},
)
async def create_twilio_credential(
    sid: AccountSid, request: Request, minter: Mint, relay: Daemon
) -> Response:
    """Make a credential in the shape of Twilio's Tokens.

    The parameter `CustomIdentifier`, in the body or in the URL, names the call: credentials that
    you ask for with the same one are of one call, which is closed. Without it the credential is of
    a user in no call, where `relay.peers` is `relay`, `listed` or `any`.
    """
    try:
        given = fields(await request.body(), request.scope["query_string"])
        identifier = raw(given.get("customidentifier", ""))
    except ValueError:
        raise CallError("invalid_request", "Send fewer parameters, in UTF-8.") from None
    minted = minter.mint(identifier, _ttl(given.get("ttl")), _HOW_TO_NAME)
    made = format_datetime(datetime.fromtimestamp(int(relay.now().wall), UTC))
    body = TwilioCredential(
        username=minted.username,
        password=minted.password,
        ttl=str(minted.ttl_s),
        account_sid=sid,
        ice_servers=_servers(minted),
        date_created=made,
        date_updated=made,
    )
    return unstored(body, status=201)


def _ttl(text: str | None) -> int | None:
    if text is None:
        return None
    is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    return int(text) if is_number else 0


def _servers(minted: Minted) -> list[TwilioIceServer]:
    """One for each URL, as Twilio has it."""
    stun = TwilioIceServer(url=minted.stun_url, urls=minted.stun_url)
    turn = [
        TwilioIceServer(url=url, urls=url, username=minted.username, credential=minted.password)
        for url in minted.urls
    ]
    return [stun, *turn]
