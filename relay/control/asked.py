"""What the bodies have in common that the API is asked with."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PartyId = Annotated[str, Field(min_length=1, max_length=128)]


class Asked(BaseModel):
    """Exact types, no unknown field."""

    model_config = ConfigDict(extra="forbid", strict=True)
