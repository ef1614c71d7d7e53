"""Bodies of `/v1/permission`."""

from typing import Annotated

from pydantic import ConfigDict, Field

from relay import contacts
from relay.api.schemas.base import ANY_TYPE, RequestBody, ResponseBody
from relay.contacts import MessageRequest, PermissionReason, PermissionSwitch


class Relationship(RequestBody):
    """What connects caller and callee. A fact that you leave out counts as false."""

    callee_follows_caller: bool = False
    in_callee_address_book: bool = False
    """True if the caller is in the callee's address book."""
    caller_verified: bool = False
    """True if your service vouches for who the caller is."""
    message_request: Annotated[MessageRequest, ANY_TYPE] = MessageRequest.NONE
    """What became of the caller's message request to the callee."""
    blocked: bool = False
    """True if either party blocked the other."""


class CalleeSettings(RequestBody):
    """Whose calls the callee takes. Settings that you leave out have the values shown."""

    calling: bool = True
    """False: the callee takes no calls."""
    allow: Annotated[
        tuple[Annotated[PermissionSwitch, ANY_TYPE], ...], Field(max_length=16), ANY_TYPE
    ] = (
        PermissionSwitch.FOLLOW,
        PermissionSwitch.ACCEPTED_MESSAGE,
    )
    """The callers that the callee admits. One that fits is enough."""


class PermissionRequest(RequestBody):
    """The question whether this caller may call this callee. It names neither."""

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

    relationship: Relationship = Relationship()
    settings: CalleeSettings = CalleeSettings()

    def facts(self) -> tuple[contacts.Relationship, contacts.CalleeSettings]:
        """Convert it for the rules."""
        settings = contacts.CalleeSettings(self.settings.calling, frozenset(self.settings.allow))
        return contacts.Relationship(**dict(self.relationship)), settings


class Permission(ResponseBody):
    """Whether the caller may call, and why."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"allowed": False, "reason": "not_admitted"}}
    )

    allowed: bool
    reason: PermissionReason
    """For the callee's side only. Tell a caller the same for every refusal."""
