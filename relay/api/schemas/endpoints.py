"""Bodies of `ports` mode: where a party is, and the relayed port that it is given."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict

from relay.address import ClientAddress
from relay.api.schemas.base import PartyName, RequestBody, ResponseBody
from relay.ice.access import PWD, UFRAG, Access, Endpoint
from relay.ice.access import IceCredentials as CoreIceCredentials

ICE: JsonDict = {"ufrag": "F7gI", "pwd": "x9cml/YzichV2+XlhiMu8g"}
_ENDPOINT: JsonDict = {
    "address": "203.0.113.7",
    "port": 50000,
    "ice": {"ufrag": "9uB6hK2z", "pwd": "asd88fgpdd777uzjYhagZasd"},
}


class IceCredentials(RequestBody):
    """`a=ice-ufrag` and `a=ice-pwd` of a session description (RFC 8839 section 5.4)."""

    ufrag: Annotated[str, StringConstraints(pattern=f"^{UFRAG.pattern}$")]
    pwd: Annotated[str, StringConstraints(pattern=f"^{PWD.pattern}$"), Field(repr=False)]


class PartyAddress(RequestBody):
    """The numeric address from which a party without ICE sends, and at which it receives."""

    address: Annotated[str, Field(max_length=45)]
    """An IPv4 or IPv6 address, without brackets."""
    port: Annotated[int, Field(ge=1, le=65535)]

    @model_validator(mode="after")
    def _is_numeric(self) -> Self:
        self.parsed()
        return self

    def parsed(self) -> ClientAddress:
        """Convert it for the core. Raises: ValueError, without the text that was sent."""
        if "%" in self.address:
            raise ValueError("not an IP address")
        return ClientAddress.parse(self.address, self.port)


def access_of(ice: IceCredentials | None, address: PartyAddress | None) -> Access:
    """Convert either for the core. Raises: ValueError, where both are there."""
    if ice and address:
        raise ValueError("give ice or address, not both")
    return Access(
        CoreIceCredentials(ice.ufrag, ice.pwd) if ice else None,
        address.parsed() if address else None,
    )


class PartyAccess(RequestBody):
    """How the relay recognises a party in `ports` mode: by ICE or by its address."""

    ice: IceCredentials | None = None
    """In `ports` mode: the credentials in the party's own description, if the party does ICE."""
    address: PartyAddress | None = None
    """In `ports` mode: the party's address, if the party does not do ICE."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        self.access()
        return self

    def access(self) -> Access:
        """Convert it for the core."""
        return access_of(self.ice, self.address)


class EndpointUpdate(PartyAccess):
    """Where a party is, if you learn it after you created the call; or the party's ICE restart."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"party": "bob", "address": {"address": "198.51.100.20", "port": 5004}}
        }
    )

    party: PartyName
    """The id of the party."""

    @model_validator(mode="after")
    def _is_something(self) -> Self:
        if not self.ice and not self.address:
            raise ValueError("give ice or address")
        return self


class EndpointPublic(ResponseBody):
    """A party's relayed port. Put it into the session description that you give to the party."""

    address: str
    """The relay's address."""
    port: int
    ice: IceCredentials | None = None
    """The relay's own ICE credentials. Absent if you declared the party's address."""

    @classmethod
    def of(cls, endpoint: Endpoint) -> Self:
        """Convert it for the answer."""
        host, port = endpoint.address.reveal()
        own = endpoint.ice
        ice = IceCredentials(ufrag=own.ufrag, pwd=own.pwd) if own else None
        return cls(address=host, port=port, ice=ice)


class PortPartyCreated(ResponseBody):
    """In `ports` mode: what you give to one party, and to nobody else."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"leg": "bGVnIG9mIHRoZSBjYWxsISE", "endpoint": _ENDPOINT}}
    )

    leg: str
    """The relay's name for the party."""
    endpoint: EndpointPublic
    """The party's relayed port."""


class EndpointUpdated(ResponseBody):
    """The party's relayed port. After an ICE restart it has new credentials of the relay."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"endpoint": {"address": "203.0.113.7", "port": 50002}}}
    )

    endpoint: EndpointPublic
