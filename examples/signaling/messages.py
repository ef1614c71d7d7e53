"""What pages send: one model per message, told apart by `type`.

Rules of this file: exact types, bounded lengths, no unknown field; what is not understood is
refused as a whole.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from relay.contacts import PermissionSwitch

MAX_BYTES = 300_000
"""A description of 256 KiB, callveil's limit, with what JSON adds to a usual one."""

Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True, pattern=r"^[\w.-]{1,32}$"),
]
CallId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Mid = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+-]{1,64}$")]
"""A section's id as callveil keeps it in descriptions: nothing in it can be an address."""
Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32,64}$")]


class Message(BaseModel):
    """What all have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SignIn(Message):
    """The first message of every page."""

    type: Literal["sign_in"]
    name: Name
    verified: bool = False


class Relation(Message):
    """What this person thinks of another; what is absent stays as it is."""

    type: Literal["relation"]
    name: Name
    follow: bool | None = None
    address_book: bool | None = None
    blocked: bool | None = None


class MessageTo(Message):
    """A message request, the first word that a stranger may send."""

    type: Literal["message"]
    name: Name


class AcceptMessage(Message):
    """Accept what another has sent."""

    type: Literal["accept_message"]
    name: Name


class Settings(Message):
    """This person's switches, all of them."""

    type: Literal["settings"]
    calling: bool
    allow: frozenset[PermissionSwitch]
    enhanced_call_privacy: bool


class PlaceCall(Message):
    """Call somebody."""

    type: Literal["call"]
    name: Name


class Accept(Message):
    """Take a ringing call; `commitment` is for the code that the two compare."""

    type: Literal["accept"]
    call: CallId
    commitment: Hex


class HangUp(Message):
    """Decline, cancel or end."""

    type: Literal["hang_up"]
    call: CallId


class Description(Message):
    """An offer or answer for the other page."""

    type: Literal["description"]
    call: CallId
    kind: Literal["offer", "answer"]
    sdp: str


class Candidate(Message):
    """One candidate for the other page, as RTCIceCandidateInit has it."""

    type: Literal["candidate"]
    call: CallId
    candidate: Annotated[str, StringConstraints(max_length=1024)]
    mid: Mid | None = None
    index: Annotated[int, Field(ge=0, le=255)] | None = None


class Reveal(Message):
    """What the commitment was made of, once the offer has come."""

    type: Literal["reveal"]
    call: CallId
    nonce: Hex


class Statistics(Message):
    """Ask what the relay has counted."""

    type: Literal["statistics"]
    call: CallId


AnyMessage = Annotated[
    SignIn
    | Relation
    | MessageTo
    | AcceptMessage
    | Settings
    | PlaceCall
    | Accept
    | HangUp
    | Description
    | Candidate
    | Reveal
    | Statistics,
    Field(discriminator="type"),
]

_ADAPTER: TypeAdapter[AnyMessage] = TypeAdapter(AnyMessage)


def parse(text: str) -> AnyMessage:
    """Read one message. Raises: ValueError. Nothing else."""
    return _ADAPTER.validate_json(text)
