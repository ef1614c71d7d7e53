"""The command as a user runs it: in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

COMMAND = Path(sys.executable).with_name("callveil")


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's, without what would configure callveil."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CALLVEIL")}
    return kept | dict(extra or {})


def run(
    command: Sequence[str], env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Outcome:
    """Run a command to its end; whatever it says is no traceback."""
    done = subprocess.run(
        command, env=environment(env), cwd=cwd, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr + done.stdout
    return Outcome(done.returncode, done.stdout, done.stderr)


def callveil(
    *arguments: str, env: Mapping[str, str] | None = None, before: Sequence[str] = ()
) -> Outcome:
    """Run one command of callveil's to its end.

    Args:
        before: what runs it, such as `ip netns exec …`.
    """
    return run([*before, str(COMMAND), *arguments], env)
