"""How much a party may have rebuilt, and what of it waits for the call to be accepted."""

from relay.errors import CallError
from relay.sdp import HeldCandidate, Rebuilt

_BURST_BYTES = 512 * 1024
"""Two descriptions of the longest, or two thousand candidates: a client gathers some twenty."""
_BYTES_PER_S = 32 * 1024
_LEAST_BYTES = 256
"""What anything costs at least: reading a short candidate takes as long as a long one."""
_HELD = 256


class Intake:
    """What one leg's party sends: a token bucket over bytes, and what is held.

    `described` is its latest description, rebuilt, without the candidates, which are in `held`;
    both are empty unless the call rings.

    Args:
        mono: monotonic seconds, now.
    """

    __slots__ = ("_at", "_bytes", "described", "held")

    def __init__(self, mono: float) -> None:
        self._bytes = float(_BURST_BYTES)
        self._at = mono
        self.described: Rebuilt | None = None
        self.held: dict[HeldCandidate, None] = {}

    def spend(self, length: int, mono: float) -> None:
        """Take something of this length in.

        Raises: CallError `too_many`, and then it is not to be looked at.
        """
        refilled = self._bytes + (mono - self._at) * _BYTES_PER_S
        self._bytes, self._at = min(refilled, float(_BURST_BYTES)), mono
        cost = max(length, _LEAST_BYTES)
        if cost > self._bytes:
            raise CallError(
                "too_many",
                "This party sent more than a client would. Pass nothing on, or end the call.",
            )
        self._bytes -= cost

    def hold(self, *candidates: HeldCandidate) -> None:
        """Keep candidates until the call is accepted; the same once.

        Raises: CallError `too_many`, and then nothing more is held.
        """
        more = self.held | dict.fromkeys(candidates)
        if len(more) > _HELD:
            raise CallError(
                "too_many",
                "The relay keeps no more candidates of this party until you accept the call.",
            )
        self.held = more

    def release(self) -> None:
        """Hold nothing any more."""
        self.described = None
        self.held = {}
