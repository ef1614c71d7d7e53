"""What the operator decided about calls."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from relay.address import ServerAddress, Transport


class Policy(Enum):
    """Which calls are relayed: those in which a party asked for privacy, or every call."""

    ASKED = "asked"
    ALWAYS = "always"


class Masking(Enum):
    """Who is masked in a relayed call: both sides, or the parties that asked."""

    BOTH = "both"
    OPTED_IN = "opted_in"


class Alternate(NamedTuple):
    """One listener of another relay, and the name that its certificate is for."""

    transport: Transport
    address: ServerAddress
    name: str


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator decided about calls.

    Args:
        policy, masking: see the two types.
        require_registered_call: only calls created through the API exist.
        legs_per_call: at most so many parties, 2 or more.
        bitrate_bps, packets_per_s: caps of one leg; a call may ask for a lower bit rate.
        call_duration_s: the longest a call may last; a call may ask for less.
        credential_ttl_s: for how long a minted credential may be used.
        revocation_s: for how long a user that is revoked is refused; a revocation may say another
            time.
        alternates: where clients are sent that would begin a call while this relay drains.
    """

    policy: Policy = Policy.ASKED
    masking: Masking = Masking.BOTH
    require_registered_call: bool = False
    legs_per_call: int = 8
    bitrate_bps: int = 8_000_000
    packets_per_s: int = 4_000
    call_duration_s: int = 14_400
    credential_ttl_s: int = 3_600
    revocation_s: int = 86_400
    alternates: tuple[Alternate, ...] = ()

    def is_relayed(self, *, asked: bool) -> bool:
        """Whether a call is relayed; `asked`: any party of it wants privacy."""
        return asked or self.policy is Policy.ALWAYS

    def is_masked(self, *, asked: bool) -> bool:
        """Whether a party of a relayed call is masked; `asked`: that party wants privacy."""
        return asked or self.masking is Masking.BOTH
