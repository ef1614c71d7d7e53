"""What somebody knows who follows the server's events, and nothing else."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from relay.effects import (
    CallAccepted,
    CallChanged,
    CallCreated,
    CallEnded,
    DropLeg,
    Effect,
    LegConnected,
    LegEnded,
    LegIdle,
    LegKey,
    SetLeg,
)


@dataclass
class Events:
    """Live calls, and whether they ring; legs with counters; those that are connected.

    An event that contradicts those before it is a failed assertion.
    """

    calls: dict[str, bool] = field(default_factory=dict)
    legs: set[LegKey] = field(default_factory=set)
    connected: set[LegKey] = field(default_factory=set)

    def follow(self, effects: Iterable[Effect]) -> None:
        """Take these in, in their order."""
        for effect in effects:
            self._follow_call(effect)
            self._follow_leg(effect)

    def _follow_call(self, effect: Effect) -> None:
        match effect:
            case CallCreated():
                assert effect.call not in self.calls
                self.calls[effect.call] = effect.is_ringing
            case CallAccepted():
                assert self.calls[effect.call]
                self.calls[effect.call] = False
            case CallChanged():
                assert effect.call in self.calls
            case CallEnded():
                del self.calls[effect.call]
                assert set(effect.legs) == {leg for leg in self.legs if leg.call == effect.call}
                assert not any(leg in self.connected for leg in effect.legs)

    def _follow_leg(self, effect: Effect) -> None:
        match effect:
            case SetLeg():
                self.legs.add(effect.leg)
            case LegConnected():
                assert effect.leg in self.legs
                self.connected.add(effect.leg)
            case LegIdle():
                self.connected.remove(effect.leg)
            case LegEnded():
                assert effect.leg.call in self.calls
                assert effect.leg not in self.connected
            case DropLeg():
                self.legs.remove(effect.leg)
                assert effect.leg not in self.connected
