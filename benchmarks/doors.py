"""Client to media server, which is not a TURN client but a plain UDP peer: `--doors`.

A media server in a configuration's `relay.listed_peers` is a client-to-peer relaying, coturn's
ordinary case. Measured are the lossless rates from the client to the peer, and both ways at once.
Both parties, the generator and the relay's core are those of the ordinary run.
"""

import dataclasses
import datetime
import time
from collections.abc import Sequence

from benchmarks import host
from benchmarks.figures import is_rate_bound, lossless, medians, ratios
from benchmarks.measures import STEADY_PPS, Advance, NotReady, running
from benchmarks.passing import PLAIN, Flow
from benchmarks.plan import QUICK, Plan
from benchmarks.results import (
    DoorResult,
    DoorRoundRecord,
    Figures,
    SystemRecord,
    TrialRecord,
)
from benchmarks.run import own_core
from benchmarks.stage import Overloaded, Stage, count_failures
from benchmarks.systems import SECRET, System
from benchmarks.topology import GENERATOR_CORE, LINKS, RELAY_CORE, Topology
from benchmarks.turn_client import CHANNEL, Directory
from relay.address import PeerAddress

PEER_PORT = 20_000


def listing(system: System) -> System:
    """The same system with the callee's end as a listed media server, where it needs a list."""
    if system.config is None:
        return system
    relay = {
        **dict(system.config["relay"]),  # type: ignore[call-overload]
        "peers": "listed",
        "listed_peers": [f"{LINKS[1].address}:{PEER_PORT}"],
        "allow_private": ["198.18.0.0/15"],
    }
    return dataclasses.replace(system, config={**system.config, "relay": relay})


def steps(plan: Plan, systems: Sequence[System]) -> int:
    """Steps of progress in a whole run."""
    return 1 + plan.rounds * len(systems) * 2


def run(plan: Plan, systems: Sequence[System], advance: Advance) -> DoorResult:
    """Measure the systems in turns.

    Raises: NotReady, Overloaded, Contaminated, OSError.
    """
    started = datetime.datetime.now(datetime.UTC)
    begun_s = time.monotonic()
    rounds: list[DoorRoundRecord] = []
    busy = host.background_busy((GENERATOR_CORE, RELAY_CORE))
    with own_core(), Topology() as topology, Stage(topology, plan) as stage:
        limit_pps = stage.measure_generator()
        both_pps = _measure_both_limit(stage)
        advance("the generator's own limits")
        for number in range(1, plan.rounds + 1):
            for system in systems:
                rounds.append(_take_turn(stage, listing(system), number, both_pps, advance))
    middle = medians(rounds)
    reference = next((system.name for system in systems if system.kind == "reference"), "")
    return DoorResult(
        started_at=started.isoformat(timespec="seconds"),
        elapsed_s=time.monotonic() - begun_s,
        quick=plan is QUICK,
        host=host.describe(),
        background_busy=busy,
        generator_limit_pps=limit_pps,
        generator_limit_both_pps=both_pps,
        systems=[
            SystemRecord(name=system.name, kind=system.kind, version=system.version())
            for system in systems
        ],
        rounds=rounds,
        medians=middle,
        ratios=ratios(middle, reference),
    )


def _measure_both_limit(stage: Stage) -> float:
    """What the generator gets through a plain IP router both ways at once. Raises: Overloaded."""
    there, back = (
        Flow(PEER_PORT, PLAIN, PEER_PORT, PLAIN, target=link.address, to_port=PEER_PORT)
        for link in reversed(LINKS)
    )
    with stage.topology.forwarding():
        trials = stage.search([there], 100_000, back=[back])
    rates = [trial.achieved_pps for trial in trials if trial.is_lossless]
    if not rates:
        raise Overloaded("packets are lost both ways even without a relay: this host is too busy")
    return max(rates)


def _take_turn(
    stage: Stage, system: System, number: int, both_pps: float, advance: Advance
) -> DoorRoundRecord:
    with running(stage, system):
        there, back = _open(stage, system)
        trials = stage.search([there], STEADY_PPS)
        advance(f"round {number}, {system.name}: client to media server")
        trials += stage.search([there], STEADY_PPS, back=[back], ceiling_pps=both_pps)
        advance(f"round {number}, {system.name}: both ways")
    return DoorRoundRecord(
        system=system.name,
        number=number,
        trials=trials,
        figures=derive(trials),
        generator_bound=bound(trials, stage.limit_pps, both_pps),
    )


def bound(trials: Sequence[TrialRecord], limit_pps: float, both_pps: float) -> list[str]:
    """Keys of the figures where the generator was the limit, by the rule of the ordinary run.

    Args:
        limit_pps, both_pps: the generator's own, one way and both ways.
    """
    searches = (("listed_pps", "lossless", limit_pps), ("listed_both_pps", "both_ways", both_pps))
    keys = []
    for key, purpose, limit in searches:
        searched = [trial for trial in trials if trial.purpose == purpose]
        if any(trial.generator_dropped for trial in searched) or is_rate_bound(searched, limit):
            keys.append(key)
    return keys


def derive(trials: Sequence[TrialRecord]) -> Figures:
    """The figures of one turn."""
    one = lossless([trial for trial in trials if trial.purpose == "lossless"])
    both = lossless([trial for trial in trials if trial.purpose == "both_ways"])
    return {
        "listed_pps": one["lossless_pps"],
        "listed_cpu_us": one["lossless_cpu_us"],
        "listed_both_pps": both["lossless_pps"],
        "listed_both_cpu_us": both["lossless_cpu_us"],
    }


def _open(stage: Stage, system: System) -> tuple[Flow, Flow]:
    """A client with a channel to the media server, and what goes each way. Raises: NotReady."""
    leg = next(Directory(stage.caller, stage.callee, SECRET)).caller
    peer = PeerAddress.parse(stage.callee.link.address, PEER_PORT)
    for exchange in (leg.allocate(), leg.bind(peer)):
        outcome = stage.conversation.run([exchange])
        if outcome.failures:
            raise NotReady(f"{system.name} refuses the client: {count_failures(outcome)}")
    there = Flow(leg.port, CHANNEL, PEER_PORT, PLAIN)
    back = Flow(PEER_PORT, PLAIN, leg.port, CHANNEL, to_port=leg.relayed.port)
    return there, back
