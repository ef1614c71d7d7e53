"""Client to media server: the figures, and a tiny run of the real thing."""

import pytest

from benchmarks import doors
from benchmarks.catalogue import DOOR_FIGURES
from benchmarks.page import render
from benchmarks.results import DoorResult
from benchmarks.run import obstacles
from benchmarks.systems import SYSTEMS
from benchmarks.targets import DOOR_TARGETS
from tests.benchmarks.records import trial
from tests.benchmarks.test_real_run import TINY
from tests.kit import requirements


@pytest.fixture(scope="module")
def measured() -> tuple[DoorResult, list[str]]:
    """One round of everything, and what was said of its progress."""
    requirements.insist("benchmarks", "; ".join(obstacles(SYSTEMS)))
    said: list[str] = []
    return doors.run(TINY, SYSTEMS, said.append), said


def test_the_figures_are_those_of_each_search_alone() -> None:
    figures = doors.derive(
        [
            trial("lossless", 10_000),
            trial("lossless", 90_000, lost=9_000),
            trial("both_ways", 30_000),
        ]
    )
    assert (figures["listed_pps"], figures["listed_both_pps"]) == (10_000, 30_000)
    assert set(figures) == {figure.key for figure in DOOR_FIGURES}
    assert {target.key for target in DOOR_TARGETS} <= set(figures)
    assert max(len(figure.title) for figure in DOOR_FIGURES) <= 28


def test_each_way_is_generator_bound_by_its_own_limit_and_its_own_trials() -> None:
    trials = [trial("lossless", 90_000), trial("both_ways", 90_000)]
    assert doors.bound(trials, 200_000, 90_000) == ["listed_both_pps"]
    held_up = trial("lossless", 180_000).model_copy(update={"achieved_pps": 120_000.0})
    assert doors.bound([*trials, held_up], 200_000, 200_000) == ["listed_pps"]


def test_packets_reach_the_media_server_and_come_back_and_none_goes_astray(
    measured: tuple[DoorResult, list[str]],
) -> None:
    result, said = measured
    assert [turn.system for turn in result.rounds] == [system.name for system in SYSTEMS]
    assert len(said) == doors.steps(TINY, SYSTEMS)
    for turn in result.rounds:
        for purpose in ("lossless", "both_ways"):
            trials = [trial for trial in turn.trials if trial.purpose == purpose]
            # More than one direction alone can bring.
            least = 0.5 if purpose == "both_ways" else 0.0
            assert max(trial.received / trial.sent for trial in trials) > least
        assert not any(trial.stray for trial in turn.trials)


def test_a_measured_result_becomes_json_and_a_page(
    measured: tuple[DoorResult, list[str]],
) -> None:
    result, _ = measured
    assert DoorResult.model_validate_json(result.model_dump_json()) == result
    page = render(result)
    assert page.count("<svg") == 1
    assert "both ways, packets/s" in page


def test_only_systems_that_keep_a_list_are_given_one() -> None:
    listed = [doors.listing(system) for system in SYSTEMS]
    assert listed[0] == SYSTEMS[0]
    assert all(each.config and "listed" in str(each.config["relay"]) for each in listed[1:])
