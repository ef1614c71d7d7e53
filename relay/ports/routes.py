"""The routes between relayed ports, and their renewal.

Rules of this file: no route outlives the daemon for long. A call may last for hours, but a daemon
that starts again knows nothing of it: so routes are set for ten minutes, as those between TURN's
channels are, and renewed in time while the call lasts.
"""

from collections import deque
from collections.abc import Iterable

from relay.address import ClientAddress, FiveTuple, Transport
from relay.clock import Now
from relay.ports.leg import PortCall, PortLeg
from relay.turn.effects import NO_CHANNEL, DropRoute, Effect, SetRoute

ROUTE_LIFETIME_S = 600.0
"""As long as a channel's: RFC 8656 section 12."""

RENEWAL_S = 300.0
"""From one renewal to the next; half of the lifetime, so that one may be late."""

_CALLS_PER_TURN = 100  # some 5 ms; at four turns a second, 120,000 calls in `RENEWAL_S`


class Renewals:
    """Which call is renewed when: a queue in which every live call stands once.

    All wait equally long, so it is in order of time as it is. A call that has ended has no legs,
    and leaves when its turn comes.
    """

    def __init__(self) -> None:
        self._queue: deque[tuple[float, PortCall]] = deque()

    def add(self, call: PortCall, now: Now) -> None:
        """Renew the routes of a new call from now on."""
        self._queue.append((now.mono + RENEWAL_S, call))

    def handle_timeout(self, now: Now) -> list[Effect]:
        """The routes of the calls whose turn it is, so many at most; the others are next."""
        effects: list[Effect] = []
        for _ in range(_CALLS_PER_TURN):
            if not self._queue or self._queue[0][0] > now.mono:
                break
            _, call = self._queue.popleft()
            if call.legs:
                effects += routes_of(call, now)
                self.add(call, now)
        return effects


def routes_of(call: PortCall, now: Now) -> list[Effect]:
    """Every route of a call, with its expiry as of now."""
    return [route for leg in call.legs for route in routes_from(leg, now)]


def routes_from(leg: PortLeg, now: Now, *sources: ClientAddress) -> list[Effect]:
    """Routes from these sources of a leg, or from all, to where its sibling is."""
    sibling = leg.sibling
    if not leg.call.open or sibling is None or sibling.target is None:
        return []
    target = FiveTuple(Transport.UDP, sibling.target, sibling.port)
    expires_ns = int(min(leg.call.expires, now.mono + ROUTE_LIFETIME_S) * 1e9)
    return [
        SetRoute(
            FiveTuple(Transport.UDP, source, leg.port),
            NO_CHANNEL,
            target,
            NO_CHANNEL,
            leg.key,
            expires_ns,
        )
        for source in sources or leg.sources
    ]


def drops(leg: PortLeg, sources: Iterable[ClientAddress]) -> list[Effect]:
    """The end of the routes from these sources of a leg."""
    return [DropRoute(FiveTuple(Transport.UDP, source, leg.port), NO_CHANNEL) for source in sources]
