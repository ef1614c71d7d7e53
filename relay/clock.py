"""The two clocks, read by the daemon only and passed to everything that decides."""

from typing import NamedTuple


class Now(NamedTuple):
    """One reading of both clocks.

    Args:
        mono: monotonic seconds; every lifetime and expiry inside the daemon is on this clock.
        wall: Unix seconds; only for what others wrote or will read: credentials, nonces, the API.
    """

    mono: float
    wall: float
