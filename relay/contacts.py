"""Who may call whom: facts and switches in, one decision with its reason out.

Rules of this file: a fact that is not known is false, and a switch that is not known is as it was
delivered. The reason is for the callee's side alone. A caller is told `Decision.told_to_caller`,
which has one word for every refusal: whether it is blocked, not admitted, or calling a party that
has calls switched off is the callee's business.
"""

from enum import Enum
from typing import NamedTuple


class MessageRequest(Enum):
    """What became of the caller's message request to the callee."""

    NONE = "none"
    SENT = "sent"
    ACCEPTED = "accepted"


class Switch(Enum):
    """Whom a callee admits; any one of them that is on suffices."""

    FOLLOW = "follow"
    ADDRESS_BOOK = "address_book"
    VERIFIED = "verified"
    ACCEPTED_MESSAGE = "accepted_message"
    EVERYONE = "everyone"


class Reason(Enum):
    """Why it was decided so: what refused the call, or the first switch that admitted it."""

    CALLING_OFF = "calling_off"
    BLOCKED = "blocked"
    NOT_ADMITTED = "not_admitted"
    FOLLOW = "follow"
    ADDRESS_BOOK = "address_book"
    VERIFIED = "verified"
    ACCEPTED_MESSAGE = "accepted_message"
    EVERYONE = "everyone"


class Relationship(NamedTuple):
    """What is between caller and callee.

    Args:
        callee_follows_caller: following is one-sided; whether the caller follows decides nothing.
        in_callee_address_book: the caller is.
        caller_verified: the service vouches for who the caller is.
        message_request: the caller's to the callee.
        blocked: either has blocked the other; it is not said who.
    """

    callee_follows_caller: bool = False
    in_callee_address_book: bool = False
    caller_verified: bool = False
    message_request: MessageRequest = MessageRequest.NONE
    blocked: bool = False


class CalleeSettings(NamedTuple):
    """The callee's switches.

    Args:
        calling: off, nobody calls.
        allow: whom it admits.
    """

    calling: bool = True
    allow: frozenset[Switch] = frozenset({Switch.FOLLOW, Switch.ACCEPTED_MESSAGE})


class Decision(NamedTuple):
    """Whether the call may begin, and why, for the callee's side."""

    allowed: bool
    reason: Reason

    @property
    def told_to_caller(self) -> str:
        """All the caller may learn: the same for every refusal, and for a party that is away."""
        return "allowed" if self.allowed else "unavailable"


def decide(relationship: Relationship, settings: CalleeSettings) -> Decision:
    """Decide whether the caller may call the callee, as things stand now.

    To be asked when a call is created, when it is accepted, and when the relationship changes.
    """
    if not settings.calling:
        return Decision(False, Reason.CALLING_OFF)
    if relationship.blocked:
        return Decision(False, Reason.BLOCKED)
    for switch in Switch:
        if switch in settings.allow and _admits(switch, relationship):
            return Decision(True, Reason(switch.value))
    return Decision(False, Reason.NOT_ADMITTED)


def _admits(switch: Switch, relationship: Relationship) -> bool:
    """Whether this switch, when on, admits a caller of whom these facts hold."""
    return {
        Switch.FOLLOW: relationship.callee_follows_caller,
        Switch.ADDRESS_BOOK: relationship.in_callee_address_book,
        Switch.VERIFIED: relationship.caller_verified,
        Switch.ACCEPTED_MESSAGE: relationship.message_request is MessageRequest.ACCEPTED,
        Switch.EVERYONE: True,
    }[switch]
