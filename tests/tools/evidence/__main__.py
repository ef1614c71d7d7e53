"""Place calls, show what each side saw of the other, and leave a page and JSON behind.

Exit codes: 0 as promised, 1 not, or a call could not be placed, 2 usage or what this host lacks,
130 Ctrl-C.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tests.lab.topology import Lab
from tests.tools import command
from tests.tools.evidence import scenarios
from tests.tools.evidence.page import render
from tests.tools.evidence.placing import place, prepare
from tests.tools.evidence.results import Results
from tests.tools.evidence.scenarios import Scenario
from tests.tools.evidence.table import show
from tests.tools.evidence.written import of_calls, of_crashes

DEFAULT_OUT = Path("test-output/audit")
_KEYS = tuple(scenario.key for scenario in scenarios.ALL)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; see `command.main`."""
    return command.main("audit", _parser(), arguments)


def show_calls(options: argparse.Namespace, told: Console) -> int:
    """Place the calls that were asked for, and tell of them."""
    try:
        results = run(_chosen(options), options.out, told, options.path)
    except (RuntimeError, OSError) as fault:
        told.print(f"audit: {fault}", highlight=False, soft_wrap=True)
        return 1
    document = json.dumps(results.as_document(), indent=2)
    (options.out / "audit.json").write_text(document + "\n")
    (options.out / "index.html").write_text(render(results))
    if options.json:
        sys.stdout.write(document + "\n")
    else:
        show(results, Console())
    told.print(f"audit: written to {options.out / 'index.html'}", highlight=False, soft_wrap=True)
    return 0 if results.is_proved else 1


def run(chosen: Sequence[Scenario], out: Path, told: Console, path: str = "user") -> Results:
    """Place these calls, one after the other, then crash a relay.

    Args:
        path: of the relay, `user` or `kernel`.
    """
    with Lab() as lab:
        prepare(lab)
        placed, relays = [], []
        for scenario in chosen:
            told.print(f"audit: {scenario.title}", highlight=False, soft_wrap=True)
            call, relay = place(lab, scenario, out / scenario.key, path)
            placed.append(call)
            relays.append(relay)
        told.print("audit: what the relay writes, crashes included")
        written = [
            *of_calls([*zip(chosen, relays, strict=True)]),
            *of_crashes(lab, out / "crashes"),
        ]
    return Results(placed, written)


def _chosen(options: argparse.Namespace) -> list[Scenario]:
    chosen = [each for each in scenarios.ALL if each.key in (options.scenarios or _KEYS)]
    if options.without_rebuilding:
        controls = (each.without_rebuilding() if each.asked else each for each in chosen)
        return list(dict.fromkeys(controls))
    return chosen


def _key(text: str) -> str:
    if text not in _KEYS:
        raise argparse.ArgumentTypeError(f"{text!r}: expected one of {', '.join(_KEYS)}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make audit", description=__doc__.split("\n")[0])
    parser.set_defaults(run=show_calls)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, metavar="DIRECTORY")
    parser.add_argument("--json", action="store_true", help="JSON on stdout, not a table")
    parser.add_argument(
        "--path", choices=("user", "kernel"), default="user", help="the relay's  [default: user]"
    )
    parser.add_argument(
        "--without-rebuilding",
        action="store_true",
        help="a control: pass descriptions on as they are, and expect to find the addresses",
    )
    parser.add_argument(
        "scenarios",
        nargs="*",
        type=_key,
        metavar="CALL",
        help=f"any of: {', '.join(_KEYS)}  [default: all]",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
