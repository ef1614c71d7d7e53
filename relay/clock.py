"""The two clocks, read by the daemon only and passed to everything that decides."""

from typing import NamedTuple, Protocol


class Now(NamedTuple):
    """One reading of both clocks.

    Args:
        mono: monotonic seconds; every lifetime and expiry inside the daemon is on this clock.
        wall: Unix seconds; only for what others wrote or will read: credentials, nonces, the API.
    """

    mono: float
    wall: float


class Clocks(Protocol):
    """What reads them."""

    def now(self) -> Now: ...

    def mono_ns(self) -> int:
        """The monotonic clock in nanoseconds, as routes are compared with it."""
        ...
