"""A leg's caps: generic cell rates in whole nanoseconds."""

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.errors import DropReason
from relay.forward.meter import BURST_NS, Meter

SECOND_NS = 1_000_000_000
AMPLE = 10**8

bitrates = st.integers(1, 10**11)
packet_rates = st.integers(1, 10**8)
arrivals = st.lists(
    st.tuples(st.integers(0, 2 * SECOND_NS), st.integers(0, 9212)), min_size=1, max_size=60
)
"""Nanoseconds since the packet before, and bytes of payload."""


@dataclass
class Bucket:
    """The same cap as a leaky bucket in exact fractions: it fills by what is sent, drains with
    time, and holds what a burst may be. Of nothing but its level."""

    drain_per_ns: Fraction
    level: Fraction = Fraction(0)

    def drain(self, elapsed_ns: int) -> None:
        self.level = max(Fraction(0), self.level - elapsed_ns * self.drain_per_ns)

    def has_room(self, amount: Fraction) -> bool:
        return self.level + amount <= BURST_NS * self.drain_per_ns


@given(arrivals, packet_rates)
@example([(0, 0)] * 60, 50)
def test_packets_are_admitted_as_a_leaky_bucket_admits_them(
    packets: list[tuple[int, int]], packets_per_s: int
) -> None:
    meter = Meter(AMPLE * 1000, packets_per_s)
    bucket = Bucket(Fraction(1, SECOND_NS // packets_per_s))  # the rate in whole nanoseconds
    now_ns = 10**15
    for elapsed_ns, _ in packets:
        now_ns += elapsed_ns
        bucket.drain(elapsed_ns)
        is_admitted = bucket.has_room(Fraction(1))
        bucket.level += is_admitted
        reason = meter.charge(0, now_ns)
        assert reason == (None if is_admitted else DropReason.OVER_PACKETS)


@given(arrivals, bitrates)
@example([(0, 1024)] * 60, 8_000_000)
@example([(0, 1000)] * 60, 64_000)
def test_bytes_are_admitted_as_a_leaky_bucket_of_nanoseconds_admits_them(
    packets: list[tuple[int, int]], bitrate_bps: int
) -> None:
    meter = Meter(bitrate_bps, AMPLE)
    ns_per_kib = 8 * 1024 * SECOND_NS // bitrate_bps
    bucket = Bucket(Fraction(1))
    now_ns = 10**15
    for elapsed_ns, payload in packets:
        now_ns += elapsed_ns
        bucket.drain(elapsed_ns)
        cost = Fraction(payload * ns_per_kib // 1024)
        is_admitted = bucket.has_room(cost)
        bucket.level += cost * is_admitted
        reason = meter.charge(payload, now_ns)
        assert reason == (None if is_admitted else DropReason.OVER_BITRATE)


@given(arrivals, st.integers(8, 10**10), st.integers(1, 10**6))
@example([(0, 0)] * 60, 10**9, 100)
def test_no_window_carries_more_than_its_time_and_one_burst(
    packets: list[tuple[int, int]], bitrate_bps: int, packets_per_s: int
) -> None:
    meter = Meter(bitrate_bps, packets_per_s)
    now_ns = 0
    admitted: list[tuple[int, int]] = []
    for elapsed_ns, payload in packets:
        now_ns += elapsed_ns
        if meter.charge(payload, now_ns) is None:
            admitted.append((now_ns, payload))
    for first, (start_ns, _) in enumerate(admitted):
        for last in range(first, len(admitted)):
            window = admitted[first : last + 1]
            span = Fraction(admitted[last][0] - start_ns + BURST_NS, SECOND_NS)
            # Whole nanoseconds round a packet's cost down, by less than one each.
            slack = 1 + Fraction(len(window), SECOND_NS) * packets_per_s
            assert len(window) <= span * packets_per_s * _rounding(packets_per_s) + slack
            bits = 8 * sum(payload for _, payload in window)
            byte_slack = Fraction(len(window) * bitrate_bps, SECOND_NS)
            assert bits <= span * bitrate_bps * _rounding(bitrate_bps // 8192) + byte_slack


def _rounding(rate_per_s: int) -> Fraction:
    """By how much a rate is exceeded because its interval is a whole number of nanoseconds."""
    interval = Fraction(SECOND_NS, max(rate_per_s, 1))
    return interval / max(interval.__floor__(), 1)


@given(arrivals)
def test_a_steady_sender_at_its_rate_loses_nothing(packets: list[tuple[int, int]]) -> None:
    meter = Meter(8_000_000, 1000)
    now_ns = sum(elapsed_ns for elapsed_ns, _ in packets)  # any phase
    for _ in range(2000):
        assert meter.charge(1000, now_ns) is None
        now_ns += SECOND_NS // 1000
    assert (meter.packets, meter.bytes, meter.dropped) == (2000, 2_000_000, 0)


def test_a_sender_may_be_half_a_second_ahead_and_no_further() -> None:
    meter = Meter(AMPLE, 100)
    results = [meter.charge(10, SECOND_NS) for _ in range(51)]
    assert results == [None] * 50 + [DropReason.OVER_PACKETS]
    assert meter.charge(10, SECOND_NS + 10_000_000) is None
    assert (meter.packets, meter.bytes, meter.dropped) == (51, 510, 1)


def test_silence_saves_up_no_more_than_the_burst() -> None:
    meter = Meter(AMPLE, 100)
    meter.charge(0, 0)
    hour_ns = 3600 * SECOND_NS
    assert sum(meter.charge(0, hour_ns) is None for _ in range(1000)) == 50


def test_a_packet_over_one_cap_uses_up_neither() -> None:
    meter = Meter(8 * 1000, 10)  # at once: 500 bytes, 5 packets
    assert meter.charge(501, 0) is DropReason.OVER_BITRATE
    assert [meter.charge(0, 0) for _ in range(5)] == [None] * 5
    assert meter.charge(400, 0) is DropReason.OVER_PACKETS
    assert meter.charge(500, SECOND_NS // 10) is None
    assert (meter.packets, meter.bytes, meter.dropped) == (6, 500, 2)


def test_new_caps_keep_what_was_counted() -> None:
    meter = Meter(AMPLE, AMPLE)
    meter.charge(700, 0)
    meter.limit(8, 1)
    assert (meter.packets, meter.bytes, meter.dropped) == (1, 700, 0)
    assert meter.charge(700, 0) is DropReason.OVER_BITRATE


@pytest.mark.parametrize(("bitrate_bps", "packets_per_s"), [(1, 1), (10**11, 10**8)])
def test_the_ends_of_the_configurable_range_work(bitrate_bps: int, packets_per_s: int) -> None:
    meter = Meter(bitrate_bps, packets_per_s)
    admitted = sum(meter.charge(1, SECOND_NS) is None for _ in range(10))
    assert admitted == (0 if bitrate_bps == 1 else 10)  # half a second is less than a byte
