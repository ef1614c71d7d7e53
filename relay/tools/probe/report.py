"""What a probe found: figures, what each side could see, and what is wrong."""

import statistics
from dataclasses import asdict, dataclass
from typing import Any

from relay.tools.probe.leg import Leg

RELAY_ONLY = "relay only"


@dataclass(frozen=True, slots=True)
class Seen:
    """What one side could see; each is "relay only", or says what else.

    Args:
        mapped: what the relay told this leg as its own address, which clients pass on. It is the
            relay's if it has the relay's IP and is what the other leg was told too: two clients
            have two addresses.
        source: where the other leg's data came from.
    """

    mapped: str
    source: str


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it; times in milliseconds, None where nothing came back."""

    sent: int
    received: int
    loss: float
    rtt_min_ms: float | None
    rtt_median_ms: float | None
    rtt_p99_ms: float | None
    seen: dict[str, Seen]
    faults: list[str]

    def as_document(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def judge(caller: Leg, callee: Leg, sent_at: dict[int, float], *, is_masked: bool) -> Report:
    """Turn what two legs saw into figures and faults.

    Args:
        sent_at: when each of the caller's pings left.
        is_masked: whether a leg that is told an address of its own is a fault.
    """
    times = sorted(1000 * (at - sent_at[number]) for number, at in caller.returned.items())
    sent = len(sent_at)
    loss = 1 - len(times) / sent
    seen = {"caller": _seen(caller, callee), "callee": _seen(callee, caller)}
    faults = []
    if loss:
        faults.append(
            f"loss: {sent - len(times)} of {sent} datagrams did not come back; "
            "check limits.packets_per_s, limits.bitrate_bps and the network on the way"
        )
    for side, sight in seen.items():
        if sight.source != RELAY_ONLY:
            faults.append(f"leak: the {side} received data from {sight.source}")
        if is_masked and sight.mapped != RELAY_ONLY:
            faults.append(
                f"leak: the {side} was told {sight.mapped}, which clients pass on; "
                "check privacy.mask_mapped_address"
            )
    return Report(
        sent=sent,
        received=len(times),
        loss=loss,
        rtt_min_ms=times[0] if times else None,
        rtt_median_ms=statistics.median(times) if times else None,
        rtt_p99_ms=times[-(len(times) // 100) - 1] if times else None,
        seen=seen,
        faults=faults,
    )


def _seen(leg: Leg, other: Leg) -> Seen:
    is_masked = leg.mapped[0] == leg.relayed[0] and leg.mapped == other.mapped
    is_relay_only = leg.sources == {other.relayed}
    return Seen(
        mapped=RELAY_ONLY if is_masked else "an address of its own",
        source=RELAY_ONLY if is_relay_only else "an address that is not the other's relayed one",
    )
