"""Calls and legs as the table has them: whose allocations belong together."""

from typing import TYPE_CHECKING

from relay.calls.pool import Pool
from relay.effects import LegKey

if TYPE_CHECKING:
    from relay.turn.table import Allocation

_KNOWN_PORTS = 512
"""Remembered of one call: eight legs that restart ICE twice, with sixteen allocations each."""


class ClosedCall:
    """The allocations of one call.

    `closed`: they reach each other and nothing else. `known` are the ports that legs of it hold, or
    have held, and whose they are or were: the latest of them.
    """

    __slots__ = ("by_port", "closed", "expires", "id", "known", "legs", "open", "pool")

    def __init__(self, call: str, closed: bool, pool: Pool) -> None:
        self.id = call
        self.open = False
        self.closed = closed
        self.expires = 0.0
        self.pool = pool
        self.legs: dict[str, Leg] = {}
        self.by_port: dict[int, Allocation] = {}
        self.known: dict[int, LegKey] = {}

    def add(self, allocation: "Allocation") -> None:
        """Take in an allocation, and remember its port; what is known longest makes room."""
        port = allocation.relayed.port
        self.by_port[port] = allocation
        self.known.pop(port, None)
        self.known[port] = allocation.leg.key
        if len(self.known) > _KNOWN_PORTS:
            del self.known[next(iter(self.known))]

    def is_open(self, mono: float) -> bool:
        """Whether data may cross: the call has been accepted and its time is not up."""
        return self.open and mono < self.expires


class Leg:
    """One party's place in a call, and its allocations (some clients open a dozen).

    `own_ips` are those that an unmasked party has authenticated from in this call, packed.
    """

    __slots__ = ("allocations", "call", "key", "masked", "own_ips")

    def __init__(self, call: ClosedCall, name: str) -> None:
        self.call = call
        self.key = LegKey(call.id, name)
        self.masked = True
        self.own_ips: tuple[bytes, ...] = ()
        self.allocations: list[Allocation] = []

    def in_use(self) -> "Allocation":
        """The allocation that carries the media: it has a route, or data has crossed last; of
        several the latest. There is one.
        """
        return max(reversed(self.allocations), key=lambda each: (each.is_routed, each.used))
