"""The search for the highest rate at which a relay loses nothing. Pure but for what it calls."""

from collections.abc import Callable

MOST_LOSS = 0.001
"""What still counts as lossless: PERFORMANCE, "a rate counts only if at most 0.1 % is lost"."""

LEAST_ACHIEVED = 0.97
"""Share of the rate asked for that the generator must keep, or the rate was not tried."""


def highest_rate(
    passes: Callable[[float], bool], *, start: float, ceiling: float, precision: float
) -> float:
    """Double the rate until it fails, then halve the gap on a logarithmic scale.

    A rate that fails is tried a second time: whatever else runs on a host can only make a trial
    worse, so one pass is evidence and one failure is not. That holds for every system alike.

    Args:
        passes: runs one trial at a rate.
        start: first rate, halved until something passes.
        ceiling: never go above it.
        precision: stop when failing and passing rates differ by less than this share.
    Returns: the highest rate that passed; 0 when none did down to a hundredth of `start`.
    """

    def passes_once_of_two(rate: float) -> bool:
        return passes(rate) or passes(rate)

    rate, passed, failed = min(start, ceiling), 0.0, 0.0
    while not passed:
        if passes_once_of_two(rate):
            passed = rate
        elif rate < start / 100:
            return 0.0
        else:
            failed, rate = rate, rate / 2
    while not failed and passed < ceiling:
        rate = min(2 * passed, ceiling)
        passed, failed = (rate, 0.0) if passes_once_of_two(rate) else (passed, rate)
    while failed > passed * (1 + precision):
        rate = (passed * failed) ** 0.5
        passed, failed = (rate, failed) if passes_once_of_two(rate) else (passed, rate)
    return passed
