"""What a run leaves behind: the table, the page, the JSON."""

import io
import re

import pytest
from pydantic import ValidationError
from rich.console import Console

from benchmarks.page import render
from benchmarks.results import Result
from benchmarks.table import rows, show
from tests.benchmarks.records import result


def _printed(of: Result) -> str:
    out = io.StringIO()
    show(of, Console(file=out, width=120))
    return out.getvalue()


def test_a_row_has_both_values_their_ratio_the_target_and_whether_it_is_met() -> None:
    of = result()
    new = next(iter(rows(of, of.systems[1])))
    assert new.cells() == (
        "lossless rate, packets/s", "50,200", "75,200", "1.50", "≥ 1.3 x", "yes"
    )  # fmt: skip


def test_a_value_that_is_the_generators_limit_is_marked() -> None:
    of = result()
    assert next(iter(rows(of, of.systems[2]))).value == "≥ 399,200"


def test_a_figure_that_was_not_reached_is_a_dash_and_its_target_is_not_met() -> None:
    of = result()
    by_title = {row.title: row for row in rows(of, of.systems[2])}
    missed = by_title["delay p99 at 40kpps, µs"]
    assert missed.cells()[1:] == ("-", "-", "-", "≤ 0.2 x", "no")


def test_there_is_a_table_for_every_system_but_the_reference() -> None:
    printed = _printed(result())
    titles = [line.strip() for line in printed.splitlines() if line.startswith("   ")]
    assert titles == ["new", "newer"]
    assert printed.startswith("quick run")
    assert "old (1), new (2), newer (3)" in printed
    assert "400,000 packets/s" in printed


def test_the_reference_alone_gets_a_table_of_its_own() -> None:
    of = result()
    alone = of.model_copy(update={"systems": of.systems[:1], "ratios": {}})
    assert next(row.reference for row in rows(alone, alone.systems[0])) == "-"
    assert "50,200" in _printed(alone)
    assert "<h2>old</h2>" in render(alone)


def test_a_host_that_was_busy_is_said_to_have_been() -> None:
    of = result()
    assert "BUSY" not in _printed(of)
    assert "BUSY (40% of a core)" in _printed(of.model_copy(update={"background_busy": 0.4}))


def test_the_page_needs_no_other_file_and_runs_no_script() -> None:
    page = render(result())
    assert not re.search(r"<script|<link|<img|\bsrc=|@import|url\((?!#)", page)
    outside = re.findall(r'href="(?!#)([^"]*)"', page)
    assert outside == []


def test_the_page_is_drawn_in_the_readers_colours_light_and_dark() -> None:
    page = render(result())
    assert "prefers-color-scheme: dark" in page
    assert "currentColor" in page
    assert "#010203" not in page
    assert page.count("<svg") == 7


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
    assert schema["properties"]["schema_version"]["const"] == 1
    parts = [schema, *schema["$defs"].values()]
    assert all(part["additionalProperties"] is False for part in parts)
    document = result().model_dump()
    with pytest.raises(ValidationError):
        Result.model_validate({**document, "schema_version": 2})
    with pytest.raises(ValidationError):
        Result.model_validate({**document, "more": 1})
