"""Endpoints of `ports` mode: a party's side as it is asked for, the relay's side as it is told."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict

from relay.address import ClientAddress
from relay.api.schemas.base import Asked, PartyName
from relay.ice.access import PWD, UFRAG, Access, Endpoint, IceCredentials

ASKED_ICE: JsonDict = {"ufrag": "F7gI", "pwd": "x9cml/YzichV2+XlhiMu8g"}
_ENDPOINT: JsonDict = {
    "address": "203.0.113.7",
    "port": 50000,
    "ice": {"ufrag": "9uB6hK2z", "pwd": "asd88fgpdd777uzjYhagZasd"},
}


class AskedIce(Asked):
    """`a=ice-ufrag` and `a=ice-pwd` of the party's own description (RFC 8839 section 5.4)."""

    ufrag: Annotated[str, StringConstraints(pattern=f"^{UFRAG.pattern}$")]
    pwd: Annotated[str, StringConstraints(pattern=f"^{PWD.pattern}$"), Field(repr=False)]

    def credentials(self) -> IceCredentials:
        """The same for the relay."""
        return IceCredentials(self.ufrag, self.pwd)


class AskedAddress(Asked):
    """Where a party without ICE sends from and receives at; numeric."""

    address: Annotated[str, Field(max_length=45)]
    port: Annotated[int, Field(ge=1, le=65535)]

    @model_validator(mode="after")
    def _is_numeric(self) -> Self:
        self.parsed()
        return self

    def parsed(self) -> ClientAddress:
        """As an address. Raises: ValueError, without the text that was given."""
        if "%" in self.address:
            raise ValueError("not an IP address")
        return ClientAddress.parse(self.address, self.port)


class AskedAccess(Asked):
    """How a party is to be recognised: by ICE or by its address; in `ports` mode only."""

    ice: AskedIce | None = None
    address: AskedAddress | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.ice and self.address:
            raise ValueError("ice or address, not both")
        return self

    def access(self) -> Access:
        """The same for the relay."""
        return Access(
            self.ice.credentials() if self.ice else None,
            self.address.parsed() if self.address else None,
        )


class IceView(BaseModel):
    """What the relay calls itself towards this party, and signs with."""

    ufrag: str
    pwd: Annotated[str, Field(repr=False)]


class EndpointView(BaseModel):
    """A party's relayed port. `ice` is absent where the party's address was declared."""

    address: str
    port: int
    ice: IceView | None = None

    @classmethod
    def of(cls, endpoint: Endpoint) -> Self:
        """What goes into the description that this party is given."""
        host, port = endpoint.address.reveal()
        ice = endpoint.ice
        told = IceView(ufrag=ice.ufrag, pwd=ice.pwd) if ice else None
        return cls(address=host, port=port, ice=told)


class PortParty(BaseModel):
    """What one party of a call in `ports` mode is told."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"leg": "bGVnIG9mIHRoZSBjYWxsISE", "endpoint": _ENDPOINT}}
    )

    leg: str
    endpoint: EndpointView


class AskedEndpoint(AskedAccess):
    """What has become known of a party since its call was created, or its ICE restart."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"party": "bob", "address": {"address": "198.51.100.20", "port": 5004}}
        }
    )

    party: PartyName

    @model_validator(mode="after")
    def _is_something(self) -> Self:
        if not self.ice and not self.address:
            raise ValueError("ice or address is expected")
        return self


class ToldEndpoint(BaseModel):
    """The party's relayed port; after an ICE restart with credentials that are new as well."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"endpoint": {"address": "203.0.113.7", "port": 50002}}}
    )

    endpoint: EndpointView
