"""What a run leaves behind: the table, the page, the JSON."""

import io
import re

import pytest
from pydantic import ValidationError
from rich.console import Console

from benchmarks.page import render
from benchmarks.results import Figures, Result
from benchmarks.table import rows, show
from tests.benchmarks.records import result


def _printed(of: Result, width: int = 100) -> str:
    out = io.StringIO()
    show(of, Console(file=out, width=width))
    return out.getvalue()


def test_a_row_has_both_values_their_ratio_the_target_and_whether_it_is_met() -> None:
    of = result()
    new = next(iter(rows(of, of.systems[1])))
    assert new.cells() == (
        "lossless rate, packets/s", "50,200", "75,200", "1.50", "≥ 1.3x", "yes"
    )  # fmt: skip


def test_a_value_that_is_the_generators_limit_is_marked() -> None:
    of = result()
    assert next(iter(rows(of, of.systems[2]))).value == "≥ 399,200"


def test_a_figure_that_was_not_reached_is_a_dash_and_its_target_is_not_met() -> None:
    of = result()
    by_title = {row.title: row for row in rows(of, of.systems[2])}
    missed = by_title["delay p99 at 40kpps, µs"]
    assert missed.cells()[1:] == ("-", "-", "-", "≤ 0.2x", "no")


def test_a_loss_across_a_restart_is_shown_for_all_and_has_a_target_in_the_kernel_alone() -> None:
    of = result()
    lost = [
        next(row for row in rows(of, system) if row.title == "of these lost").cells()[1:]
        for system in of.systems[1:]
    ]
    assert lost == [
        ("30,003", "30,003", "1.00", "", ""),
        ("30,003", "0", "0.00", "≤ 0", "yes"),
    ]


def test_only_a_system_with_a_kernel_path_of_its_own_has_rows_about_it() -> None:
    of = result()
    titles = [{row.title for row in rows(of, system)} for system in of.systems[1:]]
    assert titles[1] - titles[0] == {
        "program, 1 routes, ns",
        "program, 10 routes, ns",
        "growth with routes, x",
        "program, any of 10, ns",
        "calls' routes installed/s",
    }


@pytest.mark.parametrize("width", [100, 80, 60])
def test_a_table_is_as_wide_as_it_may_be_and_no_number_is_cut(width: int) -> None:
    of = result()
    long = "generator-bound"
    printed = _printed(of, width)
    assert max(map(len, printed.splitlines()[1:])) <= width
    for system in of.systems[1:]:
        for row in rows(of, system):
            assert row.value in printed
            assert row.reference in printed
            assert width < 100 or row.title in printed
    assert width < 100 or long in _printed(_bound(of), width)


def _bound(of: Result) -> Result:
    """The same where even five times the reference's rate was not reached."""
    slower = {name: {**figures, "lossless_pps": 4.0} for name, figures in of.ratios.items()}
    return of.model_copy(update={"ratios": slower})


def test_a_rate_that_the_generator_limits_is_said_to_be() -> None:
    of = _bound(result())
    assert [next(iter(rows(of, system))).met for system in of.systems[1:]] == [
        "yes",
        "generator-bound",
    ]


def test_there_is_a_table_for_every_system_but_the_reference() -> None:
    printed = _printed(result())
    titles = [line.strip() for line in printed.splitlines() if line.startswith("   ")]
    assert titles == ["new", "newer"]
    assert printed.startswith("quick run")
    assert "old (1), new (2), newer (3)" in printed
    assert "400,000 packets/s" in printed


def test_the_reference_alone_gets_a_table_of_its_own() -> None:
    of = result()
    old = [turn for turn in of.rounds if turn.system == "old"]
    alone = of.model_copy(update={"systems": of.systems[:1], "ratios": {}, "rounds": old})
    assert next(row.reference for row in rows(alone, alone.systems[0])) == "-"
    assert "50,200" in _printed(alone)
    assert "<h2>old</h2>" in render(alone)


def test_a_host_that_was_busy_is_said_to_have_been() -> None:
    of = result()
    assert "BUSY" not in _printed(of)
    assert "BUSY (40% of a core)" in _printed(of.model_copy(update={"background_busy": 0.4}))


def test_a_generator_that_was_held_up_during_the_run_is_said_to_have_been() -> None:
    of = result()
    assert "HELD UP" not in _printed(of)
    slow = next(trial for trial in of.rounds[0].trials if trial.purpose == "delay")
    slow.achieved_pps = slow.asked_pps / 2
    assert "HELD UP IN 1 OF 18 DELAY TRIALS" in _printed(of)


def test_the_page_needs_no_other_file_and_runs_no_script() -> None:
    page = render(result())
    assert not re.search(r"<script|<link|<img|\bsrc=|@import|url\((?!#)", page)
    outside = re.findall(r'href="(?!#)([^"]*)"', page)
    assert outside == []


def test_a_figure_that_no_system_reached_has_no_bars() -> None:
    """As on a host so busy that every packet came late."""
    of = result()
    medians = {
        name: {key: None if key.startswith("delay") else value for key, value in figures.items()}
        for name, figures in of.medians.items()
    }
    page = render(of.model_copy(update={"medians": medians}))
    assert "One-way delay" in render(of)
    assert "One-way delay" not in page
    assert "Memory per allocation" in page


def test_a_page_of_nothing_but_figures_that_were_not_reached_is_made() -> None:
    of = result()
    nothing: dict[str, Figures] = {system.name: {} for system in of.systems}
    assert "<h2>new</h2>" in render(of.model_copy(update={"medians": nothing, "rounds": []}))


def test_the_page_is_drawn_in_the_readers_colours_light_and_dark() -> None:
    page = render(result())
    assert "prefers-color-scheme: dark" in page
    assert "currentColor" in page
    assert "#010203" not in page
    assert page.count("<svg") == 9


def test_the_page_escapes_what_the_host_is_called() -> None:
    page = render(result())
    assert "a &lt;fast&gt; one" in page
    assert "<fast>" not in page


def test_the_same_result_gives_the_same_page() -> None:
    assert render(result()) == render(result())


def test_the_json_is_the_whole_result() -> None:
    of = result()
    assert Result.model_validate_json(of.model_dump_json()) == of


def test_the_json_schema_is_versioned_and_closed() -> None:
    schema = Result.model_json_schema()
    assert schema["properties"]["schema_version"]["const"] == 2
    parts = [schema, *schema["$defs"].values()]
    assert all(part["additionalProperties"] is False for part in parts)
    document = result().model_dump()
    with pytest.raises(ValidationError):
        Result.model_validate({**document, "schema_version": 1})
    with pytest.raises(ValidationError):
        Result.model_validate({**document, "more": 1})
