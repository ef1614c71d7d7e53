"""Decides who may call whom: facts and switches in, one decision with its reason out.

Rules of this file: an unknown fact is false, and an unknown switch has its default. The reason is
for the callee's side alone. A caller is told `Decision.told_to_caller`, which is the same for every
refusal: it is the callee's business whether the caller is blocked or not admitted, or whether the
callee has switched calls off.
"""

from enum import Enum
from typing import NamedTuple


class MessageRequest(Enum):
    """The state of the caller's message request to the callee."""

    NONE = "none"
    SENT = "sent"
    ACCEPTED = "accepted"


class PermissionSwitch(Enum):
    """Whom a callee admits. One switch that is on suffices."""

    FOLLOW = "follow"
    ADDRESS_BOOK = "address_book"
    VERIFIED = "verified"
    ACCEPTED_MESSAGE = "accepted_message"
    EVERYONE = "everyone"


class PermissionReason(Enum):
    """Why a call is allowed or refused: what refused it, or the first switch that admitted it."""

    CALLING_OFF = "calling_off"
    BLOCKED = "blocked"
    NOT_ADMITTED = "not_admitted"
    FOLLOW = "follow"
    ADDRESS_BOOK = "address_book"
    VERIFIED = "verified"
    ACCEPTED_MESSAGE = "accepted_message"
    EVERYONE = "everyone"


class Relationship(NamedTuple):
    """The facts about caller and callee that decide.

    Args:
        callee_follows_caller: the callee follows the caller. Whether the caller follows the callee
            does not matter.
        in_callee_address_book: the caller is in the callee's address book.
        caller_verified: the service vouches for who the caller is.
        message_request: what became of the caller's message request to the callee.
        blocked: one of the two has blocked the other.
    """

    callee_follows_caller: bool = False
    in_callee_address_book: bool = False
    caller_verified: bool = False
    message_request: MessageRequest = MessageRequest.NONE
    blocked: bool = False


class CalleeSettings(NamedTuple):
    """What the callee has decided about calls.

    Args:
        calling: False if nobody may call.
        allow: whom the callee admits.
    """

    calling: bool = True
    allow: frozenset[PermissionSwitch] = frozenset(
        {PermissionSwitch.FOLLOW, PermissionSwitch.ACCEPTED_MESSAGE}
    )


class Decision(NamedTuple):
    """Whether the call may begin, and why. The reason is for the callee's side."""

    allowed: bool
    reason: PermissionReason

    @property
    def told_to_caller(self) -> str:
        """All that the caller may learn; equal for every refusal, and for a callee that is away."""
        return "allowed" if self.allowed else "unavailable"


def decide(relationship: Relationship, settings: CalleeSettings) -> Decision:
    """Decide whether the caller may call the callee now.

    Ask when you create a call, when you accept it, and when the relationship changes.
    """
    if not settings.calling:
        return Decision(False, PermissionReason.CALLING_OFF)
    if relationship.blocked:
        return Decision(False, PermissionReason.BLOCKED)
    for switch in PermissionSwitch:
        if switch in settings.allow and _admits(switch, relationship):
            return Decision(True, PermissionReason(switch.value))
    return Decision(False, PermissionReason.NOT_ADMITTED)


def _admits(switch: PermissionSwitch, relationship: Relationship) -> bool:
    """Whether this switch, if on, admits a caller in this relationship."""
    return {
        PermissionSwitch.FOLLOW: relationship.callee_follows_caller,
        PermissionSwitch.ADDRESS_BOOK: relationship.in_callee_address_book,
        PermissionSwitch.VERIFIED: relationship.caller_verified,
        PermissionSwitch.ACCEPTED_MESSAGE: relationship.message_request is MessageRequest.ACCEPTED,
        PermissionSwitch.EVERYONE: True,
    }[switch]
