"""Caps in the kernel: nanosecond for nanosecond what the user path's Meter says."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.errors import DropReason
from relay.forward.meter import BURST_NS, Meter
from tests.kernel.bench_rig import DROP, NOW_NS, OUT, Bench, Route
from tests.kernel.cases import PORT_ROUTE4, ROUTE4, ROUTE46, sent
from tests.kit.frames import frame

_FOREVER_NS = 1 << 63
_CHANNEL, _PORTS = (replace(route, expires_ns=_FOREVER_NS) for route in (ROUTE4, PORT_ROUTE4))
_routes = pytest.mark.parametrize("route", [_CHANNEL, _PORTS], ids=["channel", "ports"])


def verdict(bench: Bench, route: Route, payload: int, now_ns: int) -> DropReason | None:
    """Send a packet of so many payload bytes at this time; what it was dropped for."""
    bench.set_clock(now_ns)
    before = bench.drops()
    outcome = bench.run(frame(sent(route, b"\x80" * payload)))
    new = {reason for reason, count in bench.drops().items() if count != before.get(reason, 0)}
    assert outcome.verdict == (DROP if new else OUT)
    return new.pop() if new else None


def state(meter: Meter) -> dict[str, int]:
    return {field: getattr(meter, field) for field in Meter.__slots__}


_gaps_ns = st.one_of(
    st.just(0),
    st.integers(0, 1_000),
    st.integers(0, 20_000_000),
    st.integers(0, 3 * BURST_NS),
    st.sampled_from([BURST_NS - 1, BURST_NS, BURST_NS + 1]),
)
_traces = st.lists(st.tuples(st.integers(0, 1400), _gaps_ns), min_size=1, max_size=60)


@_routes
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bitrate_bps=st.sampled_from([1, 999, 8_000, 64_000, 2_000_000, 8_000_000, 10**10]),
    packets_per_s=st.sampled_from([1, 3, 50, 4_000, 1_000_000]),
    trace=_traces,
)
def test_caps_agree_with_the_user_paths_meter(
    bench: Bench,
    route: Route,
    bitrate_bps: int,
    packets_per_s: int,
    trace: list[tuple[int, int]],
) -> None:
    meter = Meter(bitrate_bps, packets_per_s)
    bench.set_meter(meter)
    bench.set_lease(_FOREVER_NS)
    now_ns = NOW_NS
    with bench.routes(route):
        for size, gap_ns in trace:
            now_ns += gap_ns
            payload = max(size, 4) if route is _PORTS else size
            assert verdict(bench, route, payload, now_ns) is meter.charge(payload, now_ns)
            assert bench.meter() == state(meter)


@_routes
@pytest.mark.parametrize(
    ("bitrate_bps", "packets_per_s", "reason"),
    [(8_000, 1_000_000, DropReason.OVER_BITRATE), (10**9, 10, DropReason.OVER_PACKETS)],
)
def test_packet_over_a_cap_is_dropped_and_counted(
    bench: Bench, route: Route, bitrate_bps: int, packets_per_s: int, reason: DropReason
) -> None:
    bench.set_meter(Meter(bitrate_bps, packets_per_s))
    bench.set_lease(_FOREVER_NS)
    with bench.routes(route):
        verdicts = [verdict(bench, route, 100, NOW_NS) for _ in range(10)]
    assert verdicts == [None] * 5 + [reason] * 5
    assert bench.meter()["packets"] == 5
    assert bench.meter()["dropped"] == 5


def test_caps_hold_for_packets_that_change_family(bench: Bench) -> None:
    bench.set_meter(Meter(8_000, 1_000_000))
    bench.set_clock(NOW_NS)
    with bench.routes(ROUTE46):
        whole = frame(sent(ROUTE46, bytes(500)))
        assert [bench.run(whole).verdict for _ in range(2)] == [OUT, DROP]
