"""The event loops that the tests run in: the daemon's, and one whose clock the test moves.

What a test gets that is an asynchronous context manager is entered for as long as the test runs.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import wraps
from typing import Any, ParamSpec

import uvloop

_DEADLINE_S = 300  # on the loop's own clock: what should happen and does not ends here

_P = ParamSpec("_P")


class MovableLoop(asyncio.SelectorEventLoop):
    """A loop that can be told that time has passed."""

    def __init__(self) -> None:
        self._ahead_s = 0.0
        super().__init__()

    def time(self) -> float:
        """The real clock, and what it was moved by."""
        return super().time() + self._ahead_s

    def move(self, seconds: float) -> None:
        """Let every timer of the next so many seconds be due."""
        self._ahead_s += seconds


def on_uvloop(scene: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, None]:
    """Run a test in the loop that the daemon runs in."""
    return _on(uvloop.new_event_loop, scene)


def on_movable_loop(scene: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, None]:
    """Run a test in a loop whose clock it may move."""
    return _on(MovableLoop, scene)


def pass_time(seconds: float) -> None:
    """In a test on a movable loop: let so much time have passed."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, MovableLoop)
    loop.move(seconds)


def _on(
    factory: Callable[[], asyncio.AbstractEventLoop],
    scene: Callable[_P, Coroutine[Any, Any, None]],
) -> Callable[_P, None]:
    async def entered(*args: _P.args, **kwargs: _P.kwargs) -> None:
        async with AsyncExitStack() as stack:
            for each in kwargs.values():
                if isinstance(each, AbstractAsyncContextManager):
                    await stack.enter_async_context(each)
            await scene(*args, **kwargs)

    @wraps(scene)
    def test(*args: _P.args, **kwargs: _P.kwargs) -> None:
        faults: list[dict[str, Any]] = []  # that the loop would only log
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.get_loop().set_exception_handler(lambda _, context: faults.append(context))
            runner.run(asyncio.wait_for(entered(*args, **kwargs), _DEADLINE_S))
        assert faults == []

    return test
