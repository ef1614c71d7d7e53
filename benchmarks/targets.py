"""What is aimed at, and whether it was reached. Pure.

Rules of this file: targets are those of PERFORMANCE and were written before any figure was seen.
"""

from dataclasses import dataclass
from typing import Literal

from benchmarks.catalogue import program_key
from benchmarks.plan import KERNEL
from benchmarks.systems import Kind

Verdict = Literal["yes", "no", "generator-bound", ""]


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
            ("≥", self.ratio_least, "x"),
            ("≤", self.ratio_most, "x"),
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
    Target("restart_lost", ("kernel",), most=0),
    *(Target(program_key(routes), ("kernel",), most=200) for routes in KERNEL.routes),
    Target("program_growth", ("kernel",), most=1.3),
    Target("installed_calls_per_s", ("kernel",), least=2000),
)

DOOR_TARGETS = (
    Target("listed_pps", ("kernel",), ratio_least=5),
    Target("listed_both_pps", ("kernel",), ratio_least=5),
)
"""Those of `--doors`."""


def target_of(key: str, kind: Kind) -> Target | None:
    """The target for a figure of such a system, if there is one."""
    return next((t for t in (*TARGETS, *DOOR_TARGETS) if t.key == key and kind in t.kinds), None)
