"""A command that runs beside whoever started it: listened to, weighed, ended."""

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from signal import SIGINT, Signals
from typing import Any, Self

from tests.kit.polling import PATIENCE_S, wait_until

Popen = Callable[..., "subprocess.Popen[Any]"]


class Program:
    """A process, whose output is in a file so that it never waits for a reader.

    Args:
        command: what it runs, each time that it is started.
        log: for stdout and stderr.
        popen: starts it; `subprocess.Popen` or what takes the same.
        options: for `popen`.
    """

    def __init__(
        self, command: Sequence[str], log: Path, popen: Popen = subprocess.Popen, **options: Any
    ) -> None:
        self.command = list(command)
        self.log = log
        self._popen = popen
        self._options = options
        self._heard = 0

    def start(self) -> None:
        """Start it; its log begins anew."""
        self.log.write_bytes(b"")
        self._heard = 0
        self.process = self.run(self.command)

    def run(self, command: Sequence[str], stdin: int = subprocess.DEVNULL) -> Any:
        """Start any command as this one is started. Returns: the `Popen`."""
        with self.log.open("ab") as output:
            return self._popen(
                command, stdin=stdin, stdout=output, stderr=subprocess.STDOUT, **self._options
            )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Its process id: `ip netns exec` and the like become what they run."""
        pid: int = self.process.pid
        return pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def log_text(self) -> str:
        """Everything it has written so far."""
        return self.log.read_text(errors="replace")

    @property
    def lines(self) -> list[str]:
        """The same in lines, without one that has not ended."""
        return [line.rstrip("\n") for line in self.log_text().splitlines(True) if line[-1] == "\n"]

    def until_said(self, pattern: str) -> str:
        """Wait for a line with that pattern after the one that was last waited for."""
        said: list[str] = []

        def is_over() -> bool:
            was_running = self.is_running
            for line in self.lines[self._heard :]:
                self._heard += 1
                if re.search(pattern, line):
                    said.append(line)
                    return True
            return not was_running

        wait_until(is_over, f"{pattern!r} is said")
        assert said, f"never said {pattern!r}: {self.log_text()[-4000:]}"
        return said[0]

    def signal(self, number: Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def stop(self, by: Signals = SIGINT) -> int:
        """End it, and fail if it had ended before. Returns: its exit code."""
        assert self.is_running, f"it had ended: {self.log_text()[-2000:]}"
        self.signal(by)
        code: int = self.process.wait(PATIENCE_S)
        return code

    def close(self) -> None:
        """Kill it, unless it has ended."""
        self.process.kill()
        self.process.wait()

    def resident_bytes(self) -> int:
        """Its memory now (VmRSS)."""
        match = re.search(r"VmRSS:\s+(\d+) kB", self.proc("status").read_text())
        return int(match[1]) * 1024 if match else 0

    def descriptors(self) -> int:
        """How many files it has open, most of them sockets."""
        return sum(1 for _ in self.proc("fd").iterdir())

    def proc(self, name: str) -> Path:
        """A file of its own below /proc."""
        return Path("/proc", str(self.pid), name)
