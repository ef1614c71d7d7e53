"""Where data of a leg enters the relay and leaves it."""

from relay.address import FiveTuple
from relay.calls.call import Leg
from relay.effects import Via


class End:
    """One place at which data of a leg enters and leaves: a bound channel, a sender of indications,
    an address that sends bare datagrams.

    `routed_until` is when the route that begins here ends; 0 where none does.

    Args:
        client: where data comes from and goes to.
        via: the channel, NO_CHANNEL, or the peer that indications name.
        expires: monotonic seconds until which the end may be used.
    """

    __slots__ = ("client", "expires", "leg", "routed_until", "via")

    def __init__(self, leg: Leg, client: FiveTuple, via: Via, expires: float) -> None:
        self.leg = leg
        self.client = client
        self.via = via
        self.expires = expires
        self.routed_until = 0.0
