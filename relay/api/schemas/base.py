"""What the bodies have in common that the API is asked with."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PartyId = Annotated[str, Field(min_length=1, max_length=128)]

PartyName = Annotated[str, Field(min_length=1, max_length=508)]
"""A party that there is already: it may be the leg of a credential (RFC 8489 section 14.3)."""


class Asked(BaseModel):
    """Exact types, no unknown field."""

    model_config = ConfigDict(extra="forbid", strict=True)
