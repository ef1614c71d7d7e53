"""Run the relay and the demo side by side, and stop both with one Ctrl-C: what `make run` does.

Rules of this file: each of the two is a process in a session of its own, so that Ctrl-C reaches
this process alone. It stops the demo first, which ends the calls of its pages, and then the relay.
Neither outlives the other, and none outlives this process.
"""

import argparse
import asyncio
import ctypes
import os
import re
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

PATIENCE_S = 10
"""How long each of the two may take to stop before it is killed."""

MAX_LINE_BYTES = 1 << 20
"""Of what the relay says."""

_READY = re.compile(rb"ready .* api (http://\S+)")
_WILDCARDS = {"//0.0.0.0:": "//127.0.0.1:", "//[::]:": "//[::1]:"}  # asked on this host
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


class Child:
    """One of the two processes.

    Args:
        name: what messages call it.
        ended: the task that waits for its end; its result is as `subprocess` has it.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.process = process
        self.ended = asyncio.create_task(process.wait())

    @classmethod
    async def start(cls, name: str, *command: str, **options: Any) -> "Child":
        """Start it in a session of its own, with options of `create_subprocess_exec`."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=partial(_end_with_parent, signal.SIGTERM),
            **options,
        )
        return cls(name, process)

    async def stop(self, number: signal.Signals) -> None:
        """Send it that signal, and kill it where it does not end."""
        if self.ended.done():
            return
        self.process.send_signal(number)
        await asyncio.wait({self.ended}, timeout=PATIENCE_S)
        if not self.ended.done():
            self.process.kill()
            await self.ended

    @property
    def fate(self) -> str:
        """How it ended, in words."""
        code = self.ended.result()
        how = f"ended with exit code {code}" if code >= 0 else f"was killed by signal {-code}"
        return f"the {self.name} {how}"

    @property
    def exit_code(self) -> int:
        """How it ended, as shells say it."""
        code = self.ended.result()
        return code if code >= 0 else 128 - code


async def run(config: Path, token: str) -> int:
    """Run both until a signal comes or one of them ends.

    Args:
        config: of the relay.
        token: for the relay's API; empty where it asks for none.
    Returns: 0 after a signal, else the exit code of the one that ended.
    """
    told = _watch_signals()
    relay = await _start_relay(config)
    api: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    output = asyncio.create_task(_pass_on(relay, api))
    await _first(told, relay.ended, api)
    children = [relay]
    if api.done() and not told.done():
        children.append(await _start_demo(api.result(), token))
        await _first(told, *(child.ended for child in children))
    first = next((child for child in children if child.ended.done()), None)
    for child in reversed(children):
        # SIGINT stops a relay that is ready, whatever calls there are. Before, SIGTERM is quieter.
        is_ready_relay = child is relay and api.done()
        await child.stop(signal.SIGINT if is_ready_relay else signal.SIGTERM)
    await output
    if told.done() or first is None:
        return 0
    others = [f"the {child.name} was stopped" for child in children if child is not first]
    _say("; ".join([first.fate, *(others or ["the demo was not started"])]))
    return first.exit_code


def _watch_signals() -> asyncio.Future[None]:
    """Whether a signal has asked to stop; a hangup that our parent ignores does not."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[None] = loop.create_future()
    numbers = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # nohup
        numbers.remove(signal.SIGHUP)

    def tell() -> None:
        if not told.done():
            told.set_result(None)

    for number in numbers:
        loop.add_signal_handler(number, tell)
    _end_with_parent(signal.SIGTERM)
    return told


async def _start_relay(config: Path) -> Child:
    command = str(Path(sys.executable).with_name("callveil"))
    return await Child.start(
        "relay",
        *(command, "serve", "--config", str(config)),
        stderr=asyncio.subprocess.PIPE,
        limit=MAX_LINE_BYTES,
    )


async def _start_demo(api: str, token: str) -> Child:
    for wildcard, own in _WILDCARDS.items():
        api = api.replace(wildcard, own)
    command = (sys.executable, "-m", "examples.signaling", "--api", api)
    return await Child.start("demo", *command, env=os.environ | {"CALLVEIL_API_TOKEN": token})


async def _pass_on(relay: Child, api: asyncio.Future[str]) -> None:
    """Write what the relay says to our stderr; learn from its ready line where its API is."""
    while relay.process.stderr and (line := await relay.process.stderr.readline()):
        try:
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()
        except OSError:
            pass  # whoever read it has gone; the relay must not wait for that
        ready = _READY.match(line)
        if ready and not api.done():
            api.set_result(ready[1].decode())


async def _first(*futures: asyncio.Future[Any]) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


def _end_with_parent(number: signal.Signals) -> None:
    """Have the kernel send this process a signal when its parent has ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def _say(text: str) -> None:
    sys.stderr.write(f"callveil: {text}\n")


def main() -> int:
    """Read the configuration, and run both with it.

    Returns: the exit code; 2 where the configuration has a fault.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing runs yet that would have to be stopped
    parser = argparse.ArgumentParser(prog="python -m examples", description=run.__doc__)
    parser.add_argument("--config", type=Path, metavar="FILE", default="config/callveil.yaml")
    config = parser.parse_args().config

    from relay.config import load  # noqa: PLC0415  takes time, in which Ctrl-C is quiet
    from relay.errors import ConfigError  # noqa: PLC0415

    try:
        settings = load(config, os.environ)
    except ConfigError as error:
        for fault in error.faults:
            _say(" ".join(fault.split()))
        return 2
    configured = [token.get_secret_value() for token in settings.api.tokens]
    token = os.environ.get("CALLVEIL_API_TOKEN") or (configured[0] if configured else "")
    return asyncio.run(run(config, token))


if __name__ == "__main__":
    sys.exit(main())
