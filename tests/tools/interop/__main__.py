"""Place the calls of the matrix, and write `docs/interop.md`.

Exit codes: 0 all is as the matrix may be, 1 a cell has failed, 2 usage or what this host lacks,
130 Ctrl-C.
"""

import argparse
import datetime
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

import relay
from tests.tools import command
from tests.tools.interop import cells, limits, needs
from tests.tools.interop.cells import Cell
from tests.tools.interop.page import render
from tests.tools.interop.trying import run

PAGE = Path("docs/interop.md")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; see `command.main`."""
    return command.main("interop", _parser(), arguments)


def _try(options: argparse.Namespace, told: Console) -> int:
    chosen = _chosen(options)
    if lacks := needs.missing(chosen):
        told.print(f"interop: {lacks}", highlight=False, soft_wrap=True)
        return 2
    results = [*run(chosen, told)]
    if chosen == [*cells.ALL]:
        PAGE.write_text(render(results, needs.versions(), _made()))
        told.print(f"interop: written to {PAGE}", highlight=False)
    return int(any(limits.state_of(placed) == limits.FAILS for placed in results))


def _chosen(options: argparse.Namespace) -> list[Cell]:
    return [
        cell
        for cell in cells.ALL
        if all(
            not wanted or value in wanted
            for value, wanted in (
                (cell.client, options.client),
                (cell.transport, options.transport),
                (cell.family, options.family),
                (cell.peers, options.peers),
            )
        )
    ]


def _made() -> dict[str, str]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "version": relay.__version__,
        "commit": f"`{commit or 'unknown'}`",
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make interop", description=__doc__.split("\n")[0])
    parser.set_defaults(run=_try)
    for name, words in (
        ("client", cells.CLIENTS),
        ("transport", cells.TRANSPORTS),
        ("family", cells.FAMILIES),
        ("peers", cells.PEERS),
    ):
        parser.add_argument(
            f"--{name}", action="append", choices=words, help="may be repeated; nothing is written"
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
