"""`python -m benchmarks`: measure, show, and leave JSON and a page behind.

Exit codes: 0 measured, 1 a system does not work or the host is too busy, 2 usage or what this host
lacks, 130 Ctrl-C.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import doors
from benchmarks.measures import NotReady
from benchmarks.page import render
from benchmarks.plan import FULL, QUICK, Plan
from benchmarks.remains import Contaminated
from benchmarks.results import AnyResult, DoorResult
from benchmarks.run import obstacles, run, steps
from benchmarks.stage import Overloaded
from benchmarks.systems import SYSTEMS, System
from benchmarks.table import show

DEFAULT_OUT = Path("benchmarks/results")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command.

    Args:
        arguments: without the program's name; those of the process if None.
    Returns: the exit code.
    """
    options = _parser().parse_args(arguments)
    systems = [system for system in SYSTEMS if system.name in options.systems]
    told = Console(stderr=True)
    found = obstacles(systems)
    for obstacle in found:
        told.print(f"benchmarks: {obstacle}", highlight=False, soft_wrap=True)
    if found:
        return 2
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        plan = QUICK if options.quick else FULL
        result = _run_with_progress(plan, systems, told, to_doors=options.doors)
    except KeyboardInterrupt:
        told.print("benchmarks: stopped; nothing was written")
        return 130
    except (NotReady, Overloaded, Contaminated, OSError) as fault:
        told.print(f"benchmarks: {fault}", highlight=False, soft_wrap=True)
        return 1
    written = _write(result, options.out)
    if options.json:
        sys.stdout.write(written.read_text())
    else:
        show(result, Console())
    told.print(f"benchmarks: written to {options.out}", highlight=False, soft_wrap=True)
    return 0


def _run_with_progress(
    plan: Plan, systems: Sequence[System], told: Console, *, to_doors: bool
) -> AnyResult:
    """Run and say how far it is: a bar on a terminal, lines elsewhere.

    Both are drawn between trials only, so that they cost none of them.
    """
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    total = (doors.steps if to_doors else steps)(plan, systems)
    with Progress(*columns, console=told, auto_refresh=False, disable=not told.is_terminal) as bar:
        task = bar.add_task("starting", total=total)

        def advance(finished: str) -> None:
            bar.update(task, advance=1, description=finished, refresh=True)
            if not told.is_terminal:
                told.print(f"{bar.tasks[0].completed:.0f}/{total} {finished}", highlight=False)

        if to_doors:
            return doors.run(plan, systems, advance)
        return run(plan, systems, advance)


def _write(result: AnyResult, out: Path) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    name = "doors" if isinstance(result, DoorResult) else "benchmark"
    written = out / f"{name}.json"
    written.write_text(result.model_dump_json(indent=1) + "\n")
    (out / f"{name}.html").write_text(render(result))
    return written


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--doors", action="store_true", help="client to media server instead")
    known = ",".join(system.name for system in SYSTEMS)
    parser.add_argument("--quick", action="store_true", help="within two minutes, for a first look")
    parser.add_argument(
        "--systems", type=_names, default=known, metavar="A,B", help=f"which of {known}; all"
    )
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, metavar="DIR", help="%(default)s")
    parser.add_argument("--json", action="store_true", help="the JSON on stdout, not the table")
    return parser


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = set(names) - {system.name for system in SYSTEMS}
    if unknown:
        raise argparse.ArgumentTypeError(f"no such system: {', '.join(sorted(unknown))}")
    return names


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
