"""The relay and the demo side by side, as `make run` starts them."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.docs.pages import ROOT
from tests.kit.command import environment
from tests.kit.polling import PATIENCE_S

LOOPBACK = {
    "CALLVEIL__LISTEN": "udp://127.0.0.1:0",
    "CALLVEIL__API__LISTEN": "127.0.0.1:0",
    "CALLVEIL__FASTPATH__MODE": "off",
}
"""Ports that the kernel chooses."""


class Both:
    """A process that runs both, and what it has said on stderr."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.said: list[str] = []
        self.seen: set[int] = set()

    def until_said(self, pattern: str) -> str:
        """Read what is said up to the first line with that pattern."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.rstrip("\n"))
            if re.search(pattern, line):
                return self.said[-1]
        raise AssertionError(f"never said {pattern!r}: {self.said}")

    def page(self) -> str:
        """The URL of the page, once it is said."""
        return self.until_said("^demo http").split()[1]

    def child(self, name: str) -> int | None:
        """The process of the relay or the demo, where it is there."""
        word = {"relay": "serve", "demo": "examples.signaling"}[name]
        for pid in _descendants(self.process.pid):
            self.seen.add(pid)
            if word in _command(pid):
                return pid
        return None

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """What a terminal does on Ctrl-C: every process of the foreground hears it."""
        self.seen |= _descendants(self.process.pid)
        os.killpg(self.process.pid, number)

    def ended(self) -> int:
        """The exit code, once all of it has ended and nothing is left."""
        assert self.process.stderr is not None
        self.said += self.process.stderr.read().splitlines()
        code = self.process.wait()
        assert not any("Traceback" in line for line in self.said), self.said
        return code

    def left(self) -> set[int]:
        """Processes that were seen and still run."""
        return {pid for pid in self.seen if _command(pid)}


@contextmanager
def both(
    *arguments: str, command: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> Iterator[Both]:
    """Both, for one `with` block; whatever is left at its end is killed.

    Args:
        arguments: of the program.
        command: what runs instead of the program.
    """
    process = subprocess.Popen(
        [*(command or [sys.executable, "-m", "examples"]), *arguments],
        cwd=ROOT,
        env=environment(LOOPBACK | dict(env or {})),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    started = Both(process)
    timer = threading.Timer(PATIENCE_S, process.kill)
    timer.start()
    with process:
        try:
            yield started
        finally:
            timer.cancel()
            for pid in started.left() | _descendants(process.pid):
                os.kill(pid, signal.SIGKILL)
            process.kill()


def _descendants(pid: int) -> set[int]:
    """Children of a process, and theirs."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:  # it has just ended
            continue
        parents[int(path.parent.name)] = int(text.rpartition(")")[2].split()[1])
    found, fresh = set[int](), {pid}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh}
        found |= fresh
    return found


def _command(pid: int) -> str:
    """A process's command line; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
