"""Waiting for a fact, with a deadline: the only way in which these tests wait."""

import time
from collections.abc import Callable

PATIENCE_S = 120
"""How long a busy machine may take for what an idle one does in a second. Nobody waits for it in
vain but where a test fails."""
_INTERVAL_S = 0.02


def wait_until(fact: Callable[[], object], what: str, deadline_s: float = PATIENCE_S) -> None:
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
