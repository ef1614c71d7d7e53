"""The two clocks. Only the daemon reads them; whatever decides gets their readings."""

from typing import NamedTuple, Protocol


class Now(NamedTuple):
    """One reading of both clocks.

    Args:
        mono: monotonic seconds. Every lifetime and expiry inside the daemon is on this clock.
        wall: Unix seconds, for what others wrote or will read: credentials, nonces, the API.
    """

    mono: float
    wall: float


class Clocks(Protocol):
    """What reads the clocks: the daemon, or a fake one in tests."""

    def now(self) -> Now: ...

    def mono_ns(self) -> int:
        """Read the monotonic clock in nanoseconds, for comparison with the expiry of routes."""
        ...
