"""`/v1/calls/{id}/description` and `…/candidate`: what parties say, made safe to pass on."""

from typing import Annotated, Any, Self

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from relay.calls.descriptions import HeldCandidate, Kind, Removed
from relay.calls.descriptions.formats import NAME
from relay.calls.signaling import describe, trickle
from relay.control.asked import Asked, PartyId
from relay.control.dependencies import BEARER, Daemon, faults, json
from relay.control.models import CallView, Camel

router = APIRouter(prefix="/v1/calls/{call}", tags=["signaling"], dependencies=[BEARER])

CallId = Annotated[str, Path(description="as the call's creation answered it")]
Mid = Annotated[str, Field(pattern=f"^{NAME}$")]
MLineIndex = Annotated[int, Field(ge=0, le=255)]
Ufrag = Annotated[str, Field(pattern="^[A-Za-z0-9+/]{4,256}$")]

_FAULTS = ("unknown_call", "unknown_party", "wrong_state", "too_large", "too_many")
_REMOVED: list[JsonValue] = [
    {"kind": "candidate_host", "count": 2},
    {"kind": "connection", "count": 1},
]
_OURS = "candidate:1 1 udp 50331647 192.0.2.1 50000 typ relay raddr 0.0.0.0 rport 9"


class AskedDescription(Asked):
    """An offer or an answer, as a party's WebRTC stack wrote it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"from": "alice", "sdp": "v=0\r\no=- 46117 2 IN IP4 127.0.0.1\r\n…"}
        }
    )

    from_: Annotated[PartyId, Field(alias="from", description="the party that wrote it")]
    sdp: str = Field(description="at most 262144 bytes")


class AskedCandidate(Asked):
    """A trickled candidate: `RTCIceCandidate.toJSON()` of a browser, and whose it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "from": "alice",
                "candidate": "candidate:842163049 1 udp 1677729535 …",
                "sdpMid": "0",
                "sdpMLineIndex": 0,
            }
        }
    )

    from_: Annotated[PartyId, Field(alias="from", description="the party that sent it")]
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
        json_schema_extra={
            "example": {
                "sdp": "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\n…",
                "held": 0,
                "removed": _REMOVED,
            }
        }
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
                "candidate": _OURS,
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
    """A call that has just been accepted, and the candidates that waited for it, by party."""

    candidates: dict[str, list[Candidate]]


@router.post(
    "/description",
    response_model=Description,
    responses=faults(*_FAULTS, "bad_description", "plain_media"),
)
async def rebuild_description(call: CallId, asked: AskedDescription, relay: Daemon) -> Response:
    """Rebuild a party's description, so that it names no address but the relay's.

    In a call that is not relayed it comes back as it is.
    """
    now = relay.now()
    found = relay.registry.live(call, now)
    rebuilt = describe(found, asked.from_, asked.sdp, relay.relayed(call), now.mono)
    removed = RemovedView.all_of(rebuilt.removed)
    return json(Description(sdp=rebuilt.sdp, held=len(rebuilt.held), removed=removed))


@router.post(
    "/candidate",
    response_model=TrickledCandidate,
    responses=faults(*_FAULTS, "invalid_request"),
)
async def rebuild_candidate(call: CallId, asked: AskedCandidate, relay: Daemon) -> Response:
    """Rebuild a party's trickled candidate; in a call that rings, hold it."""
    now = relay.now()
    found = relay.registry.live(call, now)
    sent = asked.sent()
    trickled = trickle(found, asked.from_, sent, relay.relayed(call), now.mono)
    fields: dict[str, Any] = {**sent._asdict(), **trickled._asdict()}
    fields["removed"] = RemovedView.all_of(trickled.removed)
    return json(TrickledCandidate(**fields))
