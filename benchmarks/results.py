"""What a run leaves behind: every raw figure of every round, as typed records that are the JSON."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from benchmarks.search import LEAST_ACHIEVED, MOST_LOSS
from benchmarks.systems import Kind

Figures = dict[str, float | None]
"""By the keys of `benchmarks.figures`; None where a system did not get that far."""


class Record(BaseModel):
    """What all records have in common."""

    model_config = ConfigDict(extra="forbid")


Purpose = Literal["lossless", "both_ways", "delay", "packets", "restart"]
"""What a trial is for: the search, one way or both; the delay at a given rate; the cost per packet;
what is lost when the relay is killed and started again meanwhile."""


class TrialRecord(Record):
    """One run at one rate; the fields are those of `generator.Trial`."""

    purpose: Purpose
    live_calls: int
    asked_pps: float
    achieved_pps: float
    sent: int
    received: int
    late: int
    stray: int
    generator_dropped: int
    mean_burst: float
    relay_busy: float
    generator_busy: float
    stolen: float
    loss: float
    cpu_us: float
    delay_p50_us: float | None
    delay_p99_us: float | None

    @property
    def is_lossless(self) -> bool:
        """Whether so little was lost that the rate achieved counts."""
        return self.loss <= MOST_LOSS

    @property
    def is_kept(self) -> bool:
        """Whether the rate asked for was achieved, as it is not on a host that is busy."""
        return self.achieved_pps >= LEAST_ACHIEVED * self.asked_pps


class SetUpRecord(Record):
    """One batch of call set-ups."""

    live_calls: int
    finished: int
    failures: dict[str, int]
    retransmissions: int
    elapsed_s: float
    relay_busy: float
    generator_busy: float
    stolen: float

    @property
    def cpu_us(self) -> float | None:
        """Microseconds of the relay's core per set-up; None where it refused any.

        A refusal costs something else, and would be averaged in.
        """
        if not self.finished or self.failures:
            return None
        return self.relay_busy * self.elapsed_s / self.finished * 1e6


class MemoryRecord(Record):
    """What the process held before any call and with so many live."""

    allocations: int
    failures: dict[str, int]
    resident_before_bytes: int
    resident_after_bytes: int
    descriptors_before: int
    descriptors_after: int


class RestartRecord(Record):
    """A relay killed with SIGKILL under load and started again at once.

    Args:
        trial: the load, which goes on from well before to well after.
        is_back: whether the new process answered by the end of the load; otherwise the trial says
            nothing of a restart.
    """

    trial: TrialRecord
    is_back: bool

    @property
    def lost(self) -> int | None:
        """Packets that never arrived; None if not all of that can be the relay's doing."""
        if not self.is_back or self.trial.generator_dropped:
            return None
        return self.trial.sent - self.trial.received - self.trial.late


class ProgramRecord(Record):
    """The kernel program with so many routes in its table: nanoseconds per packet, each run's mean.

    Args:
        same_ns: every packet takes the same route.
        any_ns: each takes another than the one before, until all had their turn.
    """

    routes: int
    same_ns: list[int]
    any_ns: list[int]


class InstallRecord(Record):
    """Routes of so many calls put into the kernel's maps one after the other."""

    calls: int
    routes: int
    elapsed_s: float


class KernelRecord(Record):
    """What was measured of the kernel path without a relay around it."""

    programs: list[ProgramRecord]
    install: InstallRecord


class TurnRecord(Record):
    """One system's turn in one round, as measured.

    Args:
        ready_s: from start to the first answer.
        kernel: of the systems whose kernel path can be measured alone.
    """

    system: str
    number: int = Field(ge=1)
    ready_s: float
    trials: list[TrialRecord]
    set_ups: list[SetUpRecord]
    memory: MemoryRecord
    restart: RestartRecord
    kernel: KernelRecord | None


class RoundRecord(TurnRecord):
    """The same with what follows from it.

    Args:
        generator_bound: keys of the figures where the generator was the limit, not the relay.
    """

    figures: Figures
    generator_bound: list[str]


class SystemRecord(Record):
    """A system that took part."""

    name: str
    kind: Kind
    version: str


class Result(Record):
    """A whole run.

    Args:
        background_busy: share of the busier of both cores that was taken before anything started.
        generator_limit_pps: what the generator gets through a plain IP router in the relay's place.
        levels: numbers of live calls at which costs were compared.
        routes: numbers of routes at which the kernel program's cost was measured.
        medians: per system, over the rounds; of the packets lost at a restart, the worst.
        ratios: per system, its medians over those of the reference.
    """

    schema_version: Literal[2] = 2
    started_at: str
    elapsed_s: float
    quick: bool
    host: dict[str, str | int | None]
    background_busy: float
    generator_limit_pps: float
    levels: list[int]
    routes: list[int]
    systems: list[SystemRecord]
    rounds: list[RoundRecord]
    medians: dict[str, Figures]
    ratios: dict[str, Figures]


class DoorRoundRecord(Record):
    """One system's turn at relaying to a media server, with what follows from it."""

    system: str
    number: int = Field(ge=1)
    trials: list[TrialRecord]
    figures: Figures
    generator_bound: list[str]


class DoorResult(Record):
    """A whole run of `--doors`; fields are as in `Result`.

    Args:
        generator_limit_both_pps: what the generator gets through a plain IP router both ways at
            once, packets of both directions together.
    """

    schema_version: Literal[1] = 1
    started_at: str
    elapsed_s: float
    quick: bool
    host: dict[str, str | int | None]
    background_busy: float
    generator_limit_pps: float
    generator_limit_both_pps: float
    systems: list[SystemRecord]
    rounds: list[DoorRoundRecord]
    medians: dict[str, Figures]
    ratios: dict[str, Figures]


AnyResult = Result | DoorResult
"""What the table and the page show."""
