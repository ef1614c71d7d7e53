"""The routes between relayed ports.

Rules of this file: no route outlives the consent of either party, nor the daemon for long. A call
may last for hours, but a daemon that starts again knows nothing of it: so routes are set for ten
minutes, as those between TURN's channels are, and renewed in time while the call lasts.
"""

from collections.abc import Iterable

from relay.address import ClientAddress, FiveTuple, Transport
from relay.clock import Now
from relay.effects import NO_CHANNEL, DropRoute, Effect, SetRoute
from relay.ice.leg import PortCall, PortLeg

ROUTE_LIFETIME_S = 600.0
"""As long as a channel's: RFC 8656 section 12."""

RENEWAL_S = 300.0
"""From one renewal to the next; half of the lifetime, so that one may be late."""


def routes_of(call: PortCall, now: Now) -> list[Effect]:
    """Every route of a call, with its expiry as of now."""
    return [route for leg in call.legs for route in routes_from(leg, now)]


def routes_from(leg: PortLeg, now: Now, *sources: ClientAddress) -> list[Effect]:
    """Routes from these sources of a leg, or from all, to where its sibling is."""
    sibling = leg.sibling
    if not leg.call.open or sibling is None or sibling.target is None:
        return []
    target = FiveTuple(Transport.UDP, sibling.target, sibling.port)
    ends = sibling.sources[sibling.target].until, leg.call.expires, now.mono + ROUTE_LIFETIME_S
    return [
        SetRoute(
            FiveTuple(Transport.UDP, source, leg.port),
            NO_CHANNEL,
            target,
            NO_CHANNEL,
            leg.key,
            int(min(leg.sources[source].until, *ends) * 1e9),
        )
        for source in sources or leg.sources
    ]


def drops(leg: PortLeg, sources: Iterable[ClientAddress]) -> list[Effect]:
    """The end of the routes from these sources of a leg."""
    return [DropRoute(FiveTuple(Transport.UDP, source, leg.port), NO_CHANNEL) for source in sources]
