"""Bodies of the probes. `Status` stands in `relay.api.relay`, since the daemon makes it."""

from typing import Literal

from pydantic import ConfigDict

from relay.api.schemas.base import ResponseBody


class Health(ResponseBody):
    """The relay answers (`ok`), or takes new calls (`ready`)."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "ok"}})

    status: Literal["ok", "ready"]
