"""Sends ChannelData at a given rate from callers, receives it as callees, and says what it saw.

How it is paced: one thread spins over the clock and sends what has become due, then reads what has
arrived. Below the generator's own limit that is one packet at a time; a burst is never longer than
`BURST`. When the host took the core away for longer than that, the schedule is moved instead of
caught up with, so that a stall never turns into a flood: the rate achieved is reported, not the
rate asked for.

How delay is measured: from just before the send call to the moment the kernel took the packet in
at the callee's end of the link (SO_TIMESTAMPNS), so that the generator's own turn to read does not
count.
"""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.frames import ETHERNET_AT, UDP_DATA_AT, Line
from benchmarks.host import CoreTimes
from benchmarks.mmsg import Slots
from benchmarks.topology import GENERATOR_CORE, RELAY_ADDRESS, RELAY_CORE

BURST = 16
PAYLOAD_BYTES = 160
LATE_S = 0.05
"""A packet later than this is lost: a call has no use for it, and otherwise the depth of a relay's
socket buffer would pass for speed."""

_SEQUENCE_AT = UDP_DATA_AT + 4
_TARGET_PORT_AT, _CHANNEL_AT = 14 + 20 + 2, UDP_DATA_AT
_RECEIVED_BYTES = _SEQUENCE_AT + 16
_RECEIVE_BATCH = 64
_RING_SLOTS = 1024
_SETTLE_S = 0.02
_EARLIER_NS = 60_000_000_000
"""What was sent up to so long before a trial is of one before it, and was counted lost there."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One direction of a call: what the caller sends, and what the callee must get.

    Args:
        source_port, channel: the caller's port and the channel it bound.
        target_port, target_channel: the same of the callee.
        target: where the caller sends to.
    """

    source_port: int
    channel: int
    target_port: int
    target_channel: int
    target: str = RELAY_ADDRESS


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
        self._caller = caller
        self._callee = callee
        self._received = Slots(most, _RECEIVED_BYTES, timestamps=True)

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
        count = min(max(1, int(rate_pps * duration_s)), len(self._received))
        passing = _Passing(self._caller, self._callee, flows, count, self._received)
        self._callee.drain()
        gc.collect()
        gc.disable()
        try:
            before = CoreTimes.read(RELAY_CORE), CoreTimes.read(GENERATOR_CORE)
            elapsed_s = passing.send(rate_pps, on_quarter)
            after = CoreTimes.read(RELAY_CORE), CoreTimes.read(GENERATOR_CORE)
            passing.settle()
        finally:
            gc.enable()
        seen = passing.check()
        return Trial(
            asked_pps=rate_pps,
            achieved_pps=count / elapsed_s,
            sent=count,
            received=len(seen.delays_us),
            late=seen.late,
            stray=seen.stray,
            generator_dropped=self._callee.dropped(),
            bursts=passing.bursts,
            relay_busy=after[0].busy_since(before[0]),
            generator_busy=after[1].busy_since(before[1]),
            stolen=after[0].stolen_since(before[0]),
            delays_us=seen.delays_us,
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    delays_us: NDArray[np.float64]
    late: int
    stray: int


class _Passing:
    """One trial under way: a ring of ready frames out, a row of slots in."""

    def __init__(
        self, caller: Line, callee: Line, flows: Sequence[Flow], count: int, received: Slots
    ) -> None:
        self._outgoing = caller.outgoing.fileno()
        self._incoming = callee.incoming.fileno()
        self._flows = flows
        self._count = count
        self._received = received
        self._ring = _ring_of(caller, flows)
        self._got = 0
        self._begun_ns = time.time_ns()
        self.bursts = 0
        received.clear()

    def send(self, rate_pps: float, on_quarter: Callable[[], None] | None) -> float:
        """Send everything, reading in between; call `on_quarter` on the way.

        Returns: the seconds it took.
        """
        ring, outgoing, count = self._ring, self._outgoing, self._count
        sequences, stamps = _numbers_in(ring.data)
        numbers = np.arange(count, dtype=np.uint64)
        clock, unix_ns, slots = time.perf_counter, time.time_ns, len(ring)
        sent = position = bursts = 0
        begun = start = clock()
        while sent < count:
            due = int((clock() - start) * rate_pps) + 1 - sent
            if due > 0:
                if due > BURST:
                    start += (due - BURST) / rate_pps
                burst = min(due, BURST, count - sent, slots - position)
                sequences[position : position + burst] = numbers[sent : sent + burst]
                stamps[position : position + burst] = unix_ns()
                taken = ring.send(outgoing, position, burst)
                sent += taken
                position = (position + taken) % slots
                bursts += 1
                if on_quarter and 4 * sent >= count:
                    on_quarter()
                    on_quarter = None
            self._read()
        self.bursts = bursts
        return max(clock() - begun, count / rate_pps)

    def settle(self) -> None:
        """Read what is still on its way, until everything is here or it would be too late."""
        deadline = time.perf_counter() + LATE_S + _SETTLE_S
        while self._got < self._count and time.perf_counter() < deadline:
            self._read()

    def check(self) -> _Seen:
        """Hold every packet that came against what was sent."""
        data = self._received.data[: self._got]
        ages_ns = self._begun_ns - _numbers_at(data, _SEQUENCE_AT + 8)
        of_this = (ages_ns <= 0) | (ages_ns > _EARLIER_NS)
        data = data[of_this]
        sequences, stamps = (_numbers_at(data, at) for at in (_SEQUENCE_AT, _SEQUENCE_AT + 8))
        right = (sequences < self._count) & self._is_delivered_right(data, sequences)
        first = np.zeros(len(data), np.bool_)
        first[np.unique(sequences, return_index=True)[1]] = True
        delays_us = (self._received.received_at_ns(self._got)[of_this] - stamps) / 1000
        whole = right & first
        in_time = delays_us <= LATE_S * 1e6
        return _Seen(delays_us[whole & in_time], int((whole & ~in_time).sum()), int((~whole).sum()))

    def _read(self) -> None:
        room = min(_RECEIVE_BATCH, len(self._received) - self._got)
        if room:
            self._got += self._received.receive(self._incoming, self._got, room)

    def _is_delivered_right(
        self, data: NDArray[np.uint8], sequences: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        expected = np.array([(f.target_port, f.target_channel) for f in self._flows], np.uint16)
        wanted = expected[sequences % len(self._flows)]
        ports = np.ascontiguousarray(data[:, _TARGET_PORT_AT : _TARGET_PORT_AT + 2]).view(">u2")
        channels = np.ascontiguousarray(data[:, _CHANNEL_AT : _CHANNEL_AT + 2]).view(">u2")
        right: NDArray[np.bool_] = (ports[:, 0] == wanted[:, 0]) & (channels[:, 0] == wanted[:, 1])
        return right


def _numbers_at(data: NDArray[np.uint8], at: int) -> NDArray[np.int64]:
    """The number of eight bytes that each packet has there."""
    return np.ascontiguousarray(data[:, at : at + 8]).view(np.int64)[:, 0]


def _numbers_in(frames: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Views of the sequence numbers and the timestamps inside frames that are to be sent."""
    at = ETHERNET_AT + _SEQUENCE_AT
    return (
        frames[:, at : at + 8].view(np.uint64)[:, 0],
        frames[:, at + 8 : at + 16].view(np.uint64)[:, 0],
    )


def _ring_of(caller: Line, flows: Sequence[Flow]) -> Slots:
    """One frame per flow, repeated until the ring is long enough."""
    header = PAYLOAD_BYTES.to_bytes(2, "big")
    frames = [
        caller.frame(
            flow.source_port,
            flow.channel.to_bytes(2, "big") + header + bytes(PAYLOAD_BYTES),
            flow.target,
        )
        for flow in flows
    ]
    rounds = -(-_RING_SLOTS // len(flows))
    ring = Slots(rounds * len(flows), len(frames[0]))
    ring.data[:] = np.tile(np.frombuffer(b"".join(frames), np.uint8), rounds).reshape(len(ring), -1)
    return ring
