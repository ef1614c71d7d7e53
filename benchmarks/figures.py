"""The figures: how they follow from raw records. Pure.

Rules of this file: a figure that was not reached is None and stays None in medians and ratios.
"""

import statistics
from collections.abc import Callable, Iterable, Sequence

from benchmarks.catalogue import delay_key, packet_key, program_key, set_up_key, walk_key
from benchmarks.results import (
    DoorRoundRecord,
    Figures,
    KernelRecord,
    MemoryRecord,
    Purpose,
    RestartRecord,
    RoundRecord,
    TrialRecord,
    TurnRecord,
)

BOUND = 0.95
"""From this share of the generator's limit, or of its core, on a figure is the generator's."""

HALF = 0.5
"""Below this share of its limit, a generator that does not keep up is held up by the host."""

REACHED = 0.95
"""Share of the calls wanted that must be live; a host's limit of open files may keep some out."""


def derive(turn: TurnRecord, levels: Sequence[int]) -> Figures:
    """The figures of one system's turn.

    Args:
        levels: of live calls, one for each trial of cost per packet and each batch of set-ups.
    """
    first = turn.set_ups[0]
    figures: Figures = {"ready_s": turn.ready_s, "set_ups_per_s": first.finished / first.elapsed_s}
    figures.update(lossless(_trials(turn, "lossless")))
    for trial in _trials(turn, "delay"):
        figures.update(_delay(trial))
    packets = [(trial.live_calls, trial.cpu_us) for trial in _trials(turn, "packets")]
    figures |= _at_levels(packet_key, "packet_growth", levels, packets)
    set_ups = [(record.live_calls, record.cpu_us) for record in turn.set_ups]
    figures |= _at_levels(set_up_key, "set_up_growth", levels, set_ups)
    return figures | _memory(turn.memory) | _restart(turn.restart) | _kernel(turn.kernel)


def generator_bound(turn: TurnRecord, limit_pps: float) -> list[str]:
    """Keys of the figures where the generator was the limit, or lost packets itself.

    Args:
        limit_pps: the generator's own.
    """
    keys = []
    searched = _trials(turn, "lossless")
    if any(trial.generator_dropped for trial in turn.trials) or is_rate_bound(searched, limit_pps):
        keys.append("lossless_pps")
    first = turn.set_ups[0]
    if first.generator_busy >= BOUND and first.relay_busy < BOUND:
        keys.append("set_ups_per_s")
    return keys


def is_rate_bound(searched: Sequence[TrialRecord], limit_pps: float) -> bool:
    """Whether the generator was the limit of a search for the lossless rate."""
    rate = lossless(searched)["lossless_pps"] or 0.0
    return rate >= BOUND * limit_pps or (
        rate >= HALF * limit_pps and _is_stopped_by_generator(searched)
    )


def medians(rounds: Iterable[RoundRecord | DoorRoundRecord]) -> dict[str, Figures]:
    """Per system the median of every figure; None where a round lacks it.

    Of what a restart loses or delays it is the most of any round: that one round loses nothing
    proves nothing.
    """
    collected: dict[str, dict[str, list[float | None]]] = {}
    for record in rounds:
        for key, value in record.figures.items():
            collected.setdefault(record.system, {}).setdefault(key, []).append(value)
    return {
        system: {key: _over_rounds(key, values) for key, values in figures.items()}
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


def _trials(turn: TurnRecord, purpose: Purpose) -> list[TrialRecord]:
    return [trial for trial in turn.trials if trial.purpose == purpose]


def lossless(trials: Sequence[TrialRecord]) -> Figures:
    """The highest rate at which nothing was lost, and its cost."""
    passed = [trial for trial in trials if trial.is_lossless]
    best = max(passed, key=lambda trial: trial.achieved_pps, default=None)
    return {
        "lossless_pps": best.achieved_pps if best else 0.0,
        "lossless_cpu_us": best.cpu_us if best else None,
    }


def _is_stopped_by_generator(trials: Sequence[TrialRecord]) -> bool:
    """Whether it was the generator that did not keep the lowest rate above the best one.

    The relay lost nothing of what it was sent there, so its own limit was not met.
    """
    best_pps = max((t.asked_pps for t in trials if t.is_lossless and t.is_kept), default=0.0)
    above = [trial for trial in trials if trial.asked_pps > best_pps]
    lowest_pps = min((trial.asked_pps for trial in above), default=0.0)
    failed = [trial for trial in above if trial.asked_pps == lowest_pps]
    return bool(failed) and all(trial.is_lossless for trial in failed)


def _memory(memory: MemoryRecord) -> Figures:
    held = memory.resident_after_bytes - memory.resident_before_bytes
    opened = memory.descriptors_after - memory.descriptors_before
    count = memory.allocations
    return {
        "bytes_per_allocation": held / count if count else None,
        "descriptors_per_allocation": opened / count if count else None,
    }


def _restart(restart: RestartRecord) -> Figures:
    trial = restart.trial
    return {
        "restart_sent": trial.sent,
        "restart_lost": restart.lost,
        "restart_late": trial.late if restart.is_back else None,
    }


def _kernel(kernel: KernelRecord | None) -> Figures:
    """Nothing of a system that has no such path."""
    if kernel is None:
        return {}
    same = [statistics.median(record.same_ns) for record in kernel.programs]
    figures: Figures = {
        "program_growth": max(same) / same[0],
        "installed_calls_per_s": kernel.install.calls / kernel.install.elapsed_s,
    }
    for record, same_ns in zip(kernel.programs, same, strict=True):
        figures[program_key(record.routes)] = same_ns
        if record.routes > 1:
            figures[walk_key(record.routes)] = statistics.median(record.any_ns)
    return figures


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


def _over_rounds(key: str, values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    if len(present) < len(values):
        return None
    return max(present) if key in ("restart_lost", "restart_late") else statistics.median(present)


def _ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None
