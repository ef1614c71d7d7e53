"""The figures of floods as a table for a terminal."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from tests.hostile.floods import TITLES, Figures

_MIB = 1 << 20


def show(measured: Mapping[str, Figures], console: Console) -> None:
    """One column a flood."""
    table = Table(title="Floods, beside one call of 400 packets/s", show_lines=False)
    table.add_column("figure")
    for kind in measured:
        table.add_column(kind, justify="right")
    rows = [_rows(figures) for figures in measured.values()]
    for label in rows[0]:
        table.add_row(label, *(row[label] for row in rows))
    console.print(table)
    for kind in measured:
        console.print(f"{kind}: {TITLES[kind]}", highlight=False, soft_wrap=True)


def _rows(figures: Figures) -> dict[str, str]:
    seconds = max(figures.seconds, 1e-9)
    return {
        "flood, a second": ", ".join(f"{n / seconds:,.0f} {k}" for k, n in figures.sent.items()),
        "call: lost": f"{figures.lost / max(figures.flowed, 1):.2%}",
        "call: p50 / p99, ms": _quantiles(figures.delays_ms, 0.5, 0.99),
        "DELETE: p50 / most, ms": _quantiles(figures.deletes_ms, 0.5, 1.0),
        **{f"in within 5 s, {k}": _share(took) for k, took in figures.newcomers.items()},
        "memory: most / after, MiB": f"{(figures.most_bytes - figures.idle_bytes) / _MIB:+.0f}"
        f" / {(figures.after_bytes - figures.idle_bytes) / _MIB:+.0f}",
    }


def _quantiles(values: Sequence[float], *quantiles: float) -> str:
    ordered = sorted(values)
    if not ordered:
        return "none"
    picked = (ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in quantiles)
    return " / ".join(f"{value:.1f}" for value in picked)


def _share(took: Sequence[float | None]) -> str:
    return f"{sum(each is not None for each in took)} of {len(took)}"
