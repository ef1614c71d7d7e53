"""The program on its bench as its tests have it: a clock that stands still, and one leg."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks import program_rig
from benchmarks.program_rig import DROP, OUT, SUMMED_UP, UP, Context, Outcome
from relay.effects import LegKey, SetLeg
from relay.errors import DropReason
from relay.forward.kernel import layout
from relay.forward.kernel.legs import Legs
from relay.forward.meter import Meter
from tests.kit.frames import End

__all__ = ["CARDS", "DROP", "LEG", "NOW_NS", "OUT", "UP", "Bench", "Context", "Outcome", "Route"]

CARDS = {"no offload": 0, "summed up": SUMMED_UP}
"""What a network card has done about the checksum of what it received."""

NOW_NS = 1_000_000_000_000
LEG = LegKey("call", "leg")


@dataclass(frozen=True)
class Route(program_rig.Route[End]):
    """One route as a test says it."""

    expires_ns: int = NOW_NS + 1


class Bench(program_rig.Rig):
    """A loaded program with maps of its own."""

    def __init__(self) -> None:
        super().__init__(NOW_NS, clock_is_config=True)
        self.hashed = self.program.routes()
        self.legs = self.program.array("legs")
        self.known = Legs(self.program.array("legs"), frozenset())
        self.listeners = self.program.listeners()
        self.dropped = self.program.counters("drops")
        self.set_clock(NOW_NS)
        self.set_lease(NOW_NS + 1)
        self.known.set(SetLeg(LEG, 8_000_000_000, 1_000_000_000), NOW_NS)

    def set_clock(self, now_ns: int) -> None:
        """What time it is for the program."""
        self.config.words[layout.CONFIG.word("clock_ns")] = now_ns

    def set_meter(self, meter: Meter) -> None:
        """Let the leg's caps stand as this meter's."""
        for field in ("ns_per_kib", "ns_per_packet", "byte_due_ns", "packet_due_ns"):
            self.legs.words[layout.LEG.word(field)] = getattr(meter, field)
        for field in ("packets", "bytes", "dropped"):
            self.legs.words[layout.LEG.word(field)] = getattr(meter, field)

    def meter(self) -> dict[str, int]:
        """How the leg's caps and counts stand."""
        return {
            field: self.legs.words[layout.LEG.word(field)]
            for field in layout.LEG.offsets
            if field != "digest"
        }

    def drops(self) -> dict[DropReason, int]:
        """What the program has dropped so far, and why."""
        counts = {reason: self.dropped.sums(reason)[0] for reason in DropReason}
        return {reason: count for reason, count in counts.items() if count}

    @contextmanager
    def routes(self, *routes: Route) -> Iterator[None]:
        """Have these routes for the length of a `with` block."""
        for route in routes:
            assert self.set_route(route)
        try:
            yield
        finally:
            for route in routes:
                self.drop_route(route)

    def close(self) -> None:
        """Give everything back."""
        for thing in (self.hashed, self.legs, self.known, self.listeners, self.dropped):
            thing.close()
        super().close()
