"""The bodies of the API: what is asked, what is answered, and what follows from a call."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from relay.api.relay import LegView
from relay.api.schemas.base import Asked, PartyId, PartyName
from relay.api.schemas.endpoints import ASKED_ICE, AskedAccess, PortParty
from relay.api.schemas.examples import ACTIVE, HEAD, LEG, SERVERS
from relay.calls.call import Call, Order, Party
from relay.calls.changes import Change, PartyChange
from relay.calls.leaving import Answered
from relay.ice.access import Access


class AskedParty(AskedAccess):
    """One side of a call. `id` is yours: it comes back to you and goes nowhere else."""

    model_config = ConfigDict(json_schema_extra={"example": {"id": "alice", "ice": ASKED_ICE}})

    id: PartyId
    enhanced_call_privacy: bool = False


class AskedCall(Asked):
    """A call that is to be created. What is absent is false, or the operator's limit."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "parties": [{"id": "alice", "enhanced_call_privacy": True}, {"id": "bob"}],
                "ring": True,
                "mode": "turn",
                "max_duration_s": 3600,
                "max_bitrate_bps": 4000000,
            }
        }
    )

    parties: Annotated[list[AskedParty], Field(min_length=2)]
    ring: bool = Field(
        True, description="nothing crosses until the call is accepted; false: active at once"
    )
    mode: Literal["turn", "ports"] = Field(
        "turn", description="ports: a relayed port for each of two parties, instead of TURN"
    )
    max_duration_s: Annotated[int, Field(ge=1)] | None = None
    max_bitrate_bps: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _needs_ports(self) -> Self:
        if self.mode == "turn" and any(each.ice or each.address for each in self.parties):
            raise ValueError("ice and address of a party are for ports mode")
        return self

    def order(self) -> Order:
        """The same for the book of calls."""
        parties = tuple(Party(each.id, each.enhanced_call_privacy) for each in self.parties)
        ports = self.mode == "ports"
        return Order(parties, self.ring, self.max_duration_s, self.max_bitrate_bps, ports)

    def access(self) -> dict[str, Access]:
        """What is known of each party, by its id."""
        return {each.id: each.access() for each in self.parties}


class AskedAcceptance(Asked):
    """Who has answered: a party, by its id or by its leg. Without it, all who were called stay."""

    model_config = ConfigDict(json_schema_extra={"example": {"party": "bob-phone"}})

    party: PartyName | None = None
    leg: PartyName | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.party is not None and self.leg is not None:
            raise ValueError("party or leg is expected, not both")
        return self

    def answered(self) -> Answered | None:
        """The same for the book of calls; None where nobody is named."""
        answered = Answered(self.party, self.leg)
        return answered if any(answered) else None


class AskedPartyChange(Asked):
    """A party of the call, or one that joins it. What is absent stays as it was, or is off."""

    id: PartyId
    enhanced_call_privacy: bool | None = None


class AskedChange(Asked):
    """What is to be different about a call. Privacy is switched on, never off."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "parties": [{"id": "bob", "enhanced_call_privacy": True}, {"id": "carol"}],
                "max_duration_s": 7200,
            }
        }
    )

    parties: list[AskedPartyChange] = Field(default=[], description="those who change, or join")
    max_duration_s: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="of the whole call, counted from its creation; it only grows"
    )

    def change(self) -> Change:
        """The same for the book of calls."""
        parties = tuple(PartyChange(each.id, each.enhanced_call_privacy) for each in self.parties)
        return Change(parties, self.max_duration_s)


class Camel(BaseModel):
    """Named as the W3C names them."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True
    )


class IceServer(Camel):
    """`RTCIceServer` of the W3C."""

    urls: list[str]
    username: str
    credential: str


class RtcConfiguration(Camel):
    """`RTCConfiguration` of the W3C: goes into `new RTCPeerConnection(…)` as it is."""

    ice_servers: list[IceServer]
    ice_transport_policy: Literal["relay", "all"]


class CreatedParty(BaseModel):
    """What one party is told."""

    leg: str
    rtc_configuration: RtcConfiguration


class Head(BaseModel):
    """What every answer about a call begins with."""

    id: str
    state: Literal["ringing", "active", "ended"]
    relayed: bool
    masked: list[str]
    expires_at: str = Field(description="when the call ends at the latest, or has ended")


class CreatedCall(Head):
    """A call as it was created or changed: its parties, and for each what goes to it alone."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **HEAD,
                "state": "ringing",
                "parties": {"alice": {"leg": LEG, "rtc_configuration": SERVERS}},
            }
        }
    )

    parties: dict[str, CreatedParty | PortParty]


class PartyView(BaseModel):
    """One leg and its statistics."""

    leg: str
    connected: bool
    transport: Literal["udp", "tcp", "tls"] | None
    path: Literal["kernel", "user"] | None
    packets: int
    bytes: int
    dropped: int

    @classmethod
    def of(cls, leg: str, view: LegView) -> Self:
        """Built without validation: it is the daemon's own, and lists are long."""
        return cls.model_construct(leg=leg, **view._asdict())


class CallView(Head):
    """A call as it stands. Of an ended one, the parties are forgotten."""

    model_config = ConfigDict(json_schema_extra={"example": ACTIVE})

    parties: dict[str, PartyView]


class CallList(BaseModel):
    """Live calls, eldest first; `next` goes into `after` to go on, null at the end."""

    model_config = ConfigDict(json_schema_extra={"example": {"calls": [ACTIVE], "next": 201}})

    calls: list[CallView]
    next: int | None


def head(call: Call) -> dict[str, Any]:
    """The fields that every answer about a call has."""
    ends = datetime.fromtimestamp(int(call.expires_at), UTC)
    return {
        "id": call.id,
        "state": call.state.value,
        "relayed": call.relayed,
        "masked": call.masked,
        "expires_at": f"{ends:%Y-%m-%dT%H:%M:%SZ}",
    }
