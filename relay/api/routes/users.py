"""`/v1/users`: what may be done to whoever a credential names that names no call."""

from typing import Annotated

from fastapi import APIRouter, Query, Response, status

from relay.api.dependencies import BEARER, Daemon, faults
from relay.api.paths import UserId

router = APIRouter(prefix="/v1/users", tags=["users"], dependencies=[BEARER])

_LONGEST_S = 2_592_000  # 30 days, the longest that a credential of the relay's own may last

_ForS = Annotated[
    int | None,
    Query(
        ge=0,
        le=_LONGEST_S,
        description="Refuse the user for this many seconds; 0 ends an earlier revocation. Without "
        "it: `auth.revocation_s`.",
    ),
]


@router.delete(
    "/{name:name}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=faults("no_users", "invalid_request"),
)
async def revoke_user(name: UserId, relay: Daemon, for_s: _ForS = None) -> Response:
    """Revoke a user: end its allocations at once, and refuse it for a while.

    The relay refuses every credential of the user, also those that are made meanwhile. Revoking a
    user again, or one that has never come, is no fault; the latest request says for how long.
    """
    relay.revoke_user(name, for_s)
    return Response(status_code=status.HTTP_204_NO_CONTENT)
