"""Waiting for a fact, with a deadline: the only way in which these tests wait."""

import time
from collections.abc import Callable

_INTERVAL_S = 0.02


def wait_until(fact: Callable[[], object], what: str, deadline_s: float = 20) -> None:
    """Ask until the answer is yes.

    Args:
        what: said if it never is.
    Raises: TimeoutError.
    """
    end = time.monotonic() + deadline_s
    while not fact():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {deadline_s} s until {what}")
        time.sleep(_INTERVAL_S)
