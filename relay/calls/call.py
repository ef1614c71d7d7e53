"""The values of the book of calls: a call, its legs, and what is asked for and granted.

Rules of this file: data and what follows from it alone; who may change it is `registry.py`. Calls
and legs are slotted and small, since a relay holds tens of thousands. A party's id is the signaling
server's name for its user: it goes back to that server and to nobody else.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from relay.calls.intake import Intake
from relay.errors import CallError


class State(Enum):
    """Where a call stands. `TRANSITIONS` is what may follow what."""

    RINGING = "ringing"
    ACTIVE = "active"
    ENDED = "ended"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.RINGING: frozenset({State.ACTIVE, State.ENDED}),
    State.ACTIVE: frozenset({State.ENDED}),
    State.ENDED: frozenset(),
}


class Policy(Enum):
    """Which calls are relayed: those in which a party asked for privacy, or every call."""

    ASKED = "asked"
    ALWAYS = "always"


class Masking(Enum):
    """Who is masked in a relayed call: both sides, or the parties that asked."""

    BOTH = "both"
    OPTED_IN = "opted_in"


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
    """

    policy: Policy = Policy.ASKED
    masking: Masking = Masking.BOTH
    require_registered_call: bool = False
    legs_per_call: int = 8
    bitrate_bps: int = 8_000_000
    packets_per_s: int = 4_000
    call_duration_s: int = 14_400
    credential_ttl_s: int = 3_600

    def is_relayed(self, *, asked: bool) -> bool:
        """Whether a call is relayed; `asked`: any party of it wants privacy."""
        return asked or self.policy is Policy.ALWAYS

    def is_masked(self, *, asked: bool) -> bool:
        """Whether a party of a relayed call is masked; `asked`: that party wants privacy."""
        return asked or self.masking is Masking.BOTH


class Party(NamedTuple):
    """One side of a call that is to be created; `id` is 1..=128 characters."""

    id: str
    enhanced_call_privacy: bool = False


class Order(NamedTuple):
    """A call that is to be created.

    Args:
        parties: two or more, with different ids.
        ring: nothing crosses until the call is accepted; what is not said is the safer one.
        max_duration_s, max_bitrate_bps: at most the operator's limits; None means those.
        ports: each of the two parties gets a relayed port instead of a TURN credential.
    """

    parties: tuple[Party, ...]
    ring: bool = True
    max_duration_s: int | None = None
    max_bitrate_bps: int | None = None
    ports: bool = False


class Grant(NamedTuple):
    """Leave for one leg to allocate, as the call stands now.

    Args:
        call, leg: whom it was granted to.
        open: data may cross; false while the call rings.
        masked: the leg's own mapped address is kept from it as well.
        closed: siblings only, even where the relay's rule about peers is wider.
        half_relayed: see `Call`.
        expires: monotonic seconds at which the call ends at the latest.
        bitrate_bps, packets_per_s: caps on what the leg sends.
    """

    call: str
    leg: str
    open: bool
    masked: bool
    closed: bool
    half_relayed: bool
    expires: float
    bitrate_bps: int
    packets_per_s: int


class Leg:
    """One party's place in a call.

    Args:
        party: empty where only the leg's own name is known.
        masked: its address is kept from the other parties.
        asked: its party has enhanced call privacy on.
    """

    __slots__ = ("asked", "id", "intake", "masked", "party")

    def __init__(self, leg: str, party: str, masked: bool, asked: bool = False) -> None:
        self.id = leg
        self.party = party
        self.masked = masked
        self.asked = asked
        self.intake: Intake | None = None  # made when its party first sends a description

    @property
    def name(self) -> str:
        """What the signaling server calls it."""
        return self.party or self.id


class Former(NamedTuple):
    """A party that has left a call: its name, and whether it wanted privacy."""

    name: str
    asked: bool


class Call:
    """One call.

    Args:
        id: opaque; `cv_…` where the API created it, else what a username named.
        created: when, on the monotonic clock; `created_at` on the wall clock.
        number: grows with every call, so that a list can go on where it stopped.
        is_registered: the API created it; otherwise it exists since a credential named it.
        relayed: its clients are told to use nothing but the relay.
        half_relayed: but for the one that is not masked: it may use its own address towards the
            relayed addresses of the others, which is all of them that it knows.
        expires, expires_at: when it ends at the latest, on the monotonic and the wall clock.
        deadline: monotonic seconds; earlier than `expires` while it rings.
        bitrate_bps: cap of each leg.
        ports: its legs are relayed ports, not allocations.
        former: the parties that have left it.
    """

    __slots__ = (
        "bitrate_bps",
        "created",
        "created_at",
        "deadline",
        "expires",
        "expires_at",
        "former",
        "half_relayed",
        "id",
        "is_registered",
        "legs",
        "number",
        "ports",
        "relayed",
        "state",
    )

    def __init__(self, call: str, number: int, *, is_registered: bool, relayed: bool) -> None:
        self.id = call
        self.number = number
        self.is_registered = is_registered
        self.relayed = relayed
        self.half_relayed = False
        self.state = State.ACTIVE
        self.legs: list[Leg] = []
        self.created = self.created_at = 0.0
        self.expires = self.expires_at = self.deadline = 0.0
        self.bitrate_bps = 0
        self.ports = False
        self.former: tuple[Former, ...] = ()

    @property
    def masked(self) -> list[str]:
        """The masked parties, in the order in which they were named."""
        return [leg.name for leg in self.legs if leg.masked]

    @property
    def may_be_half_relayed(self) -> bool:
        """Whether one party is not masked while all the others are.

        Two parties that use their own addresses would reach each other past the relay.
        """
        return self.relayed and not self.ports and len(self.masked) == len(self.legs) - 1

    def is_direct(self, leg: Leg) -> bool:
        """Whether this party may use its own address: of a call that is not relayed, or the one of
        a half-relayed call that is not masked.
        """
        return not self.relayed or (self.half_relayed and not leg.masked)

    def leg(self, leg: str) -> Leg | None:
        """The leg of that name. A scan: a call has eight at most, and a dict costs more."""
        for each in self.legs:
            if each.id == leg:
                return each
        return None

    def party(self, name: str) -> Leg | None:
        """The leg that the signaling server calls so."""
        for each in self.legs:
            if each.name == name:
                return each
        return None

    def former_party(self, name: str) -> Former | None:
        """The latest party of that name to have left, as far as is remembered."""
        return next((each for each in reversed(self.former) if each.name == name), None)

    def leg_of(self, party: str) -> Leg:
        """The same, where there is one. Raises: CallError `unknown_party`. Nothing else."""
        leg = self.party(party)
        if leg is None:
            raise unknown_party(self)
        return leg


def unknown_party(call: Call) -> CallError:
    """The fault of naming a party that is not in the call."""
    return CallError("unknown_party", "The call has no such party.", call.id)
