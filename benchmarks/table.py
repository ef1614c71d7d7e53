"""The result as tables on a terminal, one per system that is compared."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.catalogue import DOOR_FIGURES, Figure, figures_of
from benchmarks.results import AnyResult, DoorResult, SystemRecord
from benchmarks.targets import Verdict, target_of

NONE = "-"
QUIET = 0.1
"""Share of a core that others may use before the figures are called doubtful."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one system beside the reference's."""

    title: str
    reference: str
    value: str
    ratio: str
    target: str
    met: Verdict

    def cells(self) -> tuple[str, ...]:
        """In the order of the columns."""
        return self.title, self.reference, self.value, self.ratio, self.target, self.met


def columns_of(result: AnyResult, system: SystemRecord) -> tuple[str, ...]:
    """Titles of the columns, in the order of `Row.cells`; the system's name is the table's."""
    return "figure", _reference(result, system), "value", "ratio", "target", "met?"


def candidates(result: AnyResult) -> list[SystemRecord]:
    """The systems that get a table: all but the reference, or it alone when nothing else ran."""
    return [s for s in result.systems if s.kind != "reference"] or result.systems


def rows(result: AnyResult, system: SystemRecord) -> Iterator[Row]:
    """The table of one system; its reference is another, or none."""
    reference = _reference(result, system)
    own = result.medians[system.name]
    ratios = result.ratios.get(system.name, {})
    for figure in _figures(result):
        if figure.key not in own:
            continue
        key = figure.key
        value, ratio = own.get(key), ratios.get(key)
        target = target_of(key, system.kind)
        bound = is_generator_bound(result, system.name, key)
        yield Row(
            title=figure.title,
            reference=_shown(result, reference, figure),
            value=_shown(result, system.name, figure),
            ratio=NONE if ratio is None else f"{ratio:.2f}",
            target=str(target) if target else "",
            met=target.verdict(value, ratio, bound=bound) if target else "",
        )


def _figures(result: AnyResult) -> tuple[Figure, ...]:
    """All figures of such a run."""
    if isinstance(result, DoorResult):
        return DOOR_FIGURES
    return figures_of(result.levels, result.routes)


def _reference(result: AnyResult, system: SystemRecord) -> str:
    others = (other.name for other in result.systems if other.kind == "reference" != system.kind)
    return next(others, NONE)


def is_generator_bound(result: AnyResult, system: str, key: str) -> bool:
    """Whether the generator was the limit of this figure in most rounds."""
    turns = [turn for turn in result.rounds if turn.system == system]
    return 2 * sum(key in turn.generator_bound for turn in turns) > len(turns)


def heading(result: AnyResult) -> str:
    """What was measured where, in one line."""
    kind = "quick run, good for a first look only" if result.quick else "full run"
    commit = result.host.get("commit") or "unknown commit"
    systems = ", ".join(f"{system.name} ({system.version})" for system in result.systems)
    return (
        f"{kind} of {systems} at {commit} in {result.elapsed_s:.0f} s on {result.host['cpu']}, "
        f"kernel {result.host['kernel']}; generator's own limit "
        f"{result.generator_limit_pps:,.0f} packets/s{_warning(result)}"
    )


def _warning(result: AnyResult) -> str:
    """What makes the figures doubtful; empty if nothing does."""
    warning = ""
    if result.background_busy >= QUIET:
        warning = f"; THIS HOST WAS BUSY ({result.background_busy:.0%} of a core) BEFORE THE RUN"
    steady = [t for turn in result.rounds for t in turn.trials if t.purpose == "delay"]
    held_up = sum(not trial.is_kept for trial in steady)
    if held_up:
        warning += f"; THE GENERATOR WAS HELD UP IN {held_up} OF {len(steady)} DELAY TRIALS"
    return warning


def show(result: AnyResult, console: Console) -> None:
    """Print everything a reader needs to judge the run."""
    console.print(heading(result), highlight=False, soft_wrap=True)
    for system in candidates(result):
        first, *others = columns_of(result, system)
        table = Table(title=system.name)
        table.add_column(first)
        for column in others:
            # On a narrow terminal words wrap, and numbers stay whole.
            table.add_column(column, justify="right", no_wrap=column not in ("target", "met?"))
        for row in rows(result, system):
            table.add_row(*row.cells())
        console.print(table)


def _shown(result: AnyResult, system: str, figure: Figure) -> str:
    """A figure as text, with a mark where the generator was the limit."""
    value = result.medians.get(system, {}).get(figure.key)
    if value is None:
        return NONE
    mark = "≥ " if is_generator_bound(result, system, figure.key) else ""
    return f"{mark}{value:,.{figure.digits}f}"
