"""From raw records to figures, medians, ratios and verdicts."""

import pytest

from benchmarks.catalogue import figures_of
from benchmarks.figures import derive, generator_bound, medians, ratios
from benchmarks.plan import FULL, KERNEL, QUICK
from benchmarks.results import SetUpRecord, TrialRecord, TurnRecord
from benchmarks.targets import TARGETS
from tests.benchmarks import records
from tests.benchmarks.records import (
    LEVELS,
    LIMIT_PPS,
    ROUTES,
    concluded,
    measured,
    restart,
    result,
    set_ups,
    trial,
    turn,
)


def bound(trials: list[TrialRecord], first: SetUpRecord) -> list[str]:
    """What is the generator's in a turn with these trials and set-ups."""
    changed = {"trials": trials, "set_ups": [first]}
    of: TurnRecord = measured("any", 1, 50_000).model_copy(update=changed)
    return generator_bound(of, LIMIT_PPS)


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
            "restart_sent": 40_000,
            "restart_lost": 30_001,
            "restart_late": 0,
        }
    )


def test_the_kernel_paths_own_figures_are_medians_over_the_runs() -> None:
    figures = turn("any", 1, 50_000, records.KERNEL).figures
    others = turn("any", 1, 50_000).figures
    assert {key: value for key, value in figures.items() if key not in others} == {
        "program_ns_1": 90,
        "program_ns_10": 99,
        "program_walk_ns_10": 180,
        "program_growth": pytest.approx(1.1),
        "installed_calls_per_s": 5_000,
    }


def test_of_the_rounds_restarts_the_worst_counts() -> None:
    rounds = [
        concluded(measured("any", number, 9e4).model_copy(update={"restart": restart(lost)}))
        for number, lost in enumerate((0, 0, 7), 1)
    ]
    assert medians(rounds)["any"]["restart_lost"] == 7


def test_a_restart_that_was_not_one_says_nothing_about_loss() -> None:
    whole = restart(5)
    dropped = whole.trial.model_copy(update={"generator_dropped": 1})
    late = whole.trial.model_copy(update={"late": 2})
    assert whole.lost == 5
    assert whole.model_copy(update={"trial": late}).lost == 3
    assert whole.model_copy(update={"is_back": False}).lost is None
    assert whole.model_copy(update={"trial": dropped}).lost is None


def test_a_trial_is_lossless_up_to_one_packet_in_a_thousand() -> None:
    assert trial("lossless", 10_000, lost=10).is_lossless
    assert not trial("lossless", 10_000, lost=11).is_lossless


def test_every_figure_of_a_turn_is_shown_and_every_target_is_about_one() -> None:
    shown = {figure.key for figure in figures_of((1, 100), ROUTES)}
    assert shown == set(turn("any", 1, 50_000, records.KERNEL).figures)
    assert {target.key for target in TARGETS} <= {f.key for f in figures_of((1,), KERNEL.routes)}


def test_titles_are_short_enough_for_the_table() -> None:
    shown = figures_of(FULL.levels, KERNEL.routes)
    assert max(len(figure.title) for figure in shown) <= 28


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
    short = measured("any", 1, 50_000)
    short.trials[-1] = short.trials[-1].model_copy(update={"live_calls": 90})
    figures = derive(short, LEVELS)
    assert figures["packet_cpu_us_100"] is None
    assert figures["packet_growth"] == 1


def test_a_delay_counts_only_at_the_rate_that_was_asked_for() -> None:
    slow = trial("delay", 20_000).model_copy(update={"achieved_pps": 19_000})
    kept = trial("delay", 20_000).model_copy(update={"achieved_pps": 19_500})
    assert not slow.is_kept
    assert kept.is_kept
    trials = [slow, trial("packets", 10), trial("packets", 10)]
    figures = derive(measured("any", 1, 1e4).model_copy(update={"trials": trials}), LEVELS)
    assert figures["delay_p50_us_20k"] is None


def test_set_ups_of_which_some_were_refused_make_no_cost() -> None:
    refused = set_ups(1, 10).model_copy(update={"failures": {"ALLOCATE answered with 508": 1}})
    assert refused.cpu_us is None
    assert set_ups(1, 0).cpu_us is None


def test_a_rate_near_the_generators_own_is_called_generator_bound() -> None:
    few = set_ups(1, 10)
    assert bound([trial("lossless", 0.96 * LIMIT_PPS)], few) == ["lossless_pps"]
    assert bound([trial("lossless", 0.9 * LIMIT_PPS)], few) == []


def test_a_search_that_only_the_generator_stopped_is_called_generator_bound() -> None:
    few, passed = set_ups(1, 10), trial("lossless", 0.5 * LIMIT_PPS)
    slow = trial("lossless", 0.9 * LIMIT_PPS).model_copy(update={"achieved_pps": 0.6 * LIMIT_PPS})
    lossy = trial("lossless", 0.8 * LIMIT_PPS, lost=10_000)
    assert bound([passed, slow, slow], few) == ["lossless_pps"]
    slower = slow.model_copy(update={"achieved_pps": 0.3 * LIMIT_PPS})
    assert bound([trial("lossless", 0.4 * LIMIT_PPS), slower, slower], few) == []
    assert bound([passed, slow, slow, lossy, lossy], few) == []
    assert bound([passed, slow, lossy.model_copy(update={"asked_pps": slow.asked_pps})], few) == []


def test_set_ups_are_generator_bound_when_its_core_is_full_and_the_relays_is_not() -> None:
    slow = [trial("lossless", 1_000)]
    full = set_ups(1, 10, generator_busy=0.99)
    assert bound(slow, full) == ["set_ups_per_s"]
    assert bound(slow, full.model_copy(update={"relay_busy": 1.0})) == []


def test_memory_is_taken_at_twenty_thousand_allocations_and_quickly_at_two_thousand() -> None:
    assert 2 * FULL.levels[-1] == 20_000
    assert 2 * QUICK.levels[-1] == 2_000


def test_the_made_up_result_names_the_system_that_outruns_the_generator() -> None:
    bound = {turn.system for turn in result().rounds if turn.generator_bound}
    assert bound == {"newer"}
