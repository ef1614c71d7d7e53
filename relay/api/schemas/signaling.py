"""Bodies about what parties write: descriptions, candidates, and what `accept` releases of them."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import ConfigDict, Field

from relay.api.schemas.base import CamelCase, PartyName, RequestBody, ResponseBody
from relay.api.schemas.calls import Call
from relay.api.schemas.examples import ACTIVE, COMPLETE, OURS, REBUILT, REMOVED, THEIRS, WRITTEN
from relay.calls.signaling import Released
from relay.sdp import HeldCandidate, Removed
from relay.sdp.formats import NAME

_Mid = Annotated[str, Field(pattern=f"^{NAME}$")]
_MLineIndex = Annotated[int, Field(ge=0, le=255)]
_Ufrag = Annotated[str, Field(pattern="^[A-Za-z0-9+/]{4,256}$")]


class DescriptionCreate(RequestBody):
    """A session description, an offer or an answer, as a party's WebRTC stack wrote it."""

    model_config = ConfigDict(json_schema_extra={"example": {"from": "alice", "sdp": WRITTEN}})

    from_: Annotated[PartyName, Field(alias="from")]
    """The id of the party that wrote it."""
    sdp: str
    """At most 262144 bytes."""


class CandidateCreate(RequestBody):
    """A trickled candidate: `RTCIceCandidate.toJSON()` of a browser, and the party that sent it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "from": "alice",
                "candidate": THEIRS,
                "sdpMid": "0",
                "sdpMLineIndex": 0,
            }
        }
    )

    from_: Annotated[PartyName, Field(alias="from")]
    """The id of the party that sent it."""
    candidate: Annotated[str, Field(max_length=4096)]
    sdp_mid: Annotated[_Mid | None, Field(alias="sdpMid")] = None
    sdp_m_line_index: Annotated[_MLineIndex | None, Field(alias="sdpMLineIndex")] = None
    username_fragment: Annotated[_Ufrag | None, Field(alias="usernameFragment")] = None

    def sent(self) -> HeldCandidate:
        """Convert it for the core."""
        return HeldCandidate(self.candidate, self.sdp_mid, self.sdp_m_line_index)


class Description(ResponseBody):
    """The description to pass on to the other parties."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"sdp": REBUILT, "held": 1, "removed": [*REMOVED]}}
    )

    sdp: str
    """The description that the relay rebuilt. It names no address but the relay's. If the call is
    not relayed, it is the description that you sent."""
    held: int
    """How many candidates the relay keeps until you accept the call; `accept` answers them."""
    removed: tuple[Removed, ...]
    """What the relay took out or replaced by a constant: kinds and counts, never values."""


class IceCandidateInit(CamelCase):
    """`RTCIceCandidateInit` of the W3C: pass it to `addIceCandidate` as it is."""

    candidate: str
    sdp_mid: str | None
    sdp_m_line_index: int | None


class Candidate(CamelCase):
    """The candidate to pass on to the other parties."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "candidate": OURS,
                "sdpMid": "0",
                "sdpMLineIndex": 0,
                "held": False,
                "removed": [{"kind": "candidate_detail", "count": 1}],
            }
        }
    )

    candidate: str | None
    """Null: do not pass anything on now."""
    sdp_mid: str | None
    sdp_m_line_index: int | None
    held: bool
    """True: the relay keeps the candidate until you accept the call; `accept` answers it."""
    removed: tuple[Removed, ...]
    """What the relay took out or replaced by a constant: kinds and counts, never values."""


class CallAccepted(Call):
    """A call that you accepted, and what the relay kept of each party until then."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **ACTIVE,
                "candidates": {
                    "alice": [{"candidate": OURS, "sdpMid": "0", "sdpMLineIndex": 0}],
                },
                "descriptions": {"alice": COMPLETE},
            }
        }
    )

    candidates: dict[str, list[IceCandidateInit]]
    """By the id of the party that sent them. Pass them to `addIceCandidate` of the others."""
    descriptions: dict[str, str]
    """By the id of the party that sent it: its latest description, with its candidates inside."""

    @classmethod
    def of(cls, call: Call, released: Mapping[str, Released]) -> Self:
        """Add what was released. Not validated again: it is the relay's own."""
        return cls.model_construct(
            **dict(call),
            candidates={
                name: [IceCandidateInit(**held._asdict()) for held in each.candidates]
                for name, each in released.items()
                if each.candidates
            },
            descriptions={
                name: each.description for name, each in released.items() if each.description
            },
        )
