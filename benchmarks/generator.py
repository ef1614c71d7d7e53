"""Sends packets at a given rate from one party or from both, and says what became of them."""

import gc
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.frames import Line
from benchmarks.host import CoreTimes
from benchmarks.mmsg import Slots
from benchmarks.passing import RECEIVED_BYTES, Flow, Passing
from benchmarks.topology import GENERATOR_CORE, RELAY_CORE


@dataclass(frozen=True, slots=True)
class Trial:
    """What one run at one rate gave.

    Args:
        asked_pps, achieved_pps: the rate wanted, and the one the generator kept.
        sent, received: packets; received ones are whole, in the right call, once, and not late.
        late, stray: arrived after `LATE_S`; arrived where or when they must not.
        generator_dropped: lost in the generator's own receive buffer.
        delays_us: one-way delay of what was received.
        relay_busy, generator_busy: busy share of each core, 0..=1.
        stolen: share of the relay's core that the host of a virtual machine took.
    """

    asked_pps: float
    achieved_pps: float
    sent: int
    received: int
    late: int
    stray: int
    generator_dropped: int
    bursts: int
    relay_busy: float
    generator_busy: float
    stolen: float
    delays_us: NDArray[np.float64]

    @property
    def loss(self) -> float:
        """Share of what was sent that did not arrive in time."""
        return 1 - self.received / self.sent

    @property
    def cpu_us(self) -> float:
        """Microseconds of the relay's core per packet that arrived."""
        duration_s = self.sent / self.achieved_pps
        return self.relay_busy * duration_s / max(1, self.received) * 1e6


class Generator:
    """Sends from one party's line to the other's; both lines stay the owner's.

    Args:
        caller, callee: the two lines.
        most: packets the longest trial may send.
    """

    def __init__(self, caller: Line, callee: Line, most: int) -> None:
        self._lines = caller, callee
        self._received = Slots(most, RECEIVED_BYTES, timestamps=True)
        self._returned: Slots | None = None

    def run(
        self,
        flows: Sequence[Flow],
        rate_pps: float,
        duration_s: float,
        on_quarter: Callable[[], None] | None = None,
    ) -> Trial:
        """Send round robin over the flows.

        Args:
            flows: at least one.
            rate_pps: packets per second over all flows.
            duration_s: how long.
            on_quarter: called once, with a quarter of the packets sent; it must not take longer
                than a packet may be late.
        """
        there = self._passing(self._lines, flows, rate_pps, duration_s, self._received)
        return self._send([there], [rate_pps], on_quarter)

    def run_both(
        self, there: Sequence[Flow], back: Sequence[Flow], rate_pps: float, duration_s: float
    ) -> Trial:
        """Send in both directions at once, half of the rate each.

        Args:
            there: what the caller sends.
            back: what the callee sends.
        """
        if self._returned is None:
            self._returned = Slots(len(self._received), RECEIVED_BYTES, timestamps=True)
        half = rate_pps / 2
        passings = [
            self._passing(self._lines, there, half, duration_s, self._received),
            self._passing(self._lines[::-1], back, half, duration_s, self._returned),
        ]
        return self._send(passings, [half, half], None)

    def _passing(
        self,
        lines: tuple[Line, Line],
        flows: Sequence[Flow],
        rate_pps: float,
        duration_s: float,
        received: Slots,
    ) -> Passing:
        count = min(max(1, int(rate_pps * duration_s)), len(received))
        return Passing(*lines, flows, count, received)

    def _send(
        self,
        passings: Sequence[Passing],
        rates: Sequence[float],
        on_quarter: Callable[[], None] | None,
    ) -> Trial:
        for passing in passings:
            passing.target.drain()
        gc.collect()
        gc.disable()
        try:
            before = CoreTimes.read(RELAY_CORE), CoreTimes.read(GENERATOR_CORE)
            sending = [p.sending(r, on_quarter) for p, r in zip(passings, rates, strict=True)]
            if len(sending) == 1:
                for _ in sending[0]:
                    pass
            else:
                for _ in itertools.zip_longest(*sending):
                    pass
            after = CoreTimes.read(RELAY_CORE), CoreTimes.read(GENERATOR_CORE)
            for passing in passings:
                passing.settle()
        finally:
            gc.enable()
        seen = [passing.check() for passing in passings]
        delays_us = np.concatenate([each.delays_us for each in seen])
        sent = sum(passing.count for passing in passings)
        return Trial(
            asked_pps=sum(rates),
            achieved_pps=sent / max(passing.elapsed_s for passing in passings),
            sent=sent,
            received=len(delays_us),
            late=sum(each.late for each in seen),
            stray=sum(each.stray for each in seen),
            generator_dropped=sum(passing.target.dropped() for passing in passings),
            bursts=sum(passing.bursts for passing in passings),
            relay_busy=after[0].busy_since(before[0]),
            generator_busy=after[1].busy_since(before[1]),
            stolen=after[0].stolen_since(before[0]),
            delays_us=delays_us,
        )
