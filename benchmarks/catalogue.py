"""Every figure there is: its key, and how it is called where it is shown. Pure.

Rules of this file: a title has at most 28 characters, so that a table fits into 100 columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.plan import DELAY_RATES_PPS


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Args:
        key: in `results.Figures`.
        title: with the unit.
        digits: shown after the point.
    """

    key: str
    title: str
    digits: int


def delay_key(percentile: int, rate_pps: float) -> str:
    """Key of a delay figure."""
    return f"delay_p{percentile}_us_{rate_pps / 1000:g}k"


def packet_key(live_calls: int) -> str:
    """Key of the cost per packet with so many calls live."""
    return f"packet_cpu_us_{live_calls}"


def set_up_key(live_calls: int) -> str:
    """Key of the cost per set-up with so many calls live."""
    return f"set_up_cpu_us_{live_calls}"


def program_key(routes: int) -> str:
    """Key of the program's cost with so many routes, all packets on one of them."""
    return f"program_ns_{routes}"


def walk_key(routes: int) -> str:
    """Key of the program's cost with so many routes, each packet on another."""
    return f"program_walk_ns_{routes}"


def figures_of(levels: Sequence[int], routes: Sequence[int]) -> tuple[Figure, ...]:
    """All figures of a run, in the order in which they are shown.

    Args:
        levels: of live calls.
        routes: of the program's cost.
    """
    rates = [f"{rate // 1000}k" for rate in DELAY_RATES_PPS]
    return (
        Figure("lossless_pps", "lossless rate, packets/s", 0),
        Figure("lossless_cpu_us", "CPU/packet at that rate, µs", 2),
        *(
            figure
            for rate in rates
            for figure in (
                Figure(f"delay_p50_us_{rate}", f"delay p50 at {rate}pps, µs", 1),
                Figure(f"delay_p99_us_{rate}", f"delay p99 at {rate}pps, µs", 1),
                Figure(f"cpu_us_{rate}", f"CPU/packet at {rate}pps, µs", 2),
            )
        ),
        Figure("restart_sent", "sent across kill and restart", 0),
        Figure("restart_lost", "of these lost", 0),
        Figure("restart_late", "of these later than 50 ms", 0),
        Figure("set_ups_per_s", "call set-ups/s", 0),
        Figure("bytes_per_allocation", "memory/allocation, bytes", 0),
        Figure("descriptors_per_allocation", "descriptors/allocation", 3),
        *(Figure(packet_key(n), f"CPU/packet, {n:,} live, µs", 2) for n in levels),
        Figure("packet_growth", "growth of CPU/packet, x", 2),
        *(Figure(set_up_key(n), f"CPU/set-up, {n:,} live, µs", 0) for n in levels),
        Figure("set_up_growth", "growth of CPU/set-up, x", 2),
        *(Figure(program_key(n), f"program, {n:,} routes, ns", 0) for n in routes),
        Figure("program_growth", "growth with routes, x", 2),
        *(Figure(walk_key(n), f"program, any of {n:,}, ns", 0) for n in routes if n > 1),
        Figure("installed_calls_per_s", "calls' routes installed/s", 0),
        Figure("ready_s", "ready after start, s", 2),
    )


DOOR_FIGURES = (
    Figure("listed_pps", "to media server, packets/s", 0),
    Figure("listed_cpu_us", "CPU/packet at that rate, µs", 2),
    Figure("listed_both_pps", "both ways, packets/s", 0),
    Figure("listed_both_cpu_us", "CPU/packet both ways, µs", 2),
)
"""Those of `--doors`, in the order in which they are shown."""
