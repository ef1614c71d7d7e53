"""callveil's kernel path without a relay around it: the program's cost, and routes installed.

    python -m benchmarks.kernel PLAN

Run by the benchmark in the relay's namespace, on the relay's core: a process of its own, whose
mounts, maps and memory end with it. PLAN and the answer on stdout are JSON, `KernelPlan` and
`KernelRecord`. Exit codes: 0 measured, 1 it cannot be, with the reason on stderr.
"""

import gc
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.plan import KernelPlan
from benchmarks.program_cost import measure
from benchmarks.results import InstallRecord, KernelRecord, ProgramRecord
from benchmarks.topology import LINKS, RELAY_ADDRESS, Link, Topology
from benchmarks.turn_client import CHANNEL, FIRST_PORT
from relay.address import ClientAddress, FiveTuple, ServerAddress, Transport
from relay.effects import LegKey, SetLeg, SetRoute
from relay.errors import FastPathError
from relay.forward.kernel import FastPath

_SERVER = ServerAddress.parse(RELAY_ADDRESS, 3478)
_LEASE_S = 30
_LIFE_NS = 3600 * 10**9
_BITRATE_BPS, _PACKETS_PER_S = 8_000_000, 1_000
_TIMEOUT_S = 60


def measure_apart(topology: Topology, plan: KernelPlan) -> KernelRecord:
    """Measure in a process of its own, in the relay's namespace.

    Raises: OSError, with what that process said.
    """
    command = [sys.executable, "-m", __name__, plan.model_dump_json()]
    done = subprocess.run(
        topology.command_in_relay(command),
        cwd=Path(__file__).parents[1],
        check=False,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    if done.returncode:
        raise OSError(f"the kernel path cannot be measured: {done.stderr.strip()[-500:]}")
    return KernelRecord.model_validate_json(done.stdout)


def install(calls: int) -> InstallRecord:
    """Install the legs and routes of so many calls, as the daemon's forwarder does.

    The kernel is asked for the way to each client, and the routes are in the maps that the attached
    program reads. Nothing is left behind.

    Raises: FastPathError.
    """
    path = FastPath.open([link.party for link in LINKS], [_SERVER], [], _LEASE_S, time.monotonic_ns)
    try:
        work = [_effects(number) for number in range(calls)]
        gc.freeze()  # as the daemon does with what start-up made
        begun_s = time.perf_counter()
        for legs, routes in work:
            for leg in legs:
                path.set_leg(leg)
            for route in routes:
                path.set_route(route)
        elapsed_s = time.perf_counter() - begun_s
        return InstallRecord(calls=calls, routes=path.routes, elapsed_s=elapsed_s)
    finally:
        path.close(leave_running=False)


def _effects(number: int) -> tuple[tuple[SetLeg, ...], tuple[SetRoute, ...]]:
    """What opening the n-th call asks of the kernel path."""
    clients = [_client(link, number) for link in LINKS]
    keys = [LegKey(f"bench-{number}", link.party) for link in LINKS]
    expires_ns = time.monotonic_ns() + _LIFE_NS
    ends = zip(clients, reversed(clients), keys, strict=True)
    return (
        tuple(SetLeg(key, _BITRATE_BPS, _PACKETS_PER_S) for key in keys),
        tuple(SetRoute(a, CHANNEL, b, CHANNEL, key, expires_ns) for a, b, key in ends),
    )


def _client(link: Link, number: int) -> FiveTuple:
    address = ClientAddress.parse(link.address, FIRST_PORT + number)
    return FiveTuple(Transport.UDP, address, _SERVER)


def main() -> int:
    """Measure what the plan says."""
    plan = KernelPlan.model_validate_json(sys.argv[1])
    try:
        programs = [
            ProgramRecord(routes=routes, same_ns=same_ns, any_ns=any_ns)
            for routes in plan.routes
            for same_ns, any_ns in [measure(routes, plan.packets, plan.runs)]
        ]
        record = KernelRecord(programs=programs, install=install(plan.calls))
    except FastPathError as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    sys.stdout.write(record.model_dump_json())
    return 0


if __name__ == "__main__":
    sys.exit(main())
