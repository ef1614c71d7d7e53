"""The body of every fault."""

from pydantic import ConfigDict

from relay.api.schemas.base import ResponseBody


class Problem(ResponseBody):
    """Why the relay did not do what was asked (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_serialization_defaults_required=True,
        json_schema_extra={
            "example": {
                "type": "urn:callveil:problem:wrong_state",
                "title": "The state of the call does not allow this",
                "status": 409,
                "detail": "Only a ringing call can be accepted. This call is active.",
                "call": "cv_QmFzZTY0dXJsMTI4Yml0cw",
            }
        },
    )

    type: str
    """`urn:callveil:problem:` and a word of a closed list, which `docs/api.md` shows."""
    title: str
    """What the relay says of every problem of this type."""
    status: int
    """The status of the HTTP response."""
    detail: str = ""
    """What is wrong with this request and what is expected. It never repeats what you sent."""
    call: str | None = None
    """The id of the call, if the problem is about a call that the relay knows."""
