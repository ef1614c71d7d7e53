"""Bodies of `/v1/permission`."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from relay.api.schemas.base import Asked
from relay.contacts import Reason

SwitchName = Literal["follow", "address_book", "verified", "accepted_message", "everyone"]


class AskedRelationship(Asked):
    """What is between the two. A fact that is absent counts as false."""

    callee_follows_caller: bool = False
    in_callee_address_book: bool = False
    caller_verified: bool = False
    message_request: Literal["none", "sent", "accepted"] = "none"
    blocked: Annotated[bool, Field(description="either has blocked the other")] = False


class AskedSettings(Asked):
    """The callee's switches. What is absent is as shown."""

    calling: bool = True
    allow: Annotated[tuple[SwitchName, ...], Field(max_length=16, strict=False)] = (
        "follow",
        "accepted_message",
    )


class AskedPermission(Asked):
    """May this caller call this callee?"""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "relationship": {
                    "callee_follows_caller": False,
                    "in_callee_address_book": False,
                    "caller_verified": False,
                    "message_request": "none",
                    "blocked": False,
                },
                "settings": {"calling": True, "allow": ["follow", "accepted_message"]},
            }
        }
    )

    relationship: AskedRelationship = AskedRelationship()
    settings: AskedSettings = AskedSettings()


class Permission(BaseModel):
    """The decision. `reason` is for the callee's side; tell a caller the same for every refusal."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"allowed": False, "reason": "not_admitted"}}
    )

    allowed: bool
    reason: Reason
