"""The page that `make interop` writes: it has every cell, and says why where one is no."""

import re

from tests.docs.pages import read
from tests.tools.interop import limits
from tests.tools.interop.cells import ALL, PEERS, TRANSPORTS, Cell, clients, families
from tests.tools.interop.page import TITLES, render
from tests.tools.interop.placing import Placed

PAGE = "docs/interop.md"


def _cells() -> dict[Cell, str]:
    """What the page says of each cell."""
    found = {}
    for peers in PEERS:
        section = read(PAGE).partition(f"## `peers: {peers}`")[2].partition("\n## ")[0]
        rows = {
            line.strip("| ").split(" | ")[0]: line.strip("| ").split(" | ")[1:]
            for line in section.splitlines()
            if line.startswith("| ")
        }
        ways = [(transport, family) for family in families(peers) for transport in TRANSPORTS]
        for client in clients(peers):
            for way, said in zip(ways, rows[TITLES[client]], strict=True):
                found[Cell(client, *way, peers)] = said
    return found


def test_the_page_has_every_cell_and_says_why_one_fails() -> None:
    said = _cells()
    assert [*sorted(map(str, said))] == sorted(map(str, ALL))
    assert {each.partition(" ")[0] for each in said.values()} <= {"yes", "no", "**fails**"}
    failed = {cell.words for cell, each in said.items() if each == "**fails**"}
    assert set(re.findall(r"^- Fails: ([\w ]+):", read(PAGE), re.MULTILINE)) == failed


def test_each_cell_has_the_notes_that_hold_for_it() -> None:
    for cell, said in _cells().items():
        if said == "**fails**":
            continue
        numbers = [int(number) for number in re.findall(r"\((\d+)\)", said)]
        held = limits.limits_of(cell)
        assert [limits.LIMITS[number - 1] for number in numbers] == held, cell.words
        cannot = any(limit.about == "fault" for limit in held)
        assert said.startswith("no" if cannot else "yes"), cell.words
    for number, limit in enumerate(limits.LIMITS, start=1):
        assert f"{number}. {limit.reason}" in read(PAGE)


def test_a_cell_that_fails_is_on_the_page_with_its_reason() -> None:
    results = [Placed(cell, fault="nothing came") for cell in ALL[:1]]
    page = render(results, {}, {"date": "", "version": "", "commit": ""})
    assert "**fails**" in page
    assert f"Fails: {ALL[0].words}: nothing came" in page
    assert "not tried" in page
