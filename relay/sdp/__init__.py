"""Rebuilds session descriptions and candidates so that they name no address but the relay's. Pure.

A signaling server written in Python may use this package instead of the HTTP API:

    leg = LegDescription(relayed=(("192.0.2.1", 50000),))
    rebuilt = rebuild(offer, leg)        # a whole description; raises CallError
    late = rebuild_candidate(text, leg)  # one trickled candidate; late.candidate is None if dropped
"""

from relay.sdp.candidates import RebuiltCandidate, rebuild_candidate
from relay.sdp.completing import complete
from relay.sdp.leg import LegDescription
from relay.sdp.lines import MAX_BYTES
from relay.sdp.rebuilding import Rebuilt, rebuild
from relay.sdp.removal import Removed, RemovedKind
from relay.sdp.section import HeldCandidate

__all__ = [
    "MAX_BYTES",
    "HeldCandidate",
    "LegDescription",
    "Rebuilt",
    "RebuiltCandidate",
    "Removed",
    "RemovedKind",
    "complete",
    "rebuild",
    "rebuild_candidate",
]
