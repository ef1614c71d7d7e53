"""Places calls one after the other, each once more if it did not work."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from tests.lab.topology import Lab
from tests.tools.interop import limits
from tests.tools.interop.cells import Cell
from tests.tools.interop.placing import Placed, place
from tests.tools.interop.stage import Stage


def run(chosen: Sequence[Cell], told: Console) -> Iterator[Placed]:
    """Place these calls, one after the other, and say what comes of each."""
    directory = Path(tempfile.mkdtemp(prefix="callveil-interop-"))
    try:
        with Lab() as lab, Stage(lab, directory) as stage:
            for number, cell in enumerate(chosen, start=1):
                placed = place_again(stage, cell)
                line = f"[{number}/{len(chosen)}] {cell.words} … {_outcome(placed)}"
                told.print(line, highlight=False, soft_wrap=True, markup=False)
                yield placed
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def place_again(stage: Stage, cell: Cell) -> Placed:
    """Place a call, and once more if it did not work. What has leaked is not tried again."""
    placed = place(stage, cell)
    if limits.state_of(placed) != limits.FAILS or placed.is_leak:
        return placed
    again = place(stage, cell)
    again.tries = 2
    return again


def _outcome(placed: Placed) -> str:
    words = f"{limits.state_of(placed)}, {placed.seconds:.1f} s"
    if placed.tries > 1:
        words += ", at the second try"
    faults = limits.faults_of(placed)
    return f"{words}: {faults[:300]}" if faults else words
