"""The measurement of the program's cost measures; what it finds is printed, never asserted."""

import sys
from dataclasses import replace

import pytest

from benchmarks.program_cost import Table
from relay.forward.kernel import layout
from tests.kernel.bench_rig import NOW_NS, OUT, Bench, Route
from tests.kernel.cases import PAYLOAD, PORT_ROUTE4, sent
from tests.kit.frames import End, frame
from tests.kit.namespaces import Namespace

_SERVER4, _SERVER6 = End("192.0.2.1", 3478), End("2001:db8::1", 3478)
_CHANNEL = 0x4001
_PACKETS = 10_000


def test_cost_per_packet_is_printed(
    namespace: Namespace, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table(100)
    same, every = table.measure_same(_PACKETS), table.measure_any(_PACKETS)
    after, _ = table.rig.forwarded()
    table.close()
    assert after == 2 * _PACKETS  # every packet took a route
    with capsys.disabled():
        sys.stdout.write(f"\nsame route {same} ns, any of 100 {every}\n")


def test_cost_of_a_change_between_ipv4_and_ipv6_is_printed(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    four, six = End("198.51.100.7", 40_000), End("2001:db8:a::7", 40_000)
    there = Route(four, _SERVER4, _CHANNEL, _SERVER6, six, _CHANNEL)
    back = Route(six, _SERVER6, _CHANNEL, _SERVER4, four, _CHANNEL)
    bench.set_clock(NOW_NS)
    with bench.routes(there, back):
        outcome = bench.run(frame(sent(there, PAYLOAD)), repeat=_PACKETS)
    assert outcome.verdict == OUT
    with capsys.disabled():
        sys.stdout.write(f"\nv4-v6 {outcome.duration_ns} ns\n")


def test_cost_of_a_packet_between_relayed_ports_is_printed(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    itself = replace(PORT_ROUTE4, target=PORT_ROUTE4.server, target_server=PORT_ROUTE4.source)
    bench.set_clock(NOW_NS)
    with bench.routes(itself):
        outcome = bench.run(frame(sent(itself, PAYLOAD)), repeat=_PACKETS)
    assert outcome.verdict == OUT
    with capsys.disabled():
        sys.stdout.write(f"\nports {outcome.duration_ns} ns\n")


def test_every_route_of_a_table_is_met_once_before_one_is_met_again(namespace: Namespace) -> None:
    table = Table(100)
    legs = table.rig.program.array("legs")
    try:
        table.measure_any(99)
        at = layout.LEG.size // 8
        packets = [legs.words[leg * at + layout.LEG.word("packets")] for leg in range(100)]
    finally:
        legs.close()
        table.close()
    assert packets == [0] + [1] * 99
