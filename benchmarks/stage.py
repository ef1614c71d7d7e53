"""Everything but the relay: namespaces, lines, generator and clients, and single trials on them."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from benchmarks.conversation import Conversation, Exchange, Outcome
from benchmarks.frames import TURN_PORT, Line
from benchmarks.generator import Generator, Trial
from benchmarks.host import CoreTimes
from benchmarks.passing import Flow
from benchmarks.plan import DELAY_RATES_PPS, RESTART_PPS, Plan
from benchmarks.remains import Remains
from benchmarks.results import Purpose, SetUpRecord, TrialRecord
from benchmarks.search import highest_rate
from benchmarks.topology import GENERATOR_CORE, LINKS, RELAY_CORE, Topology
from benchmarks.turn_client import CHANNEL

_MOST_PPS = 500_000.0
"""What arrays are made for; the generator's own limit is measured and lies below."""


class Overloaded(Exception):
    """The host has no room for a measurement."""


class Stage:
    """What every relay is put on; a context manager that closes its sockets.

    Args:
        topology: exists for as long as the stage is used.
        plan: how long and how often.
    """

    def __init__(self, topology: Topology, plan: Plan) -> None:
        self.topology = topology
        self.plan = plan
        self.caller, self.callee = (Line(topology, link) for link in LINKS)
        longest_s = max(plan.search_s, plan.packets_s)
        most = max(
            _MOST_PPS * longest_s,
            max(DELAY_RATES_PPS) * plan.delay_s,
            RESTART_PPS * plan.restart_s,
        )
        self.generator = Generator(self.caller, self.callee, int(most))
        self.remains = Remains(topology)
        self.conversation = Conversation((self.caller, self.callee))
        self.limit_pps = _MOST_PPS

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *exception: object) -> None:
        self.caller.close()
        self.callee.close()

    def measure_generator(self) -> float:
        """Find the generator's own limit, with a plain IP router in the relay's place.

        Raises: Overloaded.
        """
        flow = Flow(TURN_PORT, CHANNEL, TURN_PORT, CHANNEL, target=self.callee.link.address)
        with self.topology.forwarding():
            trials = self.search([flow], start_pps=100_000)
        if not any(trial.is_lossless for trial in trials):
            raise Overloaded("packets are lost even without a relay: this host is too busy")
        self.limit_pps = max(trial.achieved_pps for trial in trials if trial.is_lossless)
        return self.limit_pps

    def search(
        self,
        flows: Sequence[Flow],
        start_pps: float,
        *,
        back: Sequence[Flow] = (),
        ceiling_pps: float | None = None,
    ) -> list[TrialRecord]:
        """Every trial of the search for the lossless rate.

        Args:
            flows: what the caller sends.
            back: what the callee sends meanwhile, half of all packets; none for one way.
            ceiling_pps: the generator's own limit, if not that of one way.
        """
        trials: list[TrialRecord] = []

        def passes(rate_pps: float) -> bool:
            trial = self._search_trial(flows, back, rate_pps)
            trials.append(trial)
            return trial.is_lossless and trial.is_kept

        ceiling = ceiling_pps or self.limit_pps
        highest_rate(passes, start=start_pps, ceiling=ceiling, precision=self.plan.precision)
        return trials

    def _search_trial(
        self, flows: Sequence[Flow], back: Sequence[Flow], rate_pps: float
    ) -> TrialRecord:
        if not back:
            return self.trial("lossless", flows, rate_pps, self.plan.search_s)
        both = self.generator.run_both(flows, back, rate_pps, self.plan.search_s)
        return _record("both_ways", len(flows), both)

    def trial(
        self, purpose: Purpose, flows: Sequence[Flow], rate_pps: float, duration_s: float
    ) -> TrialRecord:
        """One run at one rate."""
        return _record(purpose, len(flows), self.generator.run(flows, rate_pps, duration_s))

    def restart(self, flows: Sequence[Flow], on_quarter: Callable[[], None]) -> TrialRecord:
        """The load under which a relay is restarted.

        Args:
            on_quarter: restarts it.
        """
        trial = self.generator.run(flows, RESTART_PPS, self.plan.restart_s, on_quarter)
        return _record("restart", len(flows), trial)

    def set_up(self, exchanges: Iterable[Exchange], live_calls: int, for_s: float) -> SetUpRecord:
        """Calls set up and taken down for so long, with others live."""
        before = CoreTimes.read(RELAY_CORE), CoreTimes.read(GENERATOR_CORE)
        outcome = self.conversation.run(exchanges, for_s=for_s)
        after = CoreTimes.read(RELAY_CORE), CoreTimes.read(GENERATOR_CORE)
        return SetUpRecord(
            live_calls=live_calls,
            finished=outcome.finished,
            failures=count_failures(outcome),
            retransmissions=outcome.retransmissions,
            elapsed_s=outcome.elapsed_s,
            relay_busy=after[0].busy_since(before[0]),
            generator_busy=after[1].busy_since(before[1]),
            stolen=after[0].stolen_since(before[0]),
        )


def count_failures(outcome: Outcome) -> dict[str, int]:
    """How often each failure happened."""
    return {text: outcome.failures.count(text) for text in sorted(set(outcome.failures))}


def _record(purpose: Purpose, live_calls: int, trial: Trial) -> TrialRecord:
    quantiles = np.percentile(trial.delays_us, [50, 99]) if trial.received else (None, None)
    p50_us, p99_us = (None if q is None else float(q) for q in quantiles)
    return TrialRecord(
        purpose=purpose,
        live_calls=live_calls,
        asked_pps=trial.asked_pps,
        achieved_pps=trial.achieved_pps,
        sent=trial.sent,
        received=trial.received,
        late=trial.late,
        stray=trial.stray,
        generator_dropped=trial.generator_dropped,
        mean_burst=trial.sent / trial.bursts,
        relay_busy=trial.relay_busy,
        generator_busy=trial.generator_busy,
        stolen=trial.stolen,
        loss=trial.loss,
        cpu_us=trial.cpu_us,
        delay_p50_us=p50_us,
        delay_p99_us=p99_us,
    )
