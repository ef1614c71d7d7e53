"""A probe from outside: two legs of one call, datagrams there and back, and what each side saw.

Rules of this package: it uses nothing of the relay but the network, through streams of
asyncio-dgram over aioice's TURN client; what is wrong is a CommandError that says what to check; a
report names no address, not even ours.
"""

from relay.tools.probe.report import Report, Seen
from relay.tools.probe.run import Plan, run
from relay.tools.probe.url import TurnUrl

__all__ = ["Plan", "Report", "Seen", "TurnUrl", "run"]
