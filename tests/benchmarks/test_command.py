"""The command's refusals, which need nothing of the host."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.kit.command import Outcome, run

AS_NOBODY = ("setpriv", "--reuid=65534", "--clear-groups")


def _benchmarks(*arguments: str, before: Sequence[str] = ()) -> Outcome:
    command = [*before, sys.executable, "-m", "benchmarks", *arguments]
    return run(command, cwd=Path(__file__).parents[2])


def test_without_root_it_says_what_is_needed_and_exits_2() -> None:
    done = _benchmarks("--quick", before=AS_NOBODY if os.geteuid() == 0 else ())
    assert done.code == 2, done.err
    assert "network namespaces need root" in done.err
    assert done.out == ""


def test_an_unknown_system_is_a_usage_error() -> None:
    done = _benchmarks("--systems", "nothing-of-the-kind")
    assert done.code == 2
    assert "no such system: nothing-of-the-kind" in done.err
