"""A tiny benchmark of the real thing: coturn and callveil in network namespaces."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from benchmarks.page import render
from benchmarks.plan import DELAY_RATES_PPS, Plan
from benchmarks.results import Result
from benchmarks.run import obstacles, run, steps
from benchmarks.systems import SYSTEMS
from benchmarks.topology import PREFIX
from tests.benchmarks.command import start

TINY = Plan(
    rounds=1,
    search_s=0.01,
    precision=1.0,
    delay_s=0.01,
    packets_s=0.01,
    set_ups_s=0.05,
    levels=(1, 3),
)


@pytest.fixture(autouse=True, scope="module")
def _able() -> None:
    needs = "; ".join(obstacles(SYSTEMS))
    if needs:
        pytest.skip(needs)


def _namespaces_of(pid: int) -> list[str]:
    listing = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True)
    return [line for line in listing.stdout.splitlines() if line.startswith(f"{PREFIX}{pid}-")]


@pytest.fixture(scope="module")
def measured() -> tuple[Result, list[str]]:
    """One round of everything, and what was said of its progress."""
    said: list[str] = []
    return run(TINY, SYSTEMS, said.append), said


def test_every_system_takes_its_turn_and_every_step_is_told(
    measured: tuple[Result, list[str]],
) -> None:
    result, said = measured
    assert [turn.system for turn in result.rounds] == [system.name for system in SYSTEMS]
    assert len(said) == steps(TINY, SYSTEMS)


def test_packets_cross_both_relays_and_none_goes_astray(
    measured: tuple[Result, list[str]],
) -> None:
    for turn in measured[0].rounds:
        assert sum(trial.received for trial in turn.trials) > 0
        assert all(trial.received + trial.late <= trial.sent for trial in turn.trials)
        assert not any(trial.stray for trial in turn.trials)
        delays = [trial for trial in turn.trials if trial.purpose == "delay"]
        assert [trial.sent for trial in delays] == [rate // 100 for rate in DELAY_RATES_PPS]


def test_calls_are_set_up_and_taken_down_and_none_is_refused(
    measured: tuple[Result, list[str]],
) -> None:
    for turn in measured[0].rounds:
        assert all(record.finished > 0 for record in turn.set_ups)
        assert not any(record.failures for record in turn.set_ups)
        assert turn.memory.allocations == 2 * TINY.levels[-1]
        assert turn.memory.failures == {}


def test_a_measured_result_becomes_json_and_a_page(measured: tuple[Result, list[str]]) -> None:
    result, _ = measured
    assert Result.model_validate_json(result.model_dump_json()) == result
    page = render(result)
    assert all(system.version in page for system in result.systems)


def test_nothing_is_left_behind(measured: tuple[Result, list[str]]) -> None:
    assert _namespaces_of(os.getpid()) == []
    assert len(os.sched_getaffinity(0)) > 1


def test_ctrl_c_ends_the_run_and_removes_the_namespaces(tmp_path: Path) -> None:
    with start("--quick", "--systems", "coturn", "--out", str(tmp_path)) as process:
        assert process.stderr is not None
        assert "limit" in process.stderr.readline()
        # A relay is running from here on or is about to.
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(30) == 130
    assert said.endswith("stopped; nothing was written\n")
    assert _namespaces_of(process.pid) == []
    assert list(tmp_path.iterdir()) == []
