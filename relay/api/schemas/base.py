"""What the models have in common, and the scheme of their names.

Rules of this package: a noun alone is a thing as it stands (`Call`, `Party`, `Permission`). A
request adds the act that it asks for (`CallCreate`, `CallUpdate`, `CallAccept`), and an answer that
holds more than the thing as it stands adds what has happened (`CallCreated`, `CallAccepted`). What
the W3C has named keeps that name (`RtcConfiguration`, `IceServer`, `IceCandidateInit`). A value
that can be answered as it is has no model here (`Party`, `Status`, `Removed`, enumerations). The
texts below fields are descriptions in the OpenAPI document.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

PartyId = Annotated[str, Field(min_length=1, max_length=128)]

PartyName = Annotated[str, Field(min_length=1, max_length=508)]
"""A party that there is already: it may be the leg of a credential (RFC 8489 section 14.3)."""

ANY_TYPE = Field(strict=False)
"""For an enumeration or a tuple in a `RequestBody`: JSON has neither."""


class RequestBody(BaseModel):
    """Exact types, no unknown field."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class ResponseBody(BaseModel):
    """Written by the relay; clients ignore fields that they do not know."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class CamelCase(ResponseBody):
    """Fields as the W3C spells them."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True
    )
