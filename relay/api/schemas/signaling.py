"""Bodies of `description` and `candidate`, and what `accept` releases of them."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from relay.api.schemas.base import Asked, PartyName
from relay.api.schemas.calls import CallView, Camel
from relay.api.schemas.examples import ACTIVE, COMPLETE, OURS, REBUILT, REMOVED, THEIRS, WRITTEN
from relay.calls.signaling import Released
from relay.sdp import HeldCandidate, Kind, Removed
from relay.sdp.formats import NAME

Mid = Annotated[str, Field(pattern=f"^{NAME}$")]
MLineIndex = Annotated[int, Field(ge=0, le=255)]
Ufrag = Annotated[str, Field(pattern="^[A-Za-z0-9+/]{4,256}$")]


class AskedDescription(Asked):
    """An offer or an answer, as a party's WebRTC stack wrote it."""

    model_config = ConfigDict(json_schema_extra={"example": {"from": "alice", "sdp": WRITTEN}})

    from_: Annotated[PartyName, Field(alias="from", description="the party that wrote it")]
    sdp: str = Field(description="at most 262144 bytes")


class AskedCandidate(Asked):
    """A trickled candidate: `RTCIceCandidate.toJSON()` of a browser, and whose it is."""

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

    from_: Annotated[PartyName, Field(alias="from", description="the party that sent it")]
    candidate: Annotated[str, Field(max_length=4096)]
    sdp_mid: Annotated[Mid | None, Field(alias="sdpMid")] = None
    sdp_m_line_index: Annotated[MLineIndex | None, Field(alias="sdpMLineIndex")] = None
    username_fragment: Annotated[Ufrag | None, Field(alias="usernameFragment")] = None

    def sent(self) -> HeldCandidate:
        """The same for the rebuilder."""
        return HeldCandidate(self.candidate, self.sdp_mid, self.sdp_m_line_index)


class RemovedView(BaseModel):
    """So many of one kind were dropped, or replaced by a constant. Never what they were."""

    kind: Kind
    count: int

    @classmethod
    def all_of(cls, removed: tuple[Removed, ...]) -> list[Self]:
        """One for each kind."""
        return [cls(kind=each.kind, count=each.count) for each in removed]


class Description(BaseModel):
    """What goes to the other parties.

    `held`: candidates that were set apart since the call rings; the answer to `accept` has them.
    """

    model_config = ConfigDict(
        json_schema_extra={"example": {"sdp": REBUILT, "held": 1, "removed": [*REMOVED]}}
    )

    sdp: str
    held: int
    removed: list[RemovedView]


class Candidate(Camel):
    """`RTCIceCandidateInit` of the W3C, as `addIceCandidate` takes it."""

    candidate: str
    sdp_mid: str | None
    sdp_m_line_index: int | None

    @classmethod
    def of(cls, held: HeldCandidate) -> Self:
        """One that was held."""
        return cls(**held._asdict())


class TrickledCandidate(Camel):
    """What goes to the other parties; `candidate` is null where nothing does, now or ever.

    `held`: the call rings, and the answer to `accept` has the candidate.
    """

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
    sdp_mid: str | None
    sdp_m_line_index: int | None
    held: bool
    removed: list[RemovedView]


class AcceptedCall(CallView):
    """A call that has just been accepted, and what waited for it, by party."""

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

    candidates: dict[str, list[Candidate]] = Field(
        description="for `addIceCandidate` of the other parties"
    )
    descriptions: dict[str, str] = Field(
        description="the latest of each party that sent one, with its candidates inside"
    )

    @classmethod
    def of(cls, view: CallView, released: Mapping[str, Released]) -> Self:
        """Built without validation, as the view was."""
        return cls.model_construct(
            **dict(view),
            candidates={
                name: [*map(Candidate.of, each.candidates)]
                for name, each in released.items()
                if each.candidates
            },
            descriptions={
                name: each.description for name, each in released.items() if each.description
            },
        )
