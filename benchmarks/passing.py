"""One direction of one trial: frames sent at a rate, packets received, and held against them.

How it is paced: one thread spins over the clock and sends what has become due, then reads what has
arrived. Below the generator's own limit that is one packet at a time; a burst is never longer than
`BURST`. When the host took the core away for longer than that, the schedule is moved instead of
caught up with, so that a stall never turns into a flood: the rate achieved is reported, not the
rate asked for.

How delay is measured: from just before the send call to the moment the kernel took the packet in
at the callee's end of the link (SO_TIMESTAMPNS), so that the generator's own turn to read does not
count.
"""

import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.frames import ETHERNET_AT, TURN_PORT, UDP_DATA_AT, Line
from benchmarks.mmsg import Slots
from benchmarks.topology import RELAY_ADDRESS

BURST = 16
PLAIN = 0
"""No channel: the packet is a datagram without ChannelData's header."""

PAYLOAD_BYTES = 160
LATE_S = 0.05
"""A packet later than this is lost: a call has no use for it, and otherwise the depth of a relay's
socket buffer would pass for speed."""

_HEADER_BYTES = 4
"""Of ChannelData; the numbers of a packet come after it, or first in a plain datagram."""

_TARGET_PORT_AT, _LENGTH_AT, _CHANNEL_AT = 14 + 20 + 2, 14 + 20 + 4, UDP_DATA_AT
RECEIVED_BYTES = UDP_DATA_AT + _HEADER_BYTES + 16
_RECEIVE_BATCH = 64
_RING_SLOTS = 1024
_SETTLE_S = 0.02
_EARLIER_NS = 60_000_000_000
"""What was sent up to so long before a trial is of one before it, and was counted lost there."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One direction of a call: what the caller sends, and what the callee must get.

    Args:
        source_port, channel: the caller's port and the channel it bound; `PLAIN` for a peer that
            sends datagrams as they are.
        target_port, target_channel: the same of the callee.
        target, to_port: where the caller sends to.
    """

    source_port: int
    channel: int
    target_port: int
    target_channel: int
    target: str = RELAY_ADDRESS
    to_port: int = TURN_PORT


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of the packets of one trial."""

    delays_us: NDArray[np.float64]
    late: int
    stray: int


class Passing:
    """One trial under way: a ring of ready frames out, a row of slots in."""

    def __init__(
        self, caller: Line, callee: Line, flows: Sequence[Flow], count: int, received: Slots
    ) -> None:
        self._outgoing = caller.outgoing.fileno()
        self.target = callee
        self._incoming = callee.incoming.fileno()
        self._flows = flows
        self.count = count
        self._received = received
        self._ring = _ring_of(caller, flows)
        self._got = 0
        self._begun_ns = time.time_ns()
        self.bursts = 0
        self.elapsed_s = 0.0
        received.clear()

    def sending(self, rate_pps: float, on_quarter: Callable[[], None] | None) -> Iterator[None]:
        """Send everything, reading in between; call `on_quarter` on the way.

        Yields: after each look at what is due, so that two directions can take turns.
        """
        ring, outgoing, count = self._ring, self._outgoing, self.count
        sequences, stamps = _numbers_in(ring.data, self._flows[0].channel)
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
            self.read()
            yield
        self.bursts = bursts
        self.elapsed_s = max(clock() - begun, count / rate_pps)

    def settle(self) -> None:
        """Read what is still on its way, until everything is here or it would be too late."""
        deadline = time.perf_counter() + LATE_S + _SETTLE_S
        while self._got < self.count and time.perf_counter() < deadline:
            self.read()

    def check(self) -> Seen:
        """Hold every packet that came against what was sent."""
        data = self._received.data[: self._got]
        at = _sequence_at(self._flows[0].target_channel)
        ages_ns = self._begun_ns - _numbers_at(data, at + 8)
        of_this = (ages_ns <= 0) | (ages_ns > _EARLIER_NS)
        data = data[of_this]
        sequences, stamps = _numbers_at(data, at), _numbers_at(data, at + 8)
        right = (sequences < self.count) & self._is_delivered_right(data, sequences)
        first = np.zeros(len(data), np.bool_)
        first[np.unique(sequences, return_index=True)[1]] = True
        delays_us = (self._received.received_at_ns(self._got)[of_this] - stamps) / 1000
        whole = right & first
        in_time = delays_us <= LATE_S * 1e6
        return Seen(delays_us[whole & in_time], int((whole & ~in_time).sum()), int((~whole).sum()))

    def read(self) -> None:
        """Take in what has arrived, up to a batch."""
        room = min(_RECEIVE_BATCH, len(self._received) - self._got)
        if room:
            self._got += self._received.receive(self._incoming, self._got, room)

    def _is_delivered_right(
        self, data: NDArray[np.uint8], sequences: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        plain = self._flows[0].target_channel == PLAIN
        second = _LENGTH_AT if plain else _CHANNEL_AT
        expected = np.array(
            [
                (f.target_port, 8 + PAYLOAD_BYTES if plain else f.target_channel)
                for f in self._flows
            ],
            np.uint16,
        )
        wanted = expected[sequences % len(self._flows)]
        ports = np.ascontiguousarray(data[:, _TARGET_PORT_AT : _TARGET_PORT_AT + 2]).view(">u2")
        others = np.ascontiguousarray(data[:, second : second + 2]).view(">u2")
        right: NDArray[np.bool_] = (ports[:, 0] == wanted[:, 0]) & (others[:, 0] == wanted[:, 1])
        return right


def _numbers_at(data: NDArray[np.uint8], at: int) -> NDArray[np.int64]:
    """The number of eight bytes that each packet has there."""
    return np.ascontiguousarray(data[:, at : at + 8]).view(np.int64)[:, 0]


def _sequence_at(channel: int) -> int:
    """Where the sequence number of a packet on such a channel is; the timestamp follows."""
    return UDP_DATA_AT + (_HEADER_BYTES if channel else 0)


def _numbers_in(
    frames: NDArray[np.uint8], channel: int
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Views of the sequence numbers and the timestamps inside frames that are to be sent."""
    at = ETHERNET_AT + _sequence_at(channel)
    return (
        frames[:, at : at + 8].view(np.uint64)[:, 0],
        frames[:, at + 8 : at + 16].view(np.uint64)[:, 0],
    )


def _ring_of(caller: Line, flows: Sequence[Flow]) -> Slots:
    """One frame per flow, repeated until the ring is long enough."""
    frames = [
        caller.frame(flow.source_port, _packet(flow.channel), flow.target, flow.to_port)
        for flow in flows
    ]
    rounds = -(-_RING_SLOTS // len(flows))
    ring = Slots(rounds * len(flows), len(frames[0]))
    ring.data[:] = np.tile(np.frombuffer(b"".join(frames), np.uint8), rounds).reshape(len(ring), -1)
    return ring


def _packet(channel: int) -> bytes:
    """ChannelData, or the datagram alone."""
    header = struct.pack("!HH", channel, PAYLOAD_BYTES) if channel else b""
    return header + bytes(PAYLOAD_BYTES)
