"""What is aimed at, and whether it was reached."""

import pytest

from benchmarks.targets import TARGETS, Target, target_of


@pytest.mark.parametrize(
    ("value", "ratio", "verdict"),
    [(1_000, 0.8, "yes"), (999, 0.8, "no"), (1_000, 0.79, "no"), (None, 0.8, "no")],
)
def test_a_target_is_met_when_every_bound_is(
    value: float | None, ratio: float, verdict: str
) -> None:
    target = Target("any", ("user",), ratio_least=0.8, least=1_000)
    assert target.verdict(value, ratio, bound=False) == verdict


def test_an_upper_bound_is_met_from_below() -> None:
    target = Target("any", ("kernel",), ratio_most=0.05)
    assert target.verdict(1.0, 0.05, bound=False) == "yes"
    assert target.verdict(1.0, 0.06, bound=False) == "no"


def test_a_miss_is_the_generators_where_the_generator_was_the_limit() -> None:
    target = Target("any", ("kernel",), ratio_least=5)
    assert target.verdict(1.0, 4.0, bound=True) == "generator-bound"
    assert target.verdict(1.0, 5.0, bound=True) == "yes"


def test_targets_are_those_of_the_method() -> None:
    written = {(t.key, kind): str(t) for t in TARGETS for kind in t.kinds}
    assert written["lossless_pps", "user"] == "≥ 1.3x"
    assert written["lossless_pps", "kernel"] == "≥ 5x"
    assert written["lossless_cpu_us", "kernel"] == "≤ 0.05x"
    assert written["delay_p99_us_40k", "kernel"] == "≤ 0.2x"
    assert written["set_ups_per_s", "user"] == "≥ 0.8x, ≥ 1,000"
    assert written["bytes_per_allocation", "user"] == "≤ 4,096"
    assert written["restart_lost", "kernel"] == "≤ 0"
    assert written["program_ns_1", "kernel"] == "≤ 200"
    assert written["program_ns_100000", "kernel"] == "≤ 200"
    assert written["program_growth", "kernel"] == "≤ 1.3"
    assert written["installed_calls_per_s", "kernel"] == "≥ 2,000"
    assert target_of("restart_lost", "user") is None
    assert target_of("lossless_pps", "reference") is None
