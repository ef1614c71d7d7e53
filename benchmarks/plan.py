"""How long and how often everything is measured: the full run and the quick one."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

DELAY_RATES_PPS = (20_000, 40_000)
"""One that every relay here reaches, and one near the limit of the best in user space."""

RESTART_PPS = 40_000.0
"""Load under which a relay is killed and started again."""


class KernelPlan(BaseModel):
    """The sizes of what is measured of the kernel path without a relay around it.

    Args:
        routes: numbers of routes at which the program's cost is measured.
        packets, runs: of each measurement; at least as many packets as routes.
        calls: whose routes are installed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    routes: tuple[int, ...]
    packets: int
    runs: int
    calls: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes of one run.

    Args:
        rounds: how often each system has its turn.
        search_s: length of each trial of the search for the lossless rate.
        precision: of that search, as a share of the rate.
        delay_s, packets_s, set_ups_s: length of each trial of delay, of cost per packet and of
            call set-ups.
        restart_s: length of the load under which the relay is killed, a quarter on, and started.
        levels: numbers of live calls at which costs are compared; memory is taken at the last.
        kernel: what is measured of the kernel path alone.
    """

    rounds: int
    search_s: float
    precision: float
    delay_s: float
    packets_s: float
    set_ups_s: float
    restart_s: float
    levels: tuple[int, ...]
    kernel: KernelPlan

    @property
    def steps(self) -> int:
        """Steps of progress per system and round: search, delays, two per level, a restart."""
        return 1 + len(DELAY_RATES_PPS) + 2 * len(self.levels) + 1


KERNEL = KernelPlan(routes=(1, 1_000, 100_000), packets=300_000, runs=5, calls=20_000)
FULL = Plan(3, 1.0, 0.03, 2.0, 1.5, 1.5, 3.0, (1, 100, 1_000, 10_000), KERNEL)
QUICK = Plan(2, 0.3, 0.06, 0.5, 0.4, 0.4, 3.0, (1, 100, 1_000), KERNEL)
