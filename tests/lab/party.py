"""The test's end of a peer process: asks, and reads what came of it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.kit.api import Json
from tests.kit.namespaces import Namespace, close_pipes
from tests.lab.topology import Lab

_ROOT = Path(__file__).parents[2]


class Party:
    """One `tests.lab.peer` in a namespace."""

    def __init__(self, lab: Lab, where: Namespace) -> None:
        self._process = lab.popen(
            where,
            [sys.executable, "-m", "tests.lab.peer"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        """Have one thing done.

        Raises: RuntimeError with the peer's own words if it cannot.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the peer ended while it should {do}")
        outcome: dict[str, Any] = json.loads(line)
        if "error" in outcome:
            raise RuntimeError(f"{do}: {outcome['error']}")
        return outcome

    def has_seen(self, *, audio: int = 0, video: int = 0) -> bool:
        """Whether it has decoded so many frames of each by now, in a call that has not failed."""
        state = self.ask("state")
        assert state["connection"] in ("connecting", "connected"), state
        frames: dict[str, int] = state["frames"]
        return frames.get("audio", 0) >= audio and frames.get("video", 0) >= video

    def end(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        close_pipes(self._process.stdin, self._process.stdout)


def have_seen(*everybody: Party, audio: int = 0, video: int = 0) -> bool:
    """Whether each has; all of them are asked, so that a call that has failed is noticed."""
    seen = [party.has_seen(audio=audio, video=video) for party in everybody]
    return all(seen)


def open_with(call: Json, caller: Party, callee: Party) -> None:
    """Start both WebRTC clients with what the API gave to them."""
    for party, name in ((caller, "caller"), (callee, "callee")):
        party.ask("open", configuration=call["parties"][name]["rtc_configuration"])


@contextmanager
def parties(lab: Lab) -> Iterator[tuple[Party, Party]]:
    """Caller and callee, each in its namespace, for one `with` block."""
    caller, callee = Party(lab, lab.caller), Party(lab, lab.callee)
    try:
        yield caller, callee
    finally:
        caller.end()
        callee.end()
