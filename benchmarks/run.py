"""A whole run: the generator's own limit, then every system in turns, round after round."""

import datetime
import os
import resource
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks import host
from benchmarks.figures import medians, ratios
from benchmarks.measures import Advance, steps_of, take_turn
from benchmarks.plan import QUICK, Plan
from benchmarks.results import Result, RoundRecord, SystemRecord
from benchmarks.stage import Stage
from benchmarks.systems import System
from benchmarks.topology import GENERATOR_CORE, RELAY_CORE, Topology

_TOOLS = (("ip", "iproute2"), ("tc", "iproute2"), ("taskset", "util-linux"))

_FILES = 100_000
"""Open files wanted: 20,000 allocations with a socket each, and room."""


def obstacles(systems: Sequence[System]) -> list[str]:
    """What keeps this host from running the benchmark, a sentence each."""
    found = []
    if os.geteuid() != 0:
        found.append("network namespaces need root: run it with sudo")
    if not {GENERATOR_CORE, RELAY_CORE} <= os.sched_getaffinity(0):
        found.append(f"cores {GENERATOR_CORE} and {RELAY_CORE} are needed")
    for tool, package in _TOOLS:
        if shutil.which(tool) is None:
            found.append(f"{tool} is missing: install {package}")
    for system in systems:
        if system.executable() is None:
            found.append(f"{system.program} is missing: install {system.package}")
    return found


def steps(plan: Plan, systems: Sequence[System]) -> int:
    """Steps of progress in a whole run."""
    return 1 + plan.rounds * sum(steps_of(plan, system) for system in systems)


def run(plan: Plan, systems: Sequence[System], advance: Advance) -> Result:
    """Measure the systems.

    Args:
        plan: how long and how often.
        systems: in the order of their turns.
        advance: called after each of `steps`.
    Raises: NotReady, Overloaded, Contaminated, OSError.
    """
    started = datetime.datetime.now(datetime.UTC)
    begun_s = time.monotonic()
    rounds: list[RoundRecord] = []
    busy = host.background_busy((GENERATOR_CORE, RELAY_CORE))
    with own_core(), Topology() as topology, Stage(topology, plan) as stage:
        limit_pps = stage.measure_generator()
        advance("the generator's own limit")
        for number in range(1, plan.rounds + 1):
            for system in systems:
                turn = _naming(advance, f"round {number}, {system.name}: ")
                rounds.append(take_turn(stage, system, number, turn))
    middle = medians(rounds)
    reference = next((system.name for system in systems if system.kind == "reference"), "")
    return Result(
        started_at=started.isoformat(timespec="seconds"),
        elapsed_s=time.monotonic() - begun_s,
        quick=plan is QUICK,
        host=host.describe(),
        background_busy=busy,
        generator_limit_pps=limit_pps,
        levels=list(plan.levels),
        routes=list(plan.kernel.routes),
        systems=[
            SystemRecord(name=system.name, kind=system.kind, version=system.version())
            for system in systems
        ],
        rounds=rounds,
        medians=middle,
        ratios=ratios(middle, reference),
    )


def _naming(advance: Advance, prefix: str) -> Advance:
    return lambda text: advance(prefix + text)


@contextmanager
def own_core() -> Iterator[None]:
    """While it lasts this process is on the generator's core and may open what its limit allows.

    Relays inherit the limit: coturn holds a socket per allocation.
    """
    cores, limits = os.sched_getaffinity(0), resource.getrlimit(resource.RLIMIT_NOFILE)
    os.sched_setaffinity(0, {GENERATOR_CORE})
    _raise_file_limit()
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def _raise_file_limit() -> None:
    """As far as this process may: beyond the hard limit takes CAP_SYS_RESOURCE."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (_FILES, hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, max(limit, hard)))
        except (OSError, ValueError):
            continue
        return
