"""What the TURN server wants done, in the order in which it must be done.

The core decides and returns these; `relay.forward` and the daemon do them, strictly in order:
a route exists before the client hears that it does.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from relay.address import FiveTuple, PeerAddress, ServerAddress, Transport
from relay.errors import DropReason

NO_CHANNEL = 0
"""The channel of an end that knows no TURN: what it sends and gets is bare datagrams."""


Via = int | PeerAddress
"""How an end has the other's data: on a channel, bare, or in indications that name the other."""


class LegKey(NamedTuple):
    """One party's place in one call, both opaque. What caps and statistics are kept by."""

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
    """

    leg: LegKey
    client: FiveTuple
    datagram: bytes = field(repr=False)  # it may spell an address
    payload: int


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
    """Receive on a relayed port from now on. The one effect that can fail: OSError, and nothing
    of it is left behind.
    """

    address: ServerAddress


@dataclass(frozen=True, slots=True)
class OpenOuterPort:
    """Receive at an allocation's relayed address what comes from outside the relay. Where that
    cannot be, tell `Server.lose_outer_port`: the allocation does without.
    """

    address: ServerAddress


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
class LegConnected:
    """A leg has got an allocation, over this transport."""

    leg: LegKey
    transport: Transport


@dataclass(frozen=True, slots=True)
class LegIdle:
    """A leg has lost its last allocation."""

    leg: LegKey


Effect = (
    Send
    | Deliver
    | SetRoute
    | DropRoute
    | SetLeg
    | DropLeg
    | OpenPort
    | OpenOuterPort
    | ClosePort
    | Count
    | Answered
    | LegConnected
    | LegIdle
)
