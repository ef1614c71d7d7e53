"""`/v1/permission`: who may call whom."""

from fastapi import APIRouter, Response

from relay.api.dependencies import BEARER, faults, json
from relay.api.schemas.permission import Permission, PermissionRequest
from relay.contacts import decide

router = APIRouter(prefix="/v1/permission", tags=["permission"], dependencies=[BEARER])


@router.post("", response_model=Permission, responses=faults("malformed_body", "invalid_request"))
async def decide_permission(body: PermissionRequest) -> Response:
    """Decide whether a caller may call a callee.

    The relay stores nothing, and the request names neither of them.
    """
    return json(Permission(**decide(*body.facts())._asdict()))
