"""The doing side as the effects of the core make it, and what must hold whatever they are."""

from relay.address import FiveTuple, ServerAddress
from relay.clock import Now
from relay.effects import (
    NO_CHANNEL,
    CallCreated,
    CallEnded,
    ClosePort,
    Deliver,
    DropLeg,
    DropRoute,
    Effect,
    LegConnected,
    LegIdle,
    LegKey,
    OpenPort,
    SetLeg,
    SetRoute,
    Via,
)


class Forwarding:
    """What the doing side would hold, from the effects alone, in their order."""

    def __init__(self) -> None:
        self.routes: dict[tuple[FiveTuple, Via], SetRoute] = {}
        self.legs: set[LegKey] = set()
        self.connected: set[LegKey] = set()
        self.ports: set[ServerAddress] = set()
        self.calls: set[str] = set()

    def apply(self, effects: list[Effect]) -> list[Effect]:
        """Do these effects; what does not fit what is there is a failed assertion."""
        for effect in effects:
            self._apply(effect)
            self._follow(effect)
        return effects

    def _apply(self, effect: Effect) -> None:
        """What is to be done."""
        match effect:
            case SetLeg():
                self.legs.add(effect.leg)
            case DropLeg():
                self.legs.remove(effect.leg)
                assert all(route.leg != effect.leg for route in self.routes.values())
            case OpenPort():
                assert effect.is_outer
                assert effect.address not in self.ports
                self.ports.add(effect.address)
            case ClosePort():
                self.ports.remove(effect.address)
                for route in self.routes.values():
                    assert effect.address not in (route.source.server, route.target.server)
            case SetRoute():
                assert effect.leg in self.legs
                bare = [effect.source.server] if effect.channel == NO_CHANNEL else []
                bare += [effect.target.server] if effect.target_channel == NO_CHANNEL else []
                assert self.ports.issuperset(bare)
                self.routes[effect.source, effect.channel] = effect
            case DropRoute():
                del self.routes[effect.source, effect.channel]
            case Deliver():
                assert effect.leg in self.legs
            case _:
                pass

    def _follow(self, effect: Effect) -> None:
        """What has happened."""
        match effect:
            case CallCreated():
                assert effect.call not in self.calls
                self.calls.add(effect.call)
            case LegConnected():
                assert effect.leg in self.legs
                assert effect.leg.call in self.calls
                self.connected.add(effect.leg)
            case LegIdle():
                self.connected.remove(effect.leg)
                assert effect.leg in self.legs
            case CallEnded():
                self.calls.remove(effect.call)
                of_call = {leg for leg in self.legs if leg.call == effect.call}
                assert of_call == set(effect.legs)
                assert self.connected.isdisjoint(of_call)
                assert all(route.leg not in of_call for route in self.routes.values())
            case _:
                pass

    def live(self, now: Now) -> list[SetRoute]:
        """Routes that forward something at this moment."""
        return [route for route in self.routes.values() if route.expires_ns > now.mono * 1e9]
