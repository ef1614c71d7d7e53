"""Bodies of the probes and of what an operator asks of the daemon."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from relay import __version__
from relay.api.relay import Status


class Health(BaseModel):
    """The daemon answers."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "ok"}})

    status: Literal["ok", "ready"]


class StatusView(BaseModel):
    """How the daemon is."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "version": __version__,
                "ready": True,
                "draining": False,
                "uptime_s": 86400.5,
                "calls": {"ringing": 1, "active": 12},
                "allocations": 26,
                "fastpath": "attached",
            }
        }
    )

    version: str
    ready: bool
    draining: bool
    uptime_s: float
    calls: dict[Literal["ringing", "active"], int]
    allocations: int
    fastpath: str

    @classmethod
    def of(cls, version: str, status: Status, calls: dict[str, int]) -> Self:
        """What the daemon says of itself, and how many calls there are."""
        return cls.model_validate({"version": version, "calls": calls, **status._asdict()})
