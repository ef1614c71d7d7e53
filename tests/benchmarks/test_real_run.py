"""A tiny benchmark of the real thing: coturn and callveil in network namespaces."""

import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.frames import TURN_PORT
from benchmarks.page import render
from benchmarks.passing import PAYLOAD_BYTES, Flow
from benchmarks.plan import DELAY_RATES_PPS, RESTART_PPS, KernelPlan, Plan
from benchmarks.remains import Contaminated, Remains
from benchmarks.results import Result
from benchmarks.run import obstacles, run, steps
from benchmarks.stage import Stage
from benchmarks.systems import SYSTEMS
from benchmarks.topology import RELAY_ADDRESS, ROLE, Topology
from benchmarks.turn_client import CHANNEL
from relay.address import ServerAddress
from relay.forward.kernel.program import Program
from tests.kit import program as beside
from tests.kit import requirements
from tests.kit.namespaces import PREFIX, run_command

TINY = Plan(
    rounds=1,
    search_s=0.01,
    precision=1.0,
    delay_s=0.01,
    packets_s=0.01,
    set_ups_s=0.05,
    restart_s=3.0,
    levels=(1, 3),
    kernel=KernelPlan(routes=(1, 50), packets=1_000, runs=2, calls=100),
)


@pytest.fixture(autouse=True, scope="module")
def _able() -> None:
    requirements.insist("benchmarks", "; ".join(obstacles(SYSTEMS)))
    requirements.require({"ip": "iproute2"})


def _namespaces_of(pid: int) -> list[str]:
    listing = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True)
    ours = re.compile(rf"{PREFIX}-{pid}-.*-{ROLE}-")
    return [line for line in listing.stdout.splitlines() if ours.match(line)]


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


def test_a_relay_that_is_killed_and_started_again_goes_on_in_the_kernel_alone(
    measured: tuple[Result, list[str]],
) -> None:
    for turn in measured[0].rounds:
        trial = turn.restart.trial
        assert trial.sent == RESTART_PPS * TINY.restart_s
        assert trial.live_calls == TINY.levels[-1]
        # A relay in user space takes its calls with it, a quarter on.
        forwarded = trial.received + trial.late > trial.sent / 2
        assert forwarded is (turn.kernel is not None)


def test_the_kernel_path_is_measured_alone_where_there_is_one(
    measured: tuple[Result, list[str]],
) -> None:
    for turn in measured[0].rounds:
        if turn.system != "callveil-kernel":
            assert turn.kernel is None
            continue
        assert turn.kernel
        assert [record.routes for record in turn.kernel.programs] == [1, 50]
        assert all(0 not in record.same_ns for record in turn.kernel.programs)
        assert turn.kernel.install.calls == 100
        assert turn.kernel.install.routes == 200


def test_a_measured_result_becomes_json_and_a_page(measured: tuple[Result, list[str]]) -> None:
    result, _ = measured
    assert Result.model_validate_json(result.model_dump_json()) == result
    page = render(result)
    assert all(system.version in page for system in result.systems)


def test_nothing_is_left_behind(measured: tuple[Result, list[str]]) -> None:
    assert _namespaces_of(os.getpid()) == []
    assert len(os.sched_getaffinity(0)) > 1


@pytest.fixture
def topology() -> Iterator[Topology]:
    with Topology() as made:
        yield made


@pytest.fixture
def program(topology: Topology) -> Iterator[Program]:
    """What callveil loads there, attached to nothing yet."""
    with topology.relay.entered():
        made = Program([ServerAddress.parse(RELAY_ADDRESS, 3478)], [])
    yield made
    made.close()


@pytest.mark.parametrize(("seconds_before", "stray"), [(0, 1), (30, 0)])
def test_a_packet_of_an_earlier_trial_is_late_and_not_stray(
    topology: Topology, seconds_before: int, stray: int
) -> None:
    """On a busy host what was sent before comes when nobody waits for it any more."""
    with Stage(topology, TINY) as stage, topology.forwarding():
        there = stage.callee.link.address

        def send_another() -> None:
            sent_ns = time.time_ns() - seconds_before * 1_000_000_000
            numbers = struct.pack("=QQ", 2**32, sent_ns)
            frame = CHANNEL.to_bytes(2) + PAYLOAD_BYTES.to_bytes(2) + numbers.ljust(PAYLOAD_BYTES)
            stage.caller.outgoing.send(stage.caller.frame(TURN_PORT, frame, there))

        flow = Flow(TURN_PORT, CHANNEL, TURN_PORT, CHANNEL, target=there)
        trial = stage.generator.run([flow], 1_000, 0.1, send_another)
    assert (trial.sent, trial.stray) == (100, stray)


def test_an_empty_qdisc_that_callveil_leaves_is_removed_and_another_is_noticed(
    topology: Topology,
) -> None:
    tc = ["tc", "-n", topology.relay.name, "qdisc"]
    remains = Remains(topology)
    run_command([*tc, "add", "dev", "caller", "clsact"])
    remains.check("callveil")
    assert "clsact" not in run_command([*tc, "show"]).stdout
    run_command([*tc, "add", "dev", "callee", "root", "pfifo"])
    with pytest.raises(Contaminated, match=r"^somebody .*: qdisc pfifo on callee$"):
        remains.check("somebody")


def test_a_filter_that_is_left_is_noticed(topology: Topology, program: Program) -> None:
    remains = Remains(topology)
    with topology.relay.entered():
        program.attach([socket.if_nametoindex("callee")], [])
    with pytest.raises(Contaminated, match="bpf filter on callee ingress"):
        remains.check("somebody")
    with topology.relay.entered():
        program.detach()
    remains.check("somebody")


def test_maps_that_the_next_relay_would_take_over_are_noticed(
    topology: Topology, program: Program
) -> None:
    remains = Remains(topology)
    program.pin()
    try:
        with pytest.raises(Contaminated, match="pinned map routes"):
            remains.check("somebody")
    finally:
        program.detach()
    remains.check("somebody")


def test_a_process_that_is_left_is_noticed(topology: Topology) -> None:
    remains = Remains(topology)
    with subprocess.Popen(topology.command_in_relay(["cat"]), stdin=subprocess.PIPE) as process:
        _await_command(process.pid, "cat")
        with pytest.raises(Contaminated, match=f"process {process.pid}$"):
            remains.check("somebody")


def _await_command(pid: int, name: str) -> None:
    while Path("/proc", str(pid), "comm").read_text().strip() != name:
        os.sched_yield()


def test_ctrl_c_ends_the_run_and_removes_the_namespaces(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    command = [sys.executable, "-m", "benchmarks", "--quick", "--systems", "coturn"]
    root = Path(__file__).parents[2]
    with beside.Program([*command, "--out", str(out)], tmp_path / "said", cwd=root) as benchmark:
        benchmark.until_said("limit")
        # A relay is running from here on or is about to.
        assert benchmark.stop() == 130
        assert benchmark.log_text().endswith("stopped; nothing was written\n")
        assert _namespaces_of(benchmark.pid) == []
    assert list(out.iterdir()) == []
