"""The section `limits`. The description of a field ends the sentence "expected …"."""

from pydantic import Field

from relay.config.section import Section


class LimitSettings(Section):
    """`limits`: what one leg, one user, one call, one stranger and one API client may use."""

    legs_per_call: int = Field(
        default=8, ge=2, le=1024, description="a whole number from 2 to 1024"
    )
    allocations_per_leg: int = Field(
        default=16, ge=1, le=64, description="a whole number from 1 to 64"
    )
    allocations_per_user: int = Field(
        default=32, ge=1, le=10_000, description="a whole number from 1 to 10000"
    )
    bitrate_bps: int = Field(
        default=8_000_000, ge=1, le=10**11, description="a whole number from 1 to 100000000000"
    )
    packets_per_s: int = Field(
        default=4000, ge=1, le=10**8, description="a whole number from 1 to 100000000"
    )
    call_duration_s: int = Field(
        default=14_400, ge=1, le=2_592_000, description="a whole number from 1 to 2592000 (30 days)"
    )
    unauthenticated_per_s: int = Field(
        default=10, ge=1, le=1_000_000, description="a whole number from 1 to 1000000"
    )
    mints_per_s: int = Field(
        default=50, ge=1, le=1_000_000, description="a whole number from 1 to 1000000"
    )
