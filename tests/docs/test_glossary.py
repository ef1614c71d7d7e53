"""The glossary: one word for one thing, and texts for users do not use the others."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest

from relay.metrics import Counters, Snapshot, render
from tests.api.memory_relay import Api
from tests.docs.pages import PAGES, ROOT, read
from tests.kit.command import callveil

COMMANDS = ["", "serve", "check-config", "credential", "probe", "audit", "import-coturn"]
COMMANDS += ["calls", "calls end", "status", "drain", "reload"]

_PROSE = ("summary", "description", "title", "detail")


class Term(NamedTuple):
    """A row of the glossary."""

    name: str
    others: tuple[str, ...]


@cache
def terms() -> tuple[Term, ...]:
    """Every row of every table: its first cell, and what its last one says it is not called."""
    rows = re.findall(r"^\| (.*) \|$", read("docs/glossary.md"), re.MULTILINE)
    cells = [row.split(" | ") for row in rows]
    return tuple(
        Term(each[0], tuple(each[-1].split(", ")))
        for each in cells
        if each[-1] not in ("not called", "")
    )


def _word(text: str) -> str:
    """A pattern for this term, its plural and its past, within a line or across two."""
    stem = re.escape(text).replace(r"\ ", r"\s+")
    return rf"\b(?:{stem}(?:s|es|ed|d)?|{stem.removesuffix('y')}ie[sd])\b"


@cache
def _forbidden() -> re.Pattern[str]:
    return re.compile("|".join(_word(other) for term in terms() for other in term.others), re.I)


@cache
def _defined() -> re.Pattern[str]:
    """Terms of several words, which may have another's forbidden word in them."""
    names = [term.name for term in terms() if re.search(r"\W", term.name)]
    return re.compile("|".join(_word(name) for name in names), re.I)


def misnamed(text: str) -> list[str]:
    """What a text uses although the glossary has another word for it."""
    return _forbidden().findall(_defined().sub("", text))


def _strings(tree: Any) -> Iterator[str]:
    """The texts of an OpenAPI document."""
    children = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    if isinstance(tree, dict):
        yield from (tree[key] for key in _PROSE if isinstance(tree.get(key), str))
    for child in children:
        yield from _strings(child)


def test_every_term_is_defined_once_and_no_term_is_what_another_is_not_called() -> None:
    names = Counter(term.name for term in terms())
    assert len(names) > 60
    assert [name for name, count in names.items() if count > 1] == []
    others = {other for term in terms() for other in term.others}
    assert others & set(names) == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Two sessions, one room.", ["sessions", "room"]),
        ("A session\ndescription of a call.", []),
        ("The TURN\n  session ends; nothing is Hidden.", ["TURN\n  session", "Hidden"]),
        ("Forwarding entries are modified.", ["Forwarding entries", "modified"]),
        ("A roomy approach.", []),
    ],
)
def test_what_a_term_is_not_called_is_found(text: str, found: list[str]) -> None:
    assert misnamed(text) == found


def test_the_api_is_described_in_the_words_of_the_glossary() -> None:
    texts = list(_strings(Api().app.openapi()))
    assert len(texts) > 100
    assert {text: misnamed(text) for text in texts if misnamed(text)} == {}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_uses_the_words_of_the_glossary(command: str) -> None:
    done = callveil(*command.split(), "--help")
    assert done.out.startswith("Usage: callveil")
    assert misnamed(done.out) == []


def test_the_metrics_are_described_in_the_words_of_the_glossary() -> None:
    helps = re.findall(r"^# HELP \S+ (.*)$", render(Snapshot(), Counters()).decode(), re.MULTILINE)
    assert len(helps) > 10
    assert {text: misnamed(text) for text in helps if misnamed(text)} == {}


def test_the_comments_of_the_configuration_use_the_words_of_the_glossary() -> None:
    comments = re.findall(r"#(.*)$", read("config/callveil.yaml"), re.MULTILINE)
    assert len(comments) > 60
    assert misnamed("\n".join(comments)) == []


def test_the_reader_finds_the_glossary() -> None:
    linked = [page.name for page in PAGES if "glossary.md" in page.read_text()]
    assert {"README.md", "tour.md", "api.md", "operations.md"} <= set(linked)
    assert (ROOT / "docs/glossary.md") in PAGES
