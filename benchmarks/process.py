"""A relay's process: started, killed and replaced, ended."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from benchmarks.systems import System
from benchmarks.topology import Topology
from tests.kit.command import environment
from tests.kit.program import Program

_SIGNALS = ((signal.SIGINT, 10.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0))
"""And how long each is waited for, in seconds. SIGINT is "now, and leave nothing behind", also to a
daemon that would wait for its calls to end, or leave its routes to the next one.
"""

_SUCCESSOR = 'read -r go && kill -9 "$0" && exec "$@" </dev/null'
"""Kills the process that it is told the number of, once it reads a line, and becomes a command."""


class Relay(Program):
    """One system running in the relay's namespace; a context manager that ends it.

    Args:
        system: what to run.
        topology: the namespaces.
        directory: empty; configuration and output go there.
    """

    def __init__(self, system: System, topology: Topology, directory: Path) -> None:
        self.system = system
        self._topology = topology
        self._former: list[subprocess.Popen[bytes]] = []
        config = directory / "config.yaml"
        places = {"config": config, "directory": directory}
        if system.config is not None:
            config.write_text(yaml.safe_dump(dict(system.config)))
        arguments = [argument.format(**places) for argument in system.arguments]
        self._inside = [system.executable() or system.program, *arguments]
        super().__init__(
            topology.command_in_relay(self._inside),
            directory / "output",
            cwd=directory,
            env=environment(),
            start_new_session=True,  # Ctrl-C is ours to handle
        )

    def __exit__(self, *exception: object) -> None:
        for process in (self.process, *self._former):
            _end(process)

    @contextlib.contextmanager
    def successor(self) -> Iterator[Callable[[], None]]:
        """A process that waits to kill this relay and take its place: same command, same core.

        It is started beforehand, so that whoever measures meanwhile is not kept waiting.

        Yields: what lets it; takes microseconds.
        """
        command = ["sh", "-c", _SUCCESSOR, str(self.pid), *self._inside]
        process = self.run(self._topology.command_in_relay(command), subprocess.PIPE)
        pipe = process.stdin
        assert pipe is not None  # noqa: S101 - that is what PIPE means

        def go() -> None:
            os.write(pipe.fileno(), b"\n")
            self._former.append(self.process)
            self.process = process

        try:
            yield go
        finally:
            pipe.close()  # one that was not let ends here
            if process is not self.process:
                process.wait()


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number, patience_s in _SIGNALS:
        process.send_signal(number)  # does nothing to one that is gone
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
            return
