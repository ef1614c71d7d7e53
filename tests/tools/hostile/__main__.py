"""`python -m tests.tools.hostile messages`, or `… floods`: what a relay bears beside running calls.

Exit codes: 0 well, 1 the messages did something they must not, 2 usage or what this host lacks,
130 Ctrl-C. Floods are measured and not judged: what they do says as much about the machine.
"""

import argparse
import dataclasses
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from tests.lab.relay import Relay
from tests.lab.topology import Lab
from tests.tools import command
from tests.tools.hostile import floods
from tests.tools.hostile.beside import Outcome, run
from tests.tools.hostile.table import show


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; see `command.main`."""
    return command.main("hostile", _parser(), arguments)


def send_messages(options: argparse.Namespace, told: Console) -> int:
    """Hostile messages beside running calls; progress on stderr."""
    seed = options.seed if options.seed is not None else random.SystemRandom().getrandbits(32)
    told.print(f"hostile: {options.messages:,} messages, seed {seed}, {options.path} path")
    with (
        Lab() as lab,
        tempfile.TemporaryDirectory() as directory,
        Progress(console=told) as progress,
    ):
        relay = Relay(lab, Path(directory), path=options.path)
        task = progress.add_task("sent", total=options.messages)
        outcome = run(
            relay, options.messages, seed, lambda sent: progress.update(task, completed=sent)
        )
    if options.json:
        sys.stdout.write(json.dumps({"seed": seed, **dataclasses.asdict(outcome)}, indent=2) + "\n")
    else:
        _show(outcome, Console())
    return 1 if outcome.faults else 0


def measure_floods(options: argparse.Namespace, told: Console) -> int:
    """Each flood in turn, a fresh daemon for each."""
    measured = {}
    for kind in options.kinds or floods.TITLES:
        told.print(f"hostile: {floods.TITLES[kind]}, {options.path} path", highlight=False)
        with Lab() as lab, tempfile.TemporaryDirectory() as directory:
            relay = Relay(lab, Path(directory), path=options.path)
            measured[kind] = floods.measure(relay, kind, options.seconds, options.mbps)
    if options.json:
        document = {kind: dataclasses.asdict(figures) for kind, figures in measured.items()}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        show(measured, Console())
    return 0


def _show(outcome: Outcome, console: Console) -> None:
    for kind, count in outcome.sent.items():
        console.print(f"{kind:12} {count:>10,} messages", highlight=False)
    console.print(f"running calls: {outcome.lost} of {outcome.flowed:,} packets lost")
    console.print(f"memory: {outcome.grown_bytes / 2**20:+.1f} MiB")
    for fault in outcome.faults:
        console.print(f"[red]{fault}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.hostile", description="What a relay bears beside running calls."
    )
    commands = parser.add_subparsers(required=True, metavar="messages | floods")
    messages = commands.add_parser("messages", help="hostile messages of every kind")
    messages.add_argument("--messages", type=int, default=2_000_000, metavar="N")
    messages.add_argument("--seed", type=int, help="of a run that is to be repeated")
    messages.set_defaults(run=send_messages)
    flood = commands.add_parser("floods", help="floods, measured")
    flood.add_argument("--mbps", type=float, default=floods.MBIT_PER_S, help="Mbit/s  [200]")
    flood.add_argument("--seconds", type=float, default=15, help="of each flood  [15]")
    flood.add_argument(
        "kinds", nargs="*", metavar="FLOOD", help=f"any of: {', '.join(floods.TITLES)}  [all]"
    )
    flood.set_defaults(run=measure_floods)
    for each in (messages, flood):
        each.add_argument("--path", choices=("user", "kernel"), default="user")
        each.add_argument("--json", action="store_true", help="JSON on stdout")
    return parser


if __name__ == "__main__":
    sys.exit(main())
