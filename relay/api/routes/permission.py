"""`/v1/permission`: who may call whom."""

from fastapi import APIRouter, Response

from relay.api.dependencies import BEARER, faults, json
from relay.api.schemas.permission import AskedPermission, Permission
from relay.contacts import CalleeSettings, MessageRequest, Relationship, Switch, decide

router = APIRouter(prefix="/v1/permission", tags=["permission"], dependencies=[BEARER])


@router.post("", response_model=Permission, responses=faults("malformed_body", "invalid_request"))
async def decide_permission(asked: AskedPermission) -> Response:
    """Decide who may call whom. Nothing is kept, and the two are not named."""
    facts = asked.relationship.model_dump()
    facts["message_request"] = MessageRequest(facts["message_request"])
    allow = frozenset(map(Switch, asked.settings.allow))
    decision = decide(Relationship(**facts), CalleeSettings(asked.settings.calling, allow))
    return json(Permission(allowed=decision.allowed, reason=decision.reason))
