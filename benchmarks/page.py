"""The result as one HTML page: tables and plots, no script, nothing fetched, light and dark."""

import html
import io
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

from benchmarks.catalogue import delay_key, packet_key, program_key, set_up_key, walk_key
from benchmarks.plan import DELAY_RATES_PPS
from benchmarks.results import AnyResult, DoorResult, Result
from benchmarks.table import candidates, columns_of, heading, rows

_INK = "#010203"
"""Drawn in this colour by matplotlib, then replaced by the page's text colour."""

_COLOURS = ("#7a8794", "#2f7ed8", "#1aa37a", "#c77c1e", "#9b59b6")
"""Readable on white and on black; the reference is grey."""

_LEAST_BARS = 3
"""Bars of fewer systems are no wider than those of three."""

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #ffffff; --line: #c9d1da; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e9ef; --paper: #14181d; --line: #3a444f; }
}
body { color: var(--ink); background: var(--paper); font: 16px/1.5 system-ui, sans-serif;
       max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .6rem; text-align: right; }
th:first-child, td:first-child { text-align: left; }
.no { font-weight: bold; color: #d1453b; } .yes { color: #1aa37a; }
figure { margin: 1rem 0; overflow-x: auto; } svg { max-width: 100%; height: auto; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1rem; }
"""

_METHOD = """
<h2>How it was measured</h2>
<p>Three network namespaces, caller, relay and callee, joined by veth pairs; the relay and its
receive processing on one core, the generator and the parties' receive processing on another. One
packet is a ChannelData message with 160 bytes from one authenticated TURN client to the other
client of the same call. A rate counts when at most 0.1 % is lost, and what comes later than 50 ms
is lost. Delay runs from the send call to the kernel's timestamp at the callee's end. CPU is what
the relay's core was not idle, softirqs included. Under a load of 40,000 packets/s the relay is
killed with SIGKILL and started again; of the packets lost the table has the worst round. The
kernel program's cost is that of BPF_PROG_TEST_RUN, with all packets on one of the routes, and with
every packet on another than the one before, so that nothing it needs is in a cache. Systems take
turns, each round starts new
processes; figures are medians over the rounds, and ratios are against the reference in the same
run. Where a figure carries &ge;, the generator was the limit. Every raw figure is in the JSON.</p>
"""


def render(result: AnyResult) -> str:
    """The page.

    Args:
        result: of a whole run.
    Returns: HTML that needs no other file.
    """
    figures = "".join(f"<figure>{drawing}</figure>" for drawing in _drawn(result))
    tables = "".join(_table(result, index) for index in range(len(candidates(result))))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>callveil benchmark</title><style>{_STYLE}</style></head><body>"
        f"<h1>callveil benchmark</h1><p>{html.escape(heading(result))}</p>"
        f'{tables}<div class="plots">{figures}</div>{_METHOD}</body></html>\n'
    )


def _drawn(result: AnyResult) -> list[str]:
    """The plots; one of a figure that no system reached is left out."""
    if isinstance(result, DoorResult):
        return [drawing for draw in _DOOR_PLOTS if (drawing := draw(result))]
    return [drawing for draw in _PLOTS if (drawing := draw(result))]


def _table(result: AnyResult, index: int) -> str:
    system = candidates(result)[index]
    columns = columns_of(result, system)
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{cell}">{html.escape(cell)}</td>' for cell in row.cells())
        + "</tr>"
        for row in rows(result, system)
    )
    title = html.escape(system.name)
    return f"<h2>{title}</h2><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _svg(title: str, unit: str, paint: Callable[[Any], None]) -> str:
    """One plot as inline SVG in the colours of the page."""
    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": title,  # the same result gives the same page
        "font.family": "sans-serif",
        **dict.fromkeys(
            ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK
        ),
    }
    with mpl.rc_context(settings):
        canvas = Canvas(figsize=(6, 3.6), layout="constrained")
        axes = canvas.add_subplot()
        axes.set_title(title)
        axes.set_ylabel(unit)
        axes.spines[["top", "right"]].set_visible(False)
        paint(axes)
        canvas.legend(loc="outside lower center", ncols=len(_COLOURS), frameon=False)
        out = io.StringIO()
        canvas.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    drawing = out.getvalue()
    return drawing[drawing.index("<svg") :].replace(_INK, "currentColor")


def _bars(
    title: str, unit: str, keys: Sequence[tuple[str, str]], scale: str = "linear"
) -> Callable[[AnyResult], str]:
    """A group of bars per figure, one bar per system, a dot per round; empty if none is known."""

    def draw(result: AnyResult) -> str:
        known = (figures.get(key) for figures in result.medians.values() for key, _ in keys)
        if all(value is None for value in known):
            return ""

        def paint(axes: Any) -> None:
            width = 0.8 / max(_LEAST_BARS, len(result.systems))
            for index, system in enumerate(result.systems):
                at = [x + index * width for x in range(len(keys))]
                values = [result.medians[system.name].get(key) or 0 for key, _ in keys]
                colour = _COLOURS[index % len(_COLOURS)]
                axes.bar(at, values, width * 0.9, color=colour, label=system.name)
                _dots(axes, result, system.name, list(zip(at, [k for k, _ in keys], strict=True)))
            middle = width * (len(result.systems) - 1) / 2
            axes.set_xticks([x + middle for x in range(len(keys))], [label for _, label in keys])
            axes.set_xlim(middle - 0.6, middle + len(keys) - 0.4)
            axes.set_yscale(scale)
            axes.set_ylim(bottom=1 if scale == "log" else 0)

        return _svg(title, unit, paint)

    return draw


def _dots(axes: Any, result: AnyResult, system: str, places: Sequence[tuple[float, str]]) -> None:
    turns = [turn for turn in result.rounds if turn.system == system]
    points = [
        (x, value)
        for x, key in places
        for turn in turns
        if (value := turn.figures.get(key)) is not None
    ]
    if points:
        axes.scatter(*zip(*points, strict=True), color=_INK, s=10, zorder=3)


def _growth(title: str, key: Callable[[int], str]) -> Callable[[Result], str]:
    """Cost over the number of live calls, a line per system."""

    def draw(result: Result) -> str:
        def paint(axes: Any) -> None:
            for index, system in enumerate(result.systems):
                costs = [(n, result.medians[system.name].get(key(n))) for n in result.levels]
                known = [(n, cost) for n, cost in costs if cost is not None]
                colour = _COLOURS[index % len(_COLOURS)]
                xs, ys = [n for n, _ in known], [cost for _, cost in known]
                axes.plot(xs, ys, marker="o", color=colour, label=system.name)
            axes.set_xscale("log")
            axes.set_ylim(bottom=0)
            axes.set_xlabel("live calls")

        return _svg(title, "µs of the relay's core", paint)

    return draw


def _program(result: Result) -> str:
    """Cost of the kernel program over the number of routes, two lines per system that has one."""
    if all(turn.kernel is None for turn in result.rounds):
        return ""

    def paint(axes: Any) -> None:
        for index, system in enumerate(result.systems):
            for key, style, which in ((program_key, "-", "one route"), (walk_key, ":", "any")):
                found = [(n, result.medians[system.name].get(key(n))) for n in result.routes]
                known = [(n, cost) for n, cost in found if cost is not None]
                if known:
                    label = f"{system.name}, {which}"
                    colour = _COLOURS[index % len(_COLOURS)]
                    axes.plot(
                        *zip(*known, strict=True), style, marker="o", color=colour, label=label
                    )
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("routes")

    return _svg("The kernel program itself", "ns per packet", paint)


def _loss(result: Result) -> str:
    """Every trial of the search: what was lost at which rate."""

    def paint(axes: Any) -> None:
        for index, system in enumerate(result.systems):
            trials = [
                trial
                for turn in result.rounds
                if turn.system == system.name
                for trial in turn.trials
                if trial.purpose == "lossless"
            ]
            xs = [trial.achieved_pps / 1000 for trial in trials]
            ys = [100 * trial.loss for trial in trials]
            axes.scatter(xs, ys, s=14, color=_COLOURS[index % len(_COLOURS)], label=system.name)
        axes.set_xlabel("kpps sent")

    return _svg("Loss in every trial of the search", "% lost", paint)


_DELAYS = [
    (delay_key(percentile, rate), f"p{percentile}, {rate // 1000} kpps")
    for rate in DELAY_RATES_PPS
    for percentile in (50, 99)
]
_PLOTS: tuple[Callable[[Result], str], ...] = (
    _bars("Highest lossless rate on one core", "packets/s", [("lossless_pps", "")]),
    _loss,
    _bars("One-way delay", "µs", _DELAYS, scale="log"),
    _bars("Lost when killed at 40 kpps and restarted", "packets", [("restart_lost", "")]),
    _bars("Call set-ups on one core", "1/s", [("set_ups_per_s", "")]),
    _growth("CPU per packet", packet_key),
    _growth("CPU per call set-up", set_up_key),
    _bars("Memory per allocation", "bytes", [("bytes_per_allocation", "")]),
    _program,
)
_DOOR_PLOTS = (
    _bars(
        "Lossless rate, client and media server",
        "packets/s",
        [("listed_pps", "one way"), ("listed_both_pps", "both ways")],
    ),
)
