"""How long and how often everything is measured: the full run and the quick one."""

from dataclasses import dataclass

DELAY_RATES_PPS = (20_000, 40_000)
"""One that every relay here reaches, and one near the limit of the best in user space."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes of one run.

    Args:
        rounds: how often each system has its turn.
        search_s: length of each trial of the search for the lossless rate.
        precision: of that search, as a share of the rate.
        delay_s, packets_s, set_ups_s: length of each trial of delay, of cost per packet and of
            call set-ups.
        levels: numbers of live calls at which costs are compared; memory is taken at the last.
    """

    rounds: int
    search_s: float
    precision: float
    delay_s: float
    packets_s: float
    set_ups_s: float
    levels: tuple[int, ...]

    @property
    def steps(self) -> int:
        """Steps of progress per system and round: search, delays, and two per level."""
        return 1 + len(DELAY_RATES_PPS) + 2 * len(self.levels)


FULL = Plan(3, 1.0, 0.03, 2.0, 1.5, 1.5, (1, 100, 1_000, 10_000))
QUICK = Plan(3, 0.4, 0.06, 0.5, 0.4, 0.4, (1, 100, 1_000))
