"""The results as a table for a terminal."""

from rich.console import Console
from rich.table import Table

from tests.tools.evidence import words
from tests.tools.evidence.results import Results
from tests.tools.evidence.scenarios import CALLEE, CALLER


def show(results: Results, console: Console) -> None:
    """Print what each side could see, then what the relay wrote."""
    table = Table(title="Addresses that each side of a call could see of the other")
    for column in ("call", "callee saw of caller", "caller saw of callee", "media", "verdict"):
        table.add_column(column, overflow="fold")
    for placed in results.calls:
        table.add_row(
            placed.scenario.title,
            words.kinds(placed, CALLER, CALLEE),
            words.kinds(placed, CALLEE, CALLER),
            words.path(placed),
            words.verdict(placed),
            style=None if placed.is_as_expected else "bold red",
        )
    console.print(table)
    written = Table(title="What the relay wrote")
    for column in ("output", "searched", "addresses"):
        written.add_column(column)
    for each in results.written:
        written.add_row(each.what, str(each.pieces), str(each.addresses))
    console.print(written)
