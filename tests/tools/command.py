"""What the tools' commands share: what this host lacks, Ctrl-C, exit codes."""

import argparse
from collections.abc import Callable, Sequence

from rich.console import Console

from tests.kit.requirements import missing

Tool = Callable[[argparse.Namespace, Console], int]


def main(name: str, parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> int:
    """A command, whose parser says which function of the options and the terminal is to `run`.

    Args:
        arguments: without the program's name; those of the process if None.
    Returns: the exit code: 2 for what this host lacks, 130 for Ctrl-C.
    """
    options = parser.parse_args(arguments)
    told = Console(stderr=True)
    if needs := missing():
        told.print(f"{name}: {needs}", highlight=False, soft_wrap=True)
        return 2
    run: Tool = options.run
    try:
        return run(options, told)
    except KeyboardInterrupt:
        told.print(f"{name}: stopped; nothing was written")
        return 130
