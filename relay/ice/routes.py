"""The routes between relayed ports.

Rules of this file: no route outlives the consent of either party, nor the daemon for long. A call
may last for hours, but a daemon that starts again knows nothing of it: so routes are set for ten
minutes, as those between TURN's channels are, and renewed in time while the call lasts.
"""

from relay.address import ClientAddress
from relay.calls.call import Call
from relay.calls.routes import join
from relay.clock import Now
from relay.effects import Effect
from relay.ice.port import RelayedPort, port_of

ROUTE_LIFETIME_S = 600.0
"""As long as a channel's: RFC 8656 section 12."""

RENEWAL_S = 300.0
"""From one renewal to the next; half of the lifetime, so that one may be late."""


def routes_in(call: Call, now: Now) -> list[Effect]:
    """Every route of a call, with its expiry as of now."""
    ports = [port_of(leg) for leg in call.legs]
    return [route for port in ports if port is not None for route in routes_from(port, now)]


def routes_from(port: RelayedPort, now: Now, *sources: ClientAddress) -> list[Effect]:
    """Routes from these sources of a port, or from all, to where the other party is."""
    target = port.sibling.aimed if port.sibling is not None else None
    if target is None:
        return []
    limit = now.mono + ROUTE_LIFETIME_S
    found = [port.sources[each] for each in sources] or list(port.sources.values())
    return [route for source in found for route in join(source, target, limit, now)]
