"""Daemons started one after the other without waiting for imports: forks of one that has them."""

import multiprocessing
import os
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["relay.daemon", "relay.api", "relay.api.app"])


class Started(NamedTuple):
    """How a start ended: by itself, or by SIGINT once it was ready."""

    code: int
    lines: list[str]


def start(arguments: list[str]) -> Started:
    """Run `callveil` with these arguments until it has ended, or has said that it is ready."""
    read, write = os.pipe()
    process = _CONTEXT.Process(target=_run, args=(arguments, _connection(write)))
    process.start()
    os.close(write)
    lines = []
    with os.fdopen(read) as said:
        for line in said:
            lines.append(line.rstrip("\n"))
            if line.startswith("ready ") and process.pid is not None:
                os.kill(process.pid, signal.SIGINT)
    process.join()
    code = process.exitcode
    process.close()
    assert code is not None
    return Started(code, lines)


def _connection(descriptor: int) -> Connection:
    return Connection(os.dup(descriptor))


def _run(arguments: list[str], output: Connection) -> None:
    """In the child: stdout and stderr are the parent's pipe."""
    from relay.cli.main import run

    for descriptor in (1, 2):
        os.dup2(output.fileno(), descriptor)
    output.close()
    for name in [name for name in os.environ if name.startswith("CALLVEIL")]:
        del os.environ[name]
    sys.exit(run(arguments))


def write(directory: Path, content: str) -> Path:
    """A configuration file."""
    path = directory / "callveil.yaml"
    path.write_text(content)
    return path
