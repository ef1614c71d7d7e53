"""The command as a user runs it: in a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

COMMAND = Path(sys.executable).with_name("callveil")
READY = re.compile(r"^ready (?P<urls>.*) api (?P<api>http://\S+)$")


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


def callveil(*arguments: str, env: Mapping[str, str] | None = None) -> Outcome:
    """Run one command to its end; whatever it says is no traceback."""
    done = subprocess.run(
        [COMMAND, *arguments], env=environment(env), capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr + done.stdout
    return Outcome(done.returncode, done.stdout, done.stderr)


@dataclass
class Serving:
    """A daemon that is ready."""

    process: subprocess.Popen[str]
    urls: list[str]
    api: str
    lines: list[str] = field(default_factory=list)

    def stop(self) -> int:
        """SIGINT, and its exit code; what it still said is in `lines`."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.stderr is not None
        self.lines += self.process.stderr.read().splitlines()
        return self.process.wait()


@contextmanager
def serving(*arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Serving]:
    """A daemon on ports that the kernel chose."""
    ports = {"CALLVEIL__LISTEN": "udp://127.0.0.1:0", "CALLVEIL__API__LISTEN": "127.0.0.1:0"}
    process = subprocess.Popen(
        [COMMAND, "serve", *arguments],
        env=environment(ports | dict(env or {})),
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield _until_ready(process)
        finally:
            if process.poll() is None:
                process.kill()


def _until_ready(process: "subprocess.Popen[str]") -> Serving:
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line.rstrip("\n"))
        if match := READY.match(lines[-1]):
            return Serving(process, match["urls"].split(), match["api"], lines)
        if lines[-1].startswith("{") and (said := json.loads(lines[-1]))["event"] == "ready":
            return Serving(process, said["urls"], said["api"], lines)
    raise AssertionError(f"not ready: {lines}")
