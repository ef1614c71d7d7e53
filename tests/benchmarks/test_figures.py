"""From raw records to figures, medians, ratios and verdicts."""

import pytest

from benchmarks.figures import (
    TARGETS,
    Target,
    derive,
    figures_of,
    generator_bound,
    medians,
    ratios,
    target_of,
)
from benchmarks.plan import FULL, QUICK
from tests.benchmarks.records import LEVELS, LIMIT_PPS, MEMORY, result, set_ups, trial, turn


def test_the_figures_of_a_turn_follow_from_its_records() -> None:
    assert turn("any", 1, 50_000).figures == pytest.approx(
        {
            "ready_s": 0.5,
            "set_ups_per_s": 1_000,
            "lossless_pps": 50_000,
            "lossless_cpu_us": 10,
            "delay_p50_us_20k": 100,
            "delay_p99_us_20k": 200,
            "cpu_us_20k": 25,
            "delay_p50_us_40k": None,
            "delay_p99_us_40k": None,
            "cpu_us_40k": None,
            "packet_cpu_us_1": 10,
            "packet_cpu_us_100": 15,
            "packet_growth": 1.5,
            "set_up_cpu_us_1": 500,
            "set_up_cpu_us_100": 625,
            "set_up_growth": 1.25,
            "bytes_per_allocation": 2_000,
            "descriptors_per_allocation": 1,
        }
    )


def test_a_trial_is_lossless_up_to_one_packet_in_a_thousand() -> None:
    assert trial("lossless", 10_000, lost=10).is_lossless
    assert not trial("lossless", 10_000, lost=11).is_lossless


def test_every_figure_of_a_turn_is_shown_and_every_target_is_about_one() -> None:
    shown = {figure.key for figure in figures_of((1, 100))}
    assert shown == set(turn("any", 1, 50_000).figures)
    assert {target.key for target in TARGETS} <= shown


def test_a_median_is_taken_over_the_rounds_and_lacks_what_a_round_lacks() -> None:
    rounds = [turn("any", number, rate) for number, rate in enumerate((9e4, 7e4, 8e4), 1)]
    middle = medians(rounds)["any"]
    assert middle["lossless_pps"] == 80_000
    assert middle["delay_p50_us_40k"] is None


def test_ratios_are_over_the_reference_and_none_where_either_figure_is() -> None:
    found = ratios({"old": {"a": 2.0, "b": None, "c": 0.0}, "new": {"a": 3.0, "b": 1.0}}, "old")
    assert found == {"new": {"a": 1.5, "b": None}}
    assert ratios({"new": {"a": 3.0}}, "") == {}


def test_calls_that_a_relay_did_not_take_make_no_figure() -> None:
    short = turn("any", 1, 50_000).trials
    short[-1] = short[-1].model_copy(update={"live_calls": 90})
    figures = derive(0.5, short, [set_ups(1, 1_000), set_ups(100, 800)], MEMORY, LEVELS)
    assert figures["packet_cpu_us_100"] is None
    assert figures["packet_growth"] == 1


def test_a_delay_counts_only_at_the_rate_that_was_asked_for() -> None:
    slow = trial("delay", 20_000).model_copy(update={"achieved_pps": 19_000})
    kept = trial("delay", 20_000).model_copy(update={"achieved_pps": 19_500})
    assert not slow.is_kept
    assert kept.is_kept
    figures = derive(0.5, [slow, trial("packets", 10)], [set_ups(1, 10)], MEMORY, [1])
    assert figures["delay_p50_us_20k"] is None


def test_set_ups_of_which_some_were_refused_make_no_cost() -> None:
    refused = set_ups(1, 10).model_copy(update={"failures": {"ALLOCATE answered with 508": 1}})
    assert refused.cpu_us is None
    assert set_ups(1, 0).cpu_us is None


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


def test_a_rate_near_the_generators_own_is_called_generator_bound() -> None:
    few = [set_ups(1, 10)]
    assert generator_bound([trial("lossless", 0.96 * LIMIT_PPS)], few, LIMIT_PPS) == [
        "lossless_pps"
    ]
    assert generator_bound([trial("lossless", 0.9 * LIMIT_PPS)], few, LIMIT_PPS) == []


def test_set_ups_are_generator_bound_when_its_core_is_full_and_the_relays_is_not() -> None:
    slow = [trial("lossless", 1_000)]
    full = [set_ups(1, 10, generator_busy=0.99)]
    assert generator_bound(slow, full, LIMIT_PPS) == ["set_ups_per_s"]
    both = [full[0].model_copy(update={"relay_busy": 1.0})]
    assert generator_bound(slow, both, LIMIT_PPS) == []


def test_targets_are_those_of_the_method() -> None:
    written = {(t.key, kind): str(t) for t in TARGETS for kind in t.kinds}
    assert written["lossless_pps", "user"] == "≥ 1.3 x"
    assert written["lossless_pps", "kernel"] == "≥ 5 x"
    assert written["lossless_cpu_us", "kernel"] == "≤ 0.05 x"
    assert written["delay_p99_us_40k", "kernel"] == "≤ 0.2 x"
    assert written["set_ups_per_s", "user"] == "≥ 0.8 x, ≥ 1,000"
    assert written["bytes_per_allocation", "user"] == "≤ 4,096"
    assert target_of("lossless_pps", "reference") is None


def test_memory_is_taken_at_twenty_thousand_allocations_and_quickly_at_two_thousand() -> None:
    assert 2 * FULL.levels[-1] == 20_000
    assert 2 * QUICK.levels[-1] == 2_000


def test_the_made_up_result_names_the_system_that_outruns_the_generator() -> None:
    bound = {turn.system for turn in result().rounds if turn.generator_bound}
    assert bound == {"newer"}
