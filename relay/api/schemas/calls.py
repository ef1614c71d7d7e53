"""Bodies about a call: creating, accepting and changing it, and the call as it stands."""

from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from relay.api.relay import Party
from relay.api.schemas.base import CamelCase, PartyId, PartyName, RequestBody, ResponseBody
from relay.api.schemas.endpoints import (
    ICE,
    IceCredentials,
    PartyAddress,
    PortPartyCreated,
    access_of,
)
from relay.api.schemas.examples import ACTIVE, HEAD, LEG, SERVERS
from relay.calls.call import Call as CoreCall
from relay.calls.call import CallState
from relay.calls.changes import Change, PartyChange
from relay.calls.leaving import AnsweredBy
from relay.calls.making import Order
from relay.calls.making import Party as CoreParty
from relay.calls.reach import Listed, ports_of
from relay.ice.access import Access

_Limit = Annotated[int, Field(ge=1)]


def _text_or_address(
    value: object, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
) -> object:
    """Let the text of a media server's address pass; its ports tell that it is one."""
    if isinstance(value, str) and info.data.get("ports") is not None:
        return value
    return handler(value)


_Address = Annotated[
    PartyAddress,
    WrapValidator(_text_or_address, json_schema_input_type=PartyAddress | str),
]


class PartyCreate(RequestBody):
    """One party of a call. The first party of a call is the caller."""

    model_config = ConfigDict(json_schema_extra={"example": {"id": "alice", "ice": ICE}})

    id: PartyId
    """Your name for the party. The relay returns it to you and gives it to nobody else."""
    enhanced_call_privacy: bool = False
    """True if this party wants its IP address kept from the other parties."""
    ice: IceCredentials | None = None
    """In `ports` mode: the credentials in the party's own description, if the party does ICE."""
    ports: Annotated[str | None, Field(max_length=11)] = None
    """The party is a media server, and these are its UDP ports, such as `10000-20000`. It needs no
    credential. The other parties may exchange data with it: they know its address, and in a relayed
    call it sees the relay's."""
    address: _Address | None = None
    """In `ports` mode: the party's address, if it does not do ICE. With `ports`: the IP address of
    a media server, as text."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if (self.ports is None) == isinstance(self.address, str):
            raise ValueError("a media server has an IP address and ports")
        self.listed()
        self.access()
        return self

    def access(self) -> Access:
        """Convert it for the core."""
        return access_of(self.ice, None if isinstance(self.address, str) else self.address)

    def listed(self) -> Listed | None:
        """Where a media server is. Raises: ValueError, without the text that was sent."""
        if self.ports is None or not isinstance(self.address, str):
            return None
        try:
            if "%" in self.address:  # a zone id names an interface, not a host
                raise ValueError
            return Listed(ip_network(ip_address(self.address).packed), ports_of(self.ports))
        except ValueError:
            raise ValueError("give a numeric IP address, and ports such as 10000-20000") from None


class CallCreate(RequestBody):
    """A call to create. Only `parties` is required."""

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

    parties: Annotated[list[PartyCreate], Field(min_length=2)]
    """The parties of the call, each with a different id. The first one is the caller."""
    ring: bool = True
    """If true, no media crosses until you accept the call. If false, the call is active at once."""
    mode: Literal["turn", "ports"] = "turn"
    """How parties reach the relay: `turn` gives each party a TURN credential, `ports` gives each of
    two parties a relayed UDP port."""
    max_duration_s: _Limit | None = None
    """The call ends this many seconds after its creation. Default: the operator's limit."""
    max_bitrate_bps: _Limit | None = None
    """Bits per second that each party may send. Default: the operator's limit."""

    @model_validator(mode="after")
    def _needs_ports(self) -> Self:
        parties = [each for each in self.parties if each.listed() is None]
        if self.mode == "turn" and any(each.ice or each.address for each in parties):
            raise ValueError("a party may have ice or address only if mode is ports")
        return self

    def order(self) -> Order:
        """Convert it for the core."""
        parties = tuple(
            CoreParty(each.id, each.enhanced_call_privacy, each.listed()) for each in self.parties
        )
        ports = self.mode == "ports"
        return Order(parties, self.ring, self.max_duration_s, self.max_bitrate_bps, ports)

    def access(self) -> dict[str, Access]:
        """How the relay recognises each party, by its id."""
        return {each.id: each.access() for each in self.parties}


class CallAccept(RequestBody):
    """Who answered the call: a party, by its id or by its leg. Without it, all parties stay."""

    model_config = ConfigDict(json_schema_extra={"example": {"party": "bob-phone"}})

    party: PartyName | None = None
    """The id of the party that answered."""
    leg: PartyName | None = None
    """The leg of the party that answered, instead of `party`."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.party is not None and self.leg is not None:
            raise ValueError("give party or leg, not both")
        return self

    def answered(self) -> AnsweredBy | None:
        """Convert it for the core; None if the body names nobody."""
        answered = AnsweredBy(self.party, self.leg)
        return answered if any(answered) else None


class PartyUpdate(RequestBody):
    """A party to change, or a party to add if the call has none with this id."""

    id: PartyId
    """Your name for the party."""
    enhanced_call_privacy: bool | None = None
    """True switches the party's privacy on. It cannot be switched off during a call. Default: as it
    is; false for a party that joins."""


class CallUpdate(RequestBody):
    """A change to a call. It can only add privacy, time and parties."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "parties": [{"id": "bob", "enhanced_call_privacy": True}, {"id": "carol"}],
                "max_duration_s": 7200,
            }
        }
    )

    parties: list[PartyUpdate] = Field(default=[])
    """The parties to change or to add. The other parties stay as they are."""
    max_duration_s: _Limit | None = None
    """The new maximum duration of the call, counted from its creation. It can only grow."""

    def change(self) -> Change:
        """Convert it for the core."""
        parties = tuple(PartyChange(each.id, each.enhanced_call_privacy) for each in self.parties)
        return Change(parties, self.max_duration_s)


class IceServer(CamelCase):
    """`RTCIceServer` of the W3C."""

    urls: list[str]
    username: str
    credential: str


class RtcConfiguration(CamelCase):
    """`RTCConfiguration` of the W3C: pass it to `new RTCPeerConnection(…)` as it is."""

    ice_servers: list[IceServer]
    ice_transport_policy: Literal["relay", "all"]


class PartyCreated(ResponseBody):
    """What you give to one party, and to nobody else."""

    leg: str
    """The relay's name for the party."""
    rtc_configuration: RtcConfiguration
    """For the party's WebRTC stack. The credential in it is secret."""


class MediaServerCreated(ResponseBody):
    """A media server of the call. It gets nothing: it needs no credential."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"leg": LEG}})

    leg: str
    """The relay's name for the media server."""


class CallHead(ResponseBody):
    """What every answer about a call begins with."""

    id: str
    """The relay's name for the call. A call that a credential began has the name given there."""
    state: CallState
    """`ringing` until you accept the call, then `active`, at last `ended`."""
    relayed: bool
    """True if the parties are told to send media through the relay only."""
    masked: list[str]
    """The masked parties: the relay keeps their IP addresses from the others."""
    expires_at: str
    """When the relay ends the call at the latest, or when the call ended. UTC, RFC 3339."""


class CallCreated(CallHead):
    """A call that you created or changed, with what each party needs to join it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **HEAD,
                "state": "ringing",
                "parties": {"alice": {"leg": LEG, "rtc_configuration": SERVERS}},
            }
        }
    )

    parties: dict[str, PartyCreated | PortPartyCreated | MediaServerCreated]
    """By the party's id."""


class Call(CallHead):
    """A call as it stands. An ended call has no parties."""

    model_config = ConfigDict(json_schema_extra={"example": ACTIVE})

    parties: dict[str, Party]
    """By the party's id."""


class CallList(ResponseBody):
    """The calls that ring or are active, oldest first."""

    model_config = ConfigDict(json_schema_extra={"example": {"calls": [ACTIVE], "next": 201}})

    calls: list[Call]
    next: int | None
    """Send it as `after` to get the next calls. Null: there are no more."""


def head(call: CoreCall) -> dict[str, Any]:
    """The fields that every answer about a call has."""
    ends = datetime.fromtimestamp(int(call.expires_at), UTC)
    return {
        "id": call.id,
        "state": call.state,
        "relayed": call.relayed,
        "masked": call.masked,
        "expires_at": f"{ends:%Y-%m-%dT%H:%M:%SZ}",
    }
