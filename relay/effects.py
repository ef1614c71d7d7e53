"""Effects, which the server wants done, and events, which have happened: one list, in order.

The server decides and returns these; `relay.forward` and the daemon apply them, strictly in order:
a route exists before the client hears that it does.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from relay.address import FiveTuple, PeerAddress, ServerAddress, Transport
from relay.errors import DropReason, RefusalReason

NO_CHANNEL = 0
"""The channel of an end that knows no TURN: what it sends and gets is bare datagrams."""


Via = int | PeerAddress
"""How an end has the other's data: on a channel, bare, or in indications that name the other."""


class LegKey(NamedTuple):
    """One party's place in one call, both opaque. What caps and statistics are kept by.

    Of an allocation of a user's: the user, and a number.
    """

    call: str
    leg: str


@dataclass(frozen=True, slots=True)
class Send:
    """Send a STUN message to a client; never counted against a leg."""

    client: FiveTuple
    datagram: bytes = field(repr=False)  # it may spell an address


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send relayed data to a client, charging the leg it came from.

    Args:
        leg: the sender, whose caps apply.
        client: the receiver.
        datagram: a ChannelData message (unpadded) or a Data indication.
        payload: application bytes in it, what bit-rate caps and statistics count.
        is_whole: it is lost where it does not fit the path whole, over UDP.
    """

    leg: LegKey
    client: FiveTuple
    datagram: bytes = field(repr=False)  # it may spell an address
    payload: int
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class SetRoute:
    """Forward data from one client to another without asking the core; replaces.

    Args:
        source, channel: what arrives: the sender and its channel number, 0x4000..=0x7FFF; or
            NO_CHANNEL, where it sends bare datagrams to a relayed or an outer port; or the peer
            that its Send indications name.
        target, target_channel: what leaves: the receiver and its channel number; or NO_CHANNEL; or
            the peer that its Data indications name, the sender's relayed address.
        leg: the sender's leg, known by an earlier `SetLeg`.
        expires_ns: on the monotonic clock; from then on the route forwards nothing.
    """

    source: FiveTuple
    channel: Via
    target: FiveTuple
    target_channel: Via
    leg: LegKey
    expires_ns: int


@dataclass(frozen=True, slots=True)
class DropRoute:
    """Take a route away. A route that does not exist is no error."""

    source: FiveTuple
    channel: Via


@dataclass(frozen=True, slots=True)
class SetLeg:
    """A leg exists from now on, with these caps; its counters start at zero if it is new."""

    leg: LegKey
    bitrate_bps: int
    packets_per_s: int


@dataclass(frozen=True, slots=True)
class DropLeg:
    """A leg is gone, and its counters with it."""

    leg: LegKey


@dataclass(frozen=True, slots=True)
class OpenPort:
    """Receive datagrams at a relayed transport address from now on.

    Whoever cannot open it tells `Server.port_failed`. Effects that name it do nothing then.

    Args:
        is_outer: it belongs to an allocation, and what comes there is from outside the relay; else
            it belongs to a leg in ports mode.
    """

    address: ServerAddress
    is_outer: bool = False


@dataclass(frozen=True, slots=True)
class ClosePort:
    """Receive there no longer, and give it back. A port that is not open is no error."""

    address: ServerAddress


@dataclass(frozen=True, slots=True)
class Count:
    """A datagram went no further; `leg` where the sender is known."""

    reason: DropReason
    leg: LegKey | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A request was answered: method 0..=0xFFF, code 0 for success, else the error code."""

    method: int
    code: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A request was refused, for a reason that the code of its answer does not tell."""

    reason: RefusalReason


class EndReason(Enum):
    """Why a call has ended."""

    ENDED = "ended"
    """The signaling server, or the party that had to stay, ended it."""
    EXPIRED = "expired"
    """It lasted as long as it may."""
    NOT_ACCEPTED = "not_accepted"
    """It rang for too long."""
    LEFT = "left"
    """Its last leg lost its last allocation. Credentials began it, and may begin it anew."""
    OUT_OF_PORTS = "out_of_ports"
    """A relayed port of it could not be opened."""


@dataclass(frozen=True, slots=True)
class CallCreated:
    """A call exists: the signaling server created it, or a credential began it."""

    call: str
    is_ringing: bool


@dataclass(frozen=True, slots=True)
class CallAccepted:
    """A ringing call is active."""

    call: str


@dataclass(frozen=True, slots=True)
class CallChanged:
    """A call became more private, may last longer, or has more parties."""

    call: str


@dataclass(frozen=True, slots=True)
class LegEnded:
    """A party has left a call that goes on; its leg and its credential are good for nothing."""

    leg: LegKey


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A call is over. Its routes are gone; the counters of its legs go after this.

    Args:
        lasted_s: from its creation.
        legs: those that had connected.
    """

    call: str
    reason: EndReason
    lasted_s: float
    legs: tuple[LegKey, ...]


@dataclass(frozen=True, slots=True)
class LegConnected:
    """A leg has got an allocation, over this transport; or its party is known at a port."""

    leg: LegKey
    transport: Transport


@dataclass(frozen=True, slots=True)
class LegIdle:
    """A leg has lost its last allocation; or it is not known any more where its party is."""

    leg: LegKey


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of our own, met with one of the things that were due; the others were done."""

    error: Exception = field(repr=False)


Event = CallCreated | CallAccepted | CallChanged | LegEnded | CallEnded | LegConnected | LegIdle
"""What has happened. Nothing is done for it: it is handed on in its place among the effects."""

Effect = (
    Send
    | Deliver
    | SetRoute
    | DropRoute
    | SetLeg
    | DropLeg
    | OpenPort
    | ClosePort
    | Count
    | Answered
    | Refused
    | Fault
    | Event
)
"""What the server answers every input with: what is to be done and what has happened, in order."""
