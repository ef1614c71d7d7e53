"""`/v1/turn/keys/{key}/credentials`: Cloudflare's credentials, and their end."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Response, status

from relay.api.dependencies import BEARER, Daemon, faults
from relay.api.schemas.vendors import (
    CloudflareCredentialCreate,
    CloudflareFault,
    CloudflareIceServer,
    CloudflareIceServerCreated,
    CloudflareIceServers,
)
from relay.api.vendors.minting import FAULTS, Mint, Minted, Minter, unstored
from relay.api.vendors.revoking import revoke
from relay.errors import CallError

_HOW_TO_NAME = "Send customIdentifier, which names the call."

Key = Annotated[str, Path(description="Any: the token alone is looked at.")]
Body = CloudflareCredentialCreate | None

router = APIRouter(
    prefix="/v1/turn/keys/{key:name}/credentials", tags=["vendors"], dependencies=[BEARER]
)


def _faults(*kinds: str) -> dict[int | str, dict[str, Any]]:
    return faults(*kinds, model=CloudflareFault)


@router.post(
    "/generate-ice-servers",
    status_code=status.HTTP_201_CREATED,
    response_model=CloudflareIceServers,
    responses=_faults("too_large", "malformed_body", *FAULTS),
)
async def create_cloudflare_ice_servers(key: Key, minter: Mint, body: Body = None) -> Response:
    """Make a credential in Cloudflare's shape, as a list of ICE servers.

    The field `customIdentifier` names the call: credentials that you ask for with the same one are
    of one call, which is closed. Without it the credential is of a user in no call, where
    `relay.peers` is `relay`, `listed` or `any`.
    """
    minted = _mint(minter, body)
    servers = [CloudflareIceServer(urls=[minted.stun_url]), _server(minted, [])]
    answer = CloudflareIceServers(ice_servers=servers, ice_transport_policy=_policy(minted))
    return unstored(answer, status=201)


@router.post(
    "/generate",
    status_code=status.HTTP_201_CREATED,
    response_model=CloudflareIceServerCreated,
    responses=_faults("too_large", "malformed_body", *FAULTS),
)
async def create_cloudflare_ice_server(key: Key, minter: Mint, body: Body = None) -> Response:
    """Make a credential in Cloudflare's older shape, as one ICE server."""
    minted = _mint(minter, body)
    server = _server(minted, [minted.stun_url])
    answer = CloudflareIceServerCreated(ice_servers=server, ice_transport_policy=_policy(minted))
    return unstored(answer, status=201)


@router.post(
    "/{username:name}/revoke",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=_faults("unknown_credential", "no_users", "invalid_request"),
)
async def revoke_cloudflare_credential(key: Key, username: str, relay: Daemon) -> Response:
    """Revoke a credential: what it holds ends at once, and it is good for nothing any more.

    It may be one that any of the vendors' requests has made. Revoking it again changes nothing.
    """
    revoke(relay, username)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


def _mint(minter: Minter, body: Body) -> Minted:
    identifier = (body.custom_identifier if body else None) or ""
    try:
        named = identifier.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can write
        raise CallError("invalid_request", "customIdentifier: send text in UTF-8.") from None
    return minter.mint(named, body.ttl if body else None, _HOW_TO_NAME)


def _server(minted: Minted, before: list[str]) -> CloudflareIceServer:
    return CloudflareIceServer(
        urls=[*before, *minted.urls], username=minted.username, credential=minted.password
    )


def _policy(minted: Minted) -> Literal["relay"] | None:
    return "relay" if minted.is_of_call else None
