"""`python -m benchmarks` as a process of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def start(*arguments: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start it with pipes for its output.

    Args:
        arguments: its own.
        before: a command that runs it.
    """
    return subprocess.Popen(
        [*before, sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
