"""One system's turn: what is measured of it, in which order.

The first process is measured with one call live (lossless rate, delay), then with more and more
(cost per packet); its memory is read when it has held nothing but calls that are live. Then it is
killed under load and started again. Another process sets calls up and takes them down while as many
others are live. Where the kernel path can be measured alone, it is, with no relay running.
"""

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.conversation import Outcome, is_answered
from benchmarks.figures import derive, generator_bound
from benchmarks.kernel import measure_apart
from benchmarks.passing import Flow
from benchmarks.plan import DELAY_RATES_PPS, Plan
from benchmarks.process import Relay
from benchmarks.results import (
    KernelRecord,
    MemoryRecord,
    RestartRecord,
    RoundRecord,
    SetUpRecord,
    TrialRecord,
    TurnRecord,
)
from benchmarks.stage import Stage, count_failures
from benchmarks.systems import SECRET, System
from benchmarks.turn_client import Call, Directory, first_request

STEADY_PPS = 20_000.0
"""Rate at which costs per packet are compared, or half of a relay's lossless rate if that is more:
idle time in /proc/stat counts in steps of 10 ms, too coarse for a fast relay at a low rate."""

_READY_WITHIN_S = 10.0

Advance = Callable[[str], None]
"""Told what was just finished."""


class NotReady(Exception):
    """A system does not answer; the message says what it printed."""


def take_turn(stage: Stage, system: System, number: int, advance: Advance) -> RoundRecord:
    """Measure one system once.

    Args:
        stage: what it is measured on.
        system: what to measure.
        number: of the round, from 1.
        advance: called after each of the plan's steps.
    Raises: NotReady, Contaminated, OSError.
    """
    with running(stage, system) as (relay, ready_s):
        live = _LiveCalls(stage)
        trials, memory = _measure_packets(stage, relay, live, advance)
        restart = _measure_restart(stage, relay, live.flows(), advance)
    with running(stage, system):
        set_ups = _measure_set_ups(stage, advance)
    turn = TurnRecord(
        system=system.name,
        number=number,
        ready_s=ready_s,
        trials=trials,
        set_ups=set_ups,
        memory=memory,
        restart=restart,
        kernel=_measure_kernel(stage, system, advance),
    )
    return RoundRecord(
        **dict(turn),
        figures=derive(turn, stage.plan.levels),
        generator_bound=generator_bound(turn, stage.limit_pps),
    )


def steps_of(plan: Plan, system: System) -> int:
    """Steps of progress in each of a system's turns."""
    return plan.steps + system.has_kernel_path


@contextmanager
def running(stage: Stage, system: System) -> Iterator[tuple[Relay, float]]:
    """The system, started and answering, and how many seconds that took.

    Raises: NotReady; Contaminated, when it is gone.
    """
    with tempfile.TemporaryDirectory(prefix="cvb") as directory:
        started_s = time.monotonic()
        with Relay(system, stage.topology, Path(directory)) as relay:
            _await_answer(stage, relay)
            yield relay, time.monotonic() - started_s
    stage.remains.check(system.name)


def _await_answer(stage: Stage, relay: Relay) -> None:
    """Ask until it answers. Raises: NotReady."""
    until_s = time.monotonic() + _READY_WITHIN_S
    while not is_answered(first_request(stage.caller)):
        if not relay.is_running or time.monotonic() > until_s:
            said = relay.log_text().strip()[-500:]
            raise NotReady(f"{relay.system.name} does not answer: {said}")


class _LiveCalls:
    """Calls that are opened and stay open, to the number asked for."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._directory = iter(Directory(stage.caller, stage.callee, SECRET))
        self._calls: list[Call] = []
        self.failures = Outcome()

    def grow_to(self, level: int) -> int:
        """Open more calls until so many are live, or were tried.

        Returns: how many are.
        """
        more = list(itertools.islice(self._directory, level - len(self._calls)))
        outcome = self._stage.conversation.run(call.open() for call in more)
        self.failures.failures += outcome.failures
        self._calls += more
        return len(self.flows())

    def flows(self) -> list[Flow]:
        """One direction of every call that is live."""
        return [call.flow for call in self._calls if call.is_open]


def _measure_packets(
    stage: Stage, relay: Relay, live: _LiveCalls, advance: Advance
) -> tuple[list[TrialRecord], MemoryRecord]:
    plan = stage.plan
    before = relay.resident_bytes(), relay.descriptors()
    if not live.grow_to(1):
        raise NotReady(f"{relay.system.name} refuses calls: {live.failures.failures}")
    flows = live.flows()
    trials = stage.search(flows, start_pps=STEADY_PPS)
    advance("lossless rate")
    rates = (trial.achieved_pps for trial in trials if trial.is_lossless)
    steady_pps = max(STEADY_PPS, max(rates, default=0.0) / 2)
    for rate in DELAY_RATES_PPS:
        trials.append(stage.trial("delay", flows, rate, plan.delay_s))
        advance(f"delay at {rate // 1000} kpps")
    for level in plan.levels:
        live.grow_to(level)
        flows = live.flows()
        after = relay.resident_bytes(), relay.descriptors()
        trials.append(stage.trial("packets", flows, steady_pps, plan.packets_s))
        advance(f"packets, {level:,} calls live")
    return trials, MemoryRecord(
        allocations=2 * len(flows),
        failures=count_failures(live.failures),
        resident_before_bytes=before[0],
        resident_after_bytes=after[0],
        descriptors_before=before[1],
        descriptors_after=after[1],
    )


def _measure_restart(
    stage: Stage, relay: Relay, flows: Sequence[Flow], advance: Advance
) -> RestartRecord:
    with relay.successor() as take_over:
        trial = stage.restart(flows, take_over)
        is_back = is_answered(first_request(stage.caller))
    _await_answer(stage, relay)
    advance("kill -9 and restart")
    return RestartRecord(trial=trial, is_back=is_back)


def _measure_kernel(stage: Stage, system: System, advance: Advance) -> KernelRecord | None:
    if not system.has_kernel_path:
        return None
    record = measure_apart(stage.topology, stage.plan.kernel)
    stage.remains.check(f"the kernel path of {system.name}")
    advance("the kernel program alone")
    return record


def _measure_set_ups(stage: Stage, advance: Advance) -> list[SetUpRecord]:
    live = _LiveCalls(stage)
    plan = stage.plan
    passing = Directory(stage.caller, stage.callee, SECRET, first=plan.levels[-1])
    records = []
    for level in plan.levels:
        count = live.grow_to(level)
        exchanges = (call.set_up_once() for call in passing)
        records.append(stage.set_up(exchanges, count, plan.set_ups_s))
        advance(f"set-ups, {level:,} calls live")
    return records
