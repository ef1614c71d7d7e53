"""The figures of floods as a table for a terminal."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from tests.tools.hostile.floods import TITLES, Figures

_MIB = 1 << 20


def show(measured: Mapping[str, Figures], console: Console) -> None:
    """One row a flood."""
    table = Table(title="Floods, beside one call of 400 packets/s")
    table.add_column("flood")
    rows = {kind: _row(figures) for kind, figures in measured.items()}
    for heading in next(iter(rows.values())):
        table.add_column(heading, justify="right")
    for kind, row in rows.items():
        table.add_row(kind, *row.values())
    console.print(table)
    for kind in measured:
        console.print(f"{kind}: {TITLES[kind]}; {_sent(measured[kind])}", soft_wrap=True)


def _sent(figures: Figures) -> str:
    """What the flood has sent, per second."""
    seconds = max(figures.seconds, 1e-9)
    return ", ".join(f"{count / seconds:,.0f} {what}/s" for what, count in figures.sent.items())


def _row(figures: Figures) -> dict[str, str]:
    idle = figures.idle_bytes
    return {
        "lost": f"{figures.lost / max(figures.flowed, 1):.2%}",
        "p50 / p99, ms": _quantiles(figures.delays_ms, 0.5, 0.99),
        "DELETE p50 / most, ms": _quantiles(figures.deletes_ms, 0.5, 1.0),
        **{f"{k} newcomers": _share(took) for k, took in sorted(figures.newcomers.items())},
        "MiB most / after": f"{(figures.most_bytes - idle) / _MIB:+.0f}"
        f" / {(figures.after_bytes - idle) / _MIB:+.0f}",
    }


def _quantiles(values: Sequence[float], *quantiles: float) -> str:
    ordered = sorted(values)
    if not ordered:
        return "none"
    picked = (ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in quantiles)
    return " / ".join(f"{value:.1f}" for value in picked)


def _share(took: Sequence[float | None]) -> str:
    return f"{sum(each is not None for each in took)} of {len(took)}"
