"""A call, its legs, and the relayed transport addresses that they hold.

Rules of this file: data and what follows from it alone; only the server changes it, by way of
`book.py` and of the two ways in, `relay.turn` and `relay.ice`. Calls and legs are slotted and
small, since a relay holds tens of thousands. A party's id is the signaling server's name for its
user: it goes back to that server and to nobody else.
"""

from enum import Enum
from typing import NamedTuple

from relay.address import PeerAddress
from relay.calls.deadlines import Timed
from relay.calls.intake import Intake
from relay.calls.pool import Pool
from relay.calls.reach import Listed
from relay.effects import LegKey
from relay.errors import CallError

RING_TIMEOUT_S = 180.0
"""A call nobody accepts: as long as a SIP proxy waits for an answer (timer C, RFC 3261 section 16.6
step 11), so that a signaling server has always given up before."""

_KNOWN_PORTS = 512
"""Remembered of one call: eight legs that restart ICE twice, with sixteen allocations each."""


class CallState(Enum):
    """The state of a call: it rings, it is active, or it has ended."""

    RINGING = "ringing"
    ACTIVE = "active"
    ENDED = "ended"


TRANSITIONS: dict[CallState, frozenset[CallState]] = {
    CallState.RINGING: frozenset({CallState.ACTIVE, CallState.ENDED}),
    CallState.ACTIVE: frozenset({CallState.ENDED}),
    CallState.ENDED: frozenset(),
}


class RelayedAddress(Timed):
    """A relayed transport address that a leg holds: of a TURN allocation, or a port of ports mode.

    Args:
        relayed: as it is advertised.
        expires: monotonic seconds; inf where it lasts as long as the call.
    """

    __slots__ = ("expires", "is_alive", "leg", "relayed")

    def __init__(self, leg: "Leg", relayed: PeerAddress, expires: float) -> None:
        super().__init__()
        self.leg = leg
        self.relayed = relayed
        self.expires = expires
        self.is_alive = True


class Leg:
    """One party's place in a call.

    `own_ips` are those that an unmasked party has authenticated from, packed. `is_metered`: the
    forwarding side has been told its caps, and keeps its counters.

    Args:
        party: empty where only the leg's own name is known.
        masked: its address is kept from the other parties.
        asked: its party has enhanced call privacy on.
        listed: where it is, if it is a media server, which needs no credential.
    """

    __slots__ = (
        *("asked", "call", "held", "intake", "is_metered", "key", "listed", "masked", "own_ips"),
        "party",
    )

    def __init__(
        self,
        call: "Call",
        leg: str,
        party: str,
        *,
        masked: bool,
        asked: bool = False,
        listed: Listed | None = None,
    ) -> None:
        self.call = call
        self.key = LegKey(call.id, leg)
        self.party = party
        self.masked = masked
        self.asked = asked
        self.listed = listed
        self.is_metered = False
        self.held: tuple[RelayedAddress, ...] = ()  # the latest stands last
        self.own_ips: tuple[bytes, ...] = ()
        self.intake: Intake | None = None  # made when its party first sends a description

    @property
    def scope(self) -> LegKey:
        """What permissions and ports are counted by: the leg, or all of a user's."""
        return LegKey(self.key.call, "") if self.call.is_user else self.key

    @property
    def id(self) -> str:
        """Its opaque name within the call."""
        return self.key.leg

    @property
    def name(self) -> str:
        """What the signaling server calls it."""
        return self.party or self.key.leg


class Former(NamedTuple):
    """A party that has left a call: its name, and whether it wanted privacy."""

    name: str
    asked: bool


class Call(Timed):
    """One call; or a user, which differs from one as `is_user` says: each of its allocations is a
    leg, nobody creates or ends it, and nothing tells of it.

    `closed`: its legs reach each other and nothing else. `known` are the ports that its legs hold,
    or have held, and whose they are or were; `pool` is what they are drawn from, once one was.

    Args:
        id: opaque; `cv_…` where the API created it, else what a username named.
        created: when, on the monotonic clock; `created_at` on the wall clock.
        number: grows with every call, so that a list can go on where it stopped.
        is_registered: the API created it; otherwise it exists since a credential named it.
        is_user: it is a user, of that name.
        relayed: its clients are told to use nothing but the relay.
        half_relayed: but for the one that is not masked: it may use its own address towards the
            relayed addresses of the others, which is all of them that it knows.
        expires, expires_at: when it ends at the latest, on the monotonic and the wall clock.
        bitrate_bps: cap of each leg.
        ports: it is in ports mode: its legs are relayed ports, not allocations.
        former: the parties that have left it.
    """

    __slots__ = (
        *("bitrate_bps", "by_port", "closed", "created", "created_at", "expires", "expires_at"),
        *("former", "half_relayed", "id", "is_registered", "is_user", "known", "legs", "number"),
        *("pool", "ports", "relayed", "state"),
    )

    def __init__(
        self,
        call: str,
        number: int,
        *,
        is_registered: bool,
        relayed: bool,
        closed: bool,
        is_user: bool = False,
    ) -> None:
        super().__init__()
        self.id = call
        self.is_user = is_user
        self.number = number
        self.is_registered = is_registered
        self.relayed = relayed
        self.half_relayed = False
        self.closed = closed
        self.state = CallState.ACTIVE
        self.legs: list[Leg] = []
        self.created = self.created_at = 0.0
        self.expires = self.expires_at = 0.0
        self.bitrate_bps = 0
        self.ports = False
        self.former: tuple[Former, ...] = ()
        self.pool: Pool | None = None
        self.by_port: dict[int, RelayedAddress] = {}
        self.known: dict[int, LegKey] = {}

    @property
    def is_active(self) -> bool:
        """Whether it has been accepted, and has not ended."""
        return self.state is CallState.ACTIVE

    def carries(self, mono: float) -> bool:
        """Whether data may cross: the call is active and its time is not up."""
        return self.state is CallState.ACTIVE and mono < self.expires

    def deadline(self) -> float:
        """When it ends unless something happens before."""
        if self.state is CallState.RINGING:
            return min(self.expires, self.created + RING_TIMEOUT_S)
        return self.expires

    @property
    def masked(self) -> list[str]:
        """The masked parties, in the order in which they were named."""
        return [leg.name for leg in self.legs if leg.masked]

    @property
    def media_servers(self) -> list[Leg]:
        """Those of its legs that are media servers, at declared addresses."""
        return [leg for leg in self.legs if leg.listed is not None]

    @property
    def may_be_half_relayed(self) -> bool:
        """Whether one party is not masked while all the others are.

        Two parties that use their own addresses would reach each other past the relay.
        """
        if self.ports or self.media_servers:
            return False
        return self.relayed and len(self.masked) == len(self.legs) - 1

    def is_direct(self, leg: Leg) -> bool:
        """Whether this party may use its own address: of a call that is not relayed, or the one of
        a half-relayed call that is not masked.
        """
        return not self.relayed or (self.half_relayed and not leg.masked)

    def leg(self, leg: str) -> Leg | None:
        """The leg of that name. A scan: a call has eight at most, and a dict costs more."""
        for each in self.legs:
            if each.key.leg == leg:
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
        """The leg of a party. Raises: CallError `unknown_party`. Nothing else."""
        leg = self.party(party)
        if leg is None:
            raise unknown_party(self)
        return leg

    def hold(self, relayed: RelayedAddress) -> None:
        """A leg holds this from now on. Its port is remembered; what is known longest makes room.

        Args:
            relayed: its leg is one of this call.
        """
        leg, port = relayed.leg, relayed.relayed.port
        leg.held = (*leg.held, relayed)
        self.by_port[port] = relayed
        self.known.pop(port, None)
        self.known[port] = leg.key
        if len(self.known) > _KNOWN_PORTS:
            del self.known[next(iter(self.known))]

    def let_go(self, relayed: RelayedAddress) -> None:
        """A leg holds this no longer."""
        relayed.is_alive = False
        leg = relayed.leg
        leg.held = tuple(each for each in leg.held if each is not relayed)
        del self.by_port[relayed.relayed.port]


def unknown_party(call: Call) -> CallError:
    """The fault of naming a party that is not in the call."""
    return CallError("unknown_party", "No party of this call has this id.", call.id)
