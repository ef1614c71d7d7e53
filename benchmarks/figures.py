"""The figures: how they follow from raw records, and what is aimed at. Pure.

Rules of this file: a figure that was not reached is None and stays None in medians and ratios;
targets are those of PERFORMANCE and were written before any figure was seen.
"""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.plan import DELAY_RATES_PPS
from benchmarks.results import Figures, MemoryRecord, RoundRecord, SetUpRecord, TrialRecord
from benchmarks.systems import Kind

BOUND = 0.95
"""From this share of the generator's limit, or of its core, on a figure is the generator's."""

REACHED = 0.95
"""Share of the calls wanted that must be live; a host's limit of open files may keep some out."""

Verdict = Literal["yes", "no", "generator-bound", ""]


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


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure must be; of the bounds those that are given.

    Args:
        kinds: the systems it applies to.
        ratio_least, ratio_most: against the reference in the same run.
        least, most: in the figure's own unit.
    """

    key: str
    kinds: tuple[Kind, ...]
    ratio_least: float | None = None
    ratio_most: float | None = None
    least: float | None = None
    most: float | None = None

    def __str__(self) -> str:
        bounds = (
            ("≥", self.ratio_least, " x"),
            ("≤", self.ratio_most, " x"),
            ("≥", self.least, ""),
            ("≤", self.most, ""),
        )
        given = [(sign, bound, of) for sign, bound, of in bounds if bound is not None]
        return ", ".join(f"{sign} {bound:,g}{of}" for sign, bound, of in given)

    def verdict(self, value: float | None, ratio: float | None, *, bound: bool) -> Verdict:
        """Whether it is met.

        Args:
            value, ratio: of the system; a bound on what is missing is not met.
            bound: the generator was the limit, so that a miss proves nothing.
        """
        pairs = (
            (self.ratio_least, ratio, 1),
            (self.ratio_most, ratio, -1),
            (self.least, value, 1),
            (self.most, value, -1),
        )
        asked = [(limit, got, sign) for limit, got, sign in pairs if limit is not None]
        if all(got is not None and sign * got >= sign * limit for limit, got, sign in asked):
            return "yes"
        return "generator-bound" if bound else "no"


def delay_key(percentile: int, rate_pps: float) -> str:
    """Key of a delay figure."""
    return f"delay_p{percentile}_us_{rate_pps / 1000:g}k"


def packet_key(live_calls: int) -> str:
    """Key of the cost per packet with so many calls live."""
    return f"packet_cpu_us_{live_calls}"


def set_up_key(live_calls: int) -> str:
    """Key of the cost per set-up with so many calls live."""
    return f"set_up_cpu_us_{live_calls}"


def figures_of(levels: Sequence[int]) -> tuple[Figure, ...]:
    """All figures of a run, in the order in which they are shown."""
    rates = [f"{rate // 1000}k" for rate in DELAY_RATES_PPS]
    return (
        Figure("lossless_pps", "lossless rate, packets/s", 0),
        Figure("lossless_cpu_us", "CPU per packet at that rate, µs", 2),
        *(
            figure
            for rate in rates
            for figure in (
                Figure(f"delay_p50_us_{rate}", f"delay p50 at {rate}pps, µs", 1),
                Figure(f"delay_p99_us_{rate}", f"delay p99 at {rate}pps, µs", 1),
                Figure(f"cpu_us_{rate}", f"CPU per packet at {rate}pps, µs", 2),
            )
        ),
        Figure("set_ups_per_s", "call set-ups/s", 0),
        Figure("bytes_per_allocation", "memory per allocation, bytes", 0),
        Figure("descriptors_per_allocation", "descriptors per allocation", 3),
        *(Figure(packet_key(n), f"CPU per packet, {n:,} live, µs", 2) for n in levels),
        Figure("packet_growth", "growth of cost per packet, x", 2),
        *(Figure(set_up_key(n), f"CPU per set-up, {n:,} live, µs", 0) for n in levels),
        Figure("set_up_growth", "growth of cost per set-up, x", 2),
        Figure("ready_s", "ready after start, s", 2),
    )


TARGETS = (
    Target("lossless_pps", ("user",), ratio_least=1.3),
    Target("lossless_pps", ("kernel",), ratio_least=5),
    Target("lossless_cpu_us", ("kernel",), ratio_most=0.05),
    Target("delay_p99_us_40k", ("kernel",), ratio_most=0.2),
    Target("set_ups_per_s", ("user", "kernel"), ratio_least=0.8, least=1000),
    Target("bytes_per_allocation", ("user", "kernel"), most=4096),
    Target("descriptors_per_allocation", ("user", "kernel"), most=0.01),
    Target("packet_growth", ("user", "kernel"), most=1.3),
    Target("set_up_growth", ("user", "kernel"), most=1.3),
    Target("ready_s", ("user", "kernel"), most=1),
)


def target_of(key: str, kind: Kind) -> Target | None:
    """The target for a figure of such a system, if there is one."""
    return next((t for t in TARGETS if t.key == key and kind in t.kinds), None)


def derive(
    ready_s: float,
    trials: Sequence[TrialRecord],
    set_ups: Sequence[SetUpRecord],
    memory: MemoryRecord,
    levels: Sequence[int],
) -> Figures:
    """The figures of one system's turn.

    Args:
        ready_s, trials, set_ups, memory: what was measured.
        levels: of live calls, one for each trial of cost per packet and each batch of set-ups.
    """
    first = set_ups[0]
    figures: Figures = {"ready_s": ready_s, "set_ups_per_s": first.finished / first.elapsed_s}
    figures.update(_lossless([t for t in trials if t.purpose == "lossless"]))
    for trial in trials:
        if trial.purpose == "delay":
            figures.update(_delay(trial))
    packets = [t for t in trials if t.purpose == "packets"]
    figures |= _at_levels(
        packet_key, "packet_growth", levels, [(t.live_calls, t.cpu_us) for t in packets]
    )
    figures |= _at_levels(
        set_up_key, "set_up_growth", levels, [(s.live_calls, s.cpu_us) for s in set_ups]
    )
    held = memory.resident_after_bytes - memory.resident_before_bytes
    opened = memory.descriptors_after - memory.descriptors_before
    count = memory.allocations
    figures["bytes_per_allocation"] = held / count if count else None
    figures["descriptors_per_allocation"] = opened / count if count else None
    return figures


def generator_bound(
    trials: Sequence[TrialRecord], set_ups: Sequence[SetUpRecord], limit_pps: float
) -> list[str]:
    """Keys of the figures where the generator was the limit, or lost packets itself."""
    keys = []
    rate = _lossless([t for t in trials if t.purpose == "lossless"])["lossless_pps"] or 0.0
    if rate >= BOUND * limit_pps or any(trial.generator_dropped for trial in trials):
        keys.append("lossless_pps")
    first = set_ups[0]
    if first.generator_busy >= BOUND and first.relay_busy < BOUND:
        keys.append("set_ups_per_s")
    return keys


def medians(rounds: Iterable[RoundRecord]) -> dict[str, Figures]:
    """Per system the median of every figure; None where a round lacks it."""
    collected: dict[str, dict[str, list[float | None]]] = {}
    for record in rounds:
        for key, value in record.figures.items():
            collected.setdefault(record.system, {}).setdefault(key, []).append(value)
    return {
        system: {key: _median(values) for key, values in figures.items()}
        for system, figures in collected.items()
    }


def ratios(of: dict[str, Figures], reference: str) -> dict[str, Figures]:
    """Per system its figures over the reference's; empty where the reference did not run."""
    base = of.get(reference, {})
    return {
        system: {key: _ratio(value, base.get(key)) for key, value in figures.items()}
        for system, figures in of.items()
        if base and system != reference
    }


def _lossless(trials: Sequence[TrialRecord]) -> Figures:
    passed = [trial for trial in trials if trial.is_lossless]
    best = max(passed, key=lambda trial: trial.achieved_pps, default=None)
    return {
        "lossless_pps": best.achieved_pps if best else 0.0,
        "lossless_cpu_us": best.cpu_us if best else None,
    }


def _delay(trial: TrialRecord) -> Figures:
    reached = trial.is_lossless and trial.is_kept
    rate = f"{trial.asked_pps / 1000:g}k"
    return {
        delay_key(50, trial.asked_pps): trial.delay_p50_us if reached else None,
        delay_key(99, trial.asked_pps): trial.delay_p99_us if reached else None,
        f"cpu_us_{rate}": trial.cpu_us if reached else None,
    }


def _at_levels(
    key: Callable[[int], str],
    growth: str,
    levels: Sequence[int],
    measured: Sequence[tuple[int, float | None]],
) -> Figures:
    """The cost at each level that was reached, and the dearest over that at the first.

    Args:
        measured: calls that were live, and the cost if it could be told.
    """
    figures: Figures = {}
    for level, (live_calls, cost_us) in zip(levels, measured, strict=True):
        figures[key(level)] = cost_us if live_calls >= REACHED * level else None
    costs = [cost for cost in figures.values() if cost is not None]
    figures[growth] = max(costs) / costs[0] if costs and costs[0] else None
    return figures


def _median(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return statistics.median(present) if len(present) == len(values) else None


def _ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None
