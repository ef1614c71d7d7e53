"""A daemon that crashes leaves no core file, which would hold addresses and tokens."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.kit.command import COMMAND, environment
from tests.kit.daemon import Config, config_of, configured, running

_ALLOWED = ("prlimit", "--core=unlimited", "sh", "-c")
_HEADERS_ONLY = 'echo 0 > /proc/self/coredump_filter; exec "$0" "$@"'
"""Core files without memory in them: whether there is one is the question."""


def _serve(directory: Path, config: Config) -> list[str]:
    return [str(COMMAND), "serve", *configured(directory, config)]


def _crash(directory: Path, command: Sequence[str], ready: str) -> tuple[str, bool]:
    """Let a process be ready, then kill it with SIGABRT, where core files are allowed.

    Returns: its limit of core files, and whether it has dumped core.
    """
    process = subprocess.Popen(
        [*_ALLOWED, _HEADERS_ONLY, *command],
        cwd=directory,
        env=environment({"PYTHONPATH": str(ROOT)}),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert any(ready in line for line in process.stderr)
    limits = Path(f"/proc/{process.pid}/limits").read_text().splitlines()
    process.send_signal(signal.SIGABRT)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -signal.SIGABRT
    process.stderr.close()
    assert os.WTERMSIG(status) == signal.SIGABRT
    (limit,) = [line.split()[4] for line in limits if line.startswith("Max core file size")]
    return limit, os.WCOREDUMP(status)


@pytest.fixture
def can_dump(tmp_path: Path) -> bool:
    """Whether any process here can: a host may have nowhere to put core files."""
    script = "import sys, time; print('ready', file=sys.stderr, flush=True); time.sleep(60)"
    limit, has_dumped = _crash(tmp_path, [sys.executable, "-c", script], "ready")
    assert limit == "unlimited"
    return has_dumped


def test_a_crash_leaves_no_core_file(tmp_path: Path) -> None:
    command = _serve(tmp_path, config_of())
    assert _crash(tmp_path, command, "ready ") == ("0", False)
    assert not list(tmp_path.glob("core*"))


def test_becoming_another_user_changes_nothing_about_it(tmp_path: Path) -> None:
    me = "nobody" if os.geteuid() == 0 else Path.home().owner()
    command = _serve(tmp_path, config_of(user=me))
    assert _crash(tmp_path, command, "ready ") == ("0", False)


def test_where_it_is_asked_for_there_is_one(tmp_path: Path, can_dump: bool) -> None:
    command = _serve(tmp_path, config_of(debug={"core_dumps": True}))
    assert _crash(tmp_path, command, "ready ") == ("unlimited", can_dump)


def test_the_demos_own_process_leaves_none_either(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "examples.signaling", "--api", "http://127.0.0.1:1"]
    assert _crash(tmp_path, command, "demo: waiting ") == ("0", False)


@pytest.mark.parametrize("is_allowed", [False, True])
def test_a_process_that_is_not_dumpable_is_closed_to_its_own_user(
    tmp_path: Path, is_allowed: bool
) -> None:
    """What the kernel gives to root: owner of what it shows of the process."""
    me = "nobody" if os.geteuid() == 0 else Path.home().owner()
    config = config_of(user=me, debug={"core_dumps": is_allowed})
    with running(tmp_path, config) as daemon:
        owner = daemon.proc("environ").owner()
    assert owner == (me if is_allowed else "root")
