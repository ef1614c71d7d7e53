"""A book of calls under a clock that only the test moves, with tokens one can read."""

from dataclasses import dataclass, field
from itertools import count

from relay.calls.call import Call, Order, Party, Rules
from relay.calls.registry import Registry
from relay.clock import Now

WALL_AHEAD_S = 1_700_000_000.0
"""The wall clock's lead over the monotonic one."""


@dataclass
class Book:
    """The registry, and what the daemon would bring along."""

    rules: Rules = field(default_factory=Rules)
    mono: float = 1_000.0

    def __post_init__(self) -> None:
        self.registry = Registry(self.rules)
        self._tokens = count(1)

    @property
    def now(self) -> Now:
        return Now(self.mono, self.mono + WALL_AHEAD_S)

    def token(self) -> str:
        """As long as a real one: 22 characters."""
        return f"{next(self._tokens):022}"

    def advance(self, seconds: float) -> list[str]:
        """Let time pass, and the calls that end by it."""
        self.mono += seconds
        return self.registry.handle_timeout(self.now)

    def create(
        self,
        *parties: Party,
        ring: bool = False,
        max_duration_s: int | None = None,
        max_bitrate_bps: int | None = None,
    ) -> Call:
        order = Order(parties or (ALICE, BOB), ring, max_duration_s, max_bitrate_bps)
        return self.registry.create(order, self.token, self.now)


ALICE = Party("alice", enhanced_call_privacy=True)
BOB = Party("bob")
CAROL = Party("carol")
