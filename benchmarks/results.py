"""What a run leaves behind: every raw figure of every round, as typed records that are the JSON."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from benchmarks.systems import Kind

SCHEMA_VERSION = 1

Figures = dict[str, float | None]
"""By the keys of `benchmarks.figures`; None where a system did not get that far."""


class Record(BaseModel):
    """What all records have in common."""

    model_config = ConfigDict(extra="forbid")


class TrialRecord(Record):
    """One run at one rate; the fields are those of `generator.Trial`."""

    purpose: Literal["lossless", "delay", "packets"]
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


class MemoryRecord(Record):
    """What the process held before any call and with so many live."""

    allocations: int
    failures: dict[str, int]
    resident_before_bytes: int
    resident_after_bytes: int
    descriptors_before: int
    descriptors_after: int


class RoundRecord(Record):
    """One system's turn in one round."""

    system: str
    number: int = Field(ge=1)
    ready_s: float
    trials: list[TrialRecord]
    set_ups: list[SetUpRecord]
    memory: MemoryRecord
    figures: Figures
    remarks: list[str]


class SystemRecord(Record):
    """A system that took part."""

    name: str
    kind: Kind
    version: str


class Result(Record):
    """A whole run.

    Args:
        generator_limit_pps: what the generator gets through a plain IP router in the relay's place.
        generator_set_ups: like that for set-ups: None, since only a relay can answer them; see the
            share of the generator's core in each record.
        medians: per system, over the rounds.
        ratios: per system, its medians over those of the reference.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    started_at: str
    elapsed_s: float
    quick: bool
    host: dict[str, str | int | None]
    generator_limit_pps: float
    systems: list[SystemRecord]
    rounds: list[RoundRecord]
    medians: dict[str, Figures]
    ratios: dict[str, Figures]
