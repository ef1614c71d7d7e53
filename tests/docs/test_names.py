"""Whatever a page names is there: functions, tests, files; and nothing that should not be named."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, references

_LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")
_NO_BUSINESS_HERE = re.compile(r"/(?:home|root|work|tmp|Users)/|(?:^|\W)TODO(?:\W|$)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_in_a_page_is_defined(page: Path) -> None:
    missing = [
        f"{name.file}::{name.name}" for name in references(page.read_text()) if not name.is_there()
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("page", "least"), [("docs/tour.md", 20), ("docs/rfc.md", 80), ("docs/privacy.md", 30)]
)
def test_the_pages_that_name_functions_and_tests_are_read(page: str, least: int) -> None:
    assert len(list(references((ROOT / page).read_text()))) >= least


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    text = page.read_text()
    assert [link for link in _LINK.findall(text) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_place_on_somebodys_machine(page: Path) -> None:
    assert _NO_BUSINESS_HERE.findall(page.read_text()) == []


@pytest.mark.parametrize("row", ["functions", "tests"])
def test_every_row_of_the_rfc_tables_names_a_function_and_a_test(row: str) -> None:
    text = (ROOT / "docs/rfc.md").read_text().partition("## Done differently")[0]
    rows = [line for line in text.splitlines() if re.match(r"\| [0-9A-Z]", line)]
    assert len(rows) > 30
    for line in rows:
        cell = line.split(" | ")[2 if row == "functions" else 3]
        files = [name.file for name in references(cell)]
        assert files, line
        assert all(file.name.startswith("test_") == (row == "tests") for file in files), line
