"""The measurement of the program's cost measures; what it finds is printed, never asserted."""

import sys

import pytest

from tests.fastpath.bench_rig import Bench
from tests.fastpath.cost import measure_any, measure_same, measure_translation


def test_cost_per_packet_is_printed(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    before, _ = bench.forwarded()
    same, every = measure_same(bench, 100, 10_000), measure_any(bench, 100, 10_000)
    translated = measure_translation(bench, 10_000)
    after, _ = bench.forwarded()
    assert after - before == 30_000  # every packet took a route
    with capsys.disabled():
        sys.stdout.write(f"\nsame route {same} ns, any of 100 {every}, v4-v6 {translated}\n")
