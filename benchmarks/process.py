"""A relay's process: started, watched, killed and replaced, ended."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from benchmarks.systems import System
from benchmarks.topology import Topology

_SIGNALS = ((signal.SIGINT, 10.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0))
"""And how long each is waited for, in seconds. SIGINT is "now, and leave nothing behind", also to a
daemon that would wait for its calls to end, or leave its routes to the next one.
"""

_SUCCESSOR = 'read -r go && kill -9 "$0" && exec "$@" </dev/null'
"""Kills the process that it is told the number of, once it reads a line, and becomes a command."""


class Relay:
    """One system running in the relay's namespace; a context manager that ends it.

    Args:
        system: what to run.
        topology: the namespaces.
        directory: empty; configuration and output go there.
    """

    def __init__(self, system: System, topology: Topology, directory: Path) -> None:
        self.system = system
        self._topology = topology
        self._directory = directory
        self._former: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Relay":
        if self.system.config is not None:
            text = yaml.safe_dump(dict(self.system.config))
            (self._directory / "config.yaml").write_text(text)
        self._process = self._start(self._command(), subprocess.DEVNULL)
        return self

    def __exit__(self, *exception: object) -> None:
        for process in (self._process, *self._former):
            _end(process)

    @contextlib.contextmanager
    def successor(self) -> Iterator[Callable[[], None]]:
        """A process that waits to kill this relay and take its place: same command, same core.

        It is started beforehand, so that whoever measures meanwhile is not kept waiting.

        Yields: what lets it; takes microseconds.
        """
        command = ["sh", "-c", _SUCCESSOR, str(self._process.pid), *self._command()]
        process = self._start(command, subprocess.PIPE)
        pipe = process.stdin
        assert pipe is not None  # noqa: S101 - that is what PIPE means

        def go() -> None:
            os.write(pipe.fileno(), b"\n")
            self._former.append(self._process)
            self._process = process

        try:
            yield go
        finally:
            pipe.close()  # one that was not let ends here
            if process is not self._process:
                process.wait()

    def _command(self) -> list[str]:
        places = {"config": self._directory / "config.yaml", "directory": self._directory}
        executable = self.system.executable() or self.system.program
        return [executable, *(argument.format(**places) for argument in self.system.arguments)]

    def _start(self, command: list[str], stdin: int) -> "subprocess.Popen[bytes]":
        with (self._directory / "output").open("ab") as output:
            return subprocess.Popen(
                self._topology.command_in_relay(command),
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                env={k: v for k, v in os.environ.items() if not k.startswith("CALLVEIL__")},
                start_new_session=True,  # Ctrl-C is ours to handle
            )

    @property
    def is_running(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    def output(self) -> str:
        """The end of what it printed, for the message that says why it did not start."""
        text = (self._directory / "output").read_text(errors="replace").strip()
        return text[-500:]

    def resident_bytes(self) -> int:
        """VmRSS of the process."""
        for line in self._proc("status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def descriptors(self) -> int:
        """Open file descriptors of the process, most of them sockets."""
        return sum(1 for _ in self._proc("fd").iterdir())

    def _proc(self, name: str) -> Path:
        return Path("/proc", str(self._process.pid), name)


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number, patience_s in _SIGNALS:
        process.send_signal(number)  # does nothing to one that is gone
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
            return
