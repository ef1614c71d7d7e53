"""The test's end of a peer process: asks, and reads what came of it."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.kit.api import Json
from tests.kit.namespaces import Namespace, close_pipes
from tests.kit.polling import PATIENCE_S
from tests.lab.topology import Lab

_ROOT = Path(__file__).parents[2]


PEER = (sys.executable, "-m", "tests.lab.peer")


class Party:
    """One process in a namespace that is told what to do over stdin, `tests.lab.peer` by default.

    Args:
        options: for `Lab.popen`.
    """

    def __init__(
        self, lab: Lab, where: Namespace, command: Sequence[str] = PEER, **options: Any
    ) -> None:
        self._process = lab.popen(
            where,
            command,
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            **options,
        )

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        """Have one thing done. One that hangs is ended in time.

        Raises: RuntimeError with the peer's own words if it cannot.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        watch = threading.Timer(PATIENCE_S, self._process.kill)
        watch.start()
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            watch.cancel()
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
