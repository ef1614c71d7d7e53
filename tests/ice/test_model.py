"""A model of two calls with relayed ports, step by step, under Hypothesis.

The model is written from the rules: what has answered the relay's check within thirty seconds, or
was declared, and nothing else, is where a party is. After every step the routes that live in the
doing side must be exactly those the model allows; every datagram must go exactly where the model
says, or nowhere.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from math import inf

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from relay.address import ClientAddress, FiveTuple
from relay.calls.call import RING_TIMEOUT_S
from relay.calls.pool import REST_S
from relay.effects import CallAccepted, Count, Deliver, Effect, OpenPort, Send
from relay.errors import CallError, DropReason
from relay.ice.access import Access
from relay.ice.consent import CONSENT_S
from relay.ice.port import NOMINATED_S
from relay.ice.routes import ROUTE_LIFETIME_S
from relay.stun.attributes import Attribute
from tests.ice.stage import NOMINATING, RTP, Leg, Stage, answer, ice, requests_in

CALLS = ("cv_one", "cv_two")
PARTIES = ("alice", "bob")
EXPIRES_S = 1500.0
_TICK_S = 2.0  # within a consent's five seconds
_STALL_S = 290.0  # almost as late as a renewal may be
_UNANSWERED = [Count(DropReason.NO_CONSENT)]
_NOT_ASKED = [Count(DropReason.NOT_A_REQUEST)]
PLACES = [ClientAddress.parse(f"198.51.100.{n}", 4000 + n % 3) for n in range(6)]
legs = st.tuples(st.sampled_from(CALLS), st.sampled_from(PARTIES))
places = st.sampled_from(PLACES)
_USERNAMES = ["{own}:{party}", "{own}:x", "x:{party}", "{own}", "{party}:{own}"]
_PORTS = range(50000, 50006)  # few, so that they come back as soon as they may


@dataclass
class Source:
    """An address of a party, under which of its names it has answered, and until when it counts."""

    ufrag: str | None
    until: float


@dataclass
class Party:
    """What is known of one party."""

    ufrag: str | None = None
    declared: bool = False
    sources: dict[ClientAddress, Source] = field(default_factory=dict)
    target: ClientAddress | None = None
    nominated_until: float = 0.0
    restarting: bool = False

    def aim(self, place: ClientAddress, nominates: bool, now: float) -> None:
        """Data goes where it was nominated, as long as that is heard of, else to the latest."""
        is_nominated = now < self.nominated_until
        if nominates or not is_nominated or place == self.target:
            stays = nominates or (is_nominated and place == self.target)
            self.nominated_until = now + NOMINATED_S if stays else 0.0
            self.target = place

    def forget_late(self, now: float) -> None:
        """What has not answered for thirty seconds is no place of the party's."""
        self.sources = {place: s for place, s in self.sources.items() if now < s.until}
        if self.target not in self.sources:
            self.target, self.nominated_until = None, 0.0


class RelayedPorts(RuleBasedStateMachine):
    """Parties, strangers and a signaling server that do whatever they like."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage(ports=_PORTS)
        self.legs: dict[tuple[str, str], Leg] = {}
        self.parties: dict[tuple[str, str], Party] = {}
        self.active: dict[str, bool] = {}
        self.expires: dict[str, float] = {}
        self.rings_until: dict[str, float] = {}
        self.released: dict[int, float] = {}
        self.recorded: list[tuple[tuple[str, str], bytes, ClientAddress]] = []

    @property
    def now(self) -> float:
        return self.stage.now.mono

    @initialize(ringing=st.tuples(st.booleans(), st.booleans()))
    def start(self, ringing: tuple[bool, bool]) -> None:
        for call, rings in zip(CALLS, ringing, strict=True):
            self.create(call, rings, [])

    @rule(call=st.sampled_from(CALLS), rings=st.booleans(), taken=st.lists(st.booleans()))
    def create(self, call: str, rings: bool, taken: list[bool]) -> None:
        """Both legs, nothing known of either; nothing if the call is there, or no port is free.

        Some ports of the first or the second leg are another program's, as long as others are free.
        """
        if call in self.active or self.free() < len(PARTIES):
            return
        expires = self.now + EXPIRES_S
        opened = self.stage.call(name=call, rings=rings, expires=expires)
        for is_second in taken[: self.free() - len(PARTIES)]:
            leg = opened[is_second]
            self.released[leg.port.port] = self.now + REST_S
            (other,) = self.stage.fail(leg.port)
            assert isinstance(other, OpenPort)
            leg.port = other.address
        self.active[call], self.expires[call] = not rings, expires
        self.rings_until[call] = self.now + RING_TIMEOUT_S
        for leg in opened:
            assert self.now >= self.released.get(leg.port.port, 0.0)
            self.legs[call, leg.key.leg] = leg
            self.parties[call, leg.key.leg] = Party()

    def free(self) -> int:
        """How many ports may be drawn."""
        resting = sum(self.now < until for until in self.released.values())
        return len(_PORTS) - len(self.legs) - resting

    @rule(call=st.sampled_from(CALLS))
    def accept(self, call: str) -> None:
        if self.active.get(call, True):
            with pytest.raises(CallError):
                self.stage.accept(call)
        else:
            self.active[call] = True
            assert self.stage.accept(call)[-1] == CallAccepted(call)

    @rule(call=st.sampled_from(CALLS))
    def end(self, call: str) -> None:
        was_there = call in self.active
        self.forget(call)
        effects: list[Effect] = []
        with suppress(CallError):  # it was so long ago that nothing is known of it
            effects = self.stage.end(call)
        assert bool(effects) == was_there

    def forget(self, call: str) -> None:
        """The call has ended."""
        for name in PARTIES:
            leg = self.legs.pop((call, name), None)
            self.parties.pop((call, name), None)
            if leg:
                self.released[leg.port.port] = self.now + REST_S
        self.active.pop(call, None)

    def tick(self) -> list[Effect]:
        """What is due is done, and calls end whose time has come."""
        for call, is_active in list(self.active.items()):
            rings_until = inf if is_active else self.rings_until[call]
            if min(self.expires[call], rings_until) <= self.now:
                self.forget(call)
        return self.stage.tick()

    @rule(which=legs, place=places)
    def declare(self, which: tuple[str, str], place: ClientAddress) -> None:
        if which in self.legs:
            self.legs[which].set_access(Access(address=place))
            self.parties[which] = Party(
                declared=True, sources={place: Source(None, inf)}, target=place
            )

    @rule(which=legs, ufrag=st.sampled_from(["aaaa", "bbbb"]))
    def expect(self, which: tuple[str, str], ufrag: str) -> None:
        if which not in self.legs:
            return
        party = self.parties[which]
        before = None if party.declared else self.legs[which].ice
        self.legs[which].set_access(Access(ice=ice(ufrag)))
        if party.declared:
            party = self.parties[which] = Party()
        elif party.ufrag not in (None, ufrag):
            party.restarting = True
            assert self.legs[which].ice != before
        else:
            assert self.legs[which].ice == before
        party.ufrag = ufrag

    @rule(which=legs, place=places, nominates=st.booleans())
    def check(self, which: tuple[str, str], place: ClientAddress, nominates: bool) -> None:
        """The party sends a right check, as far as it knows what is right, and answers."""
        leg, party = self.legs.get(which), self.parties.get(which)
        if leg is None or party is None or party.ufrag is None:
            return
        effects = self.send_check(which, place, nominates)
        known = party.sources.get(place)
        is_known = known is not None and known.ufrag == party.ufrag
        if is_known:
            assert answer(effects).code == 0
            party.aim(place, nominates, self.now)
        if not self.answers(which, place, party.ufrag):
            return
        if party.restarting:
            party.restarting, party.sources, party.nominated_until = False, {}, 0.0
        party.sources[place] = Source(party.ufrag, self.now + CONSENT_S)
        if not is_known:
            party.aim(place, nominates, self.now)

    @rule(which=legs, place=places)
    def forge_source(self, which: tuple[str, str], place: ClientAddress) -> None:
        """Whoever has the credentials names another's address: nobody there answers."""
        party = self.parties.get(which)
        if party and party.ufrag is not None:
            known = party.sources.get(place)
            self.send_check(which, place, nominates=False)
            if known is not None and known.ufrag == party.ufrag:
                party.aim(place, False, self.now)

    def send_check(
        self, which: tuple[str, str], place: ClientAddress, nominates: bool
    ) -> list[Effect]:
        leg, party = self.legs[which], self.parties[which]
        username = f"{leg.ice.ufrag}:{party.ufrag}"
        check = leg.check(*([NOMINATING] if nominates else []), username=username)
        self.recorded.append((which, check, place))
        effects = leg.receive(check, place)
        assert effects == _UNANSWERED or answer(effects).code == 0
        return effects

    def answers(self, which: tuple[str, str], place: ClientAddress, ufrag: str) -> bool:
        """The party answers the latest check there. Returns: whether the relay waits for it."""
        leg = self.legs[which]
        asked = self.stage.asked.get(leg.from_(place))
        if asked is None or not asked.value(Attribute.USERNAME).startswith(f"{ufrag}:".encode()):
            return False
        return leg.receive(leg.answer(asked), place) != _NOT_ASKED

    @precondition(lambda self: self.recorded)
    @rule(data=st.data(), place=places)
    def replay(self, data: st.DataObject, place: ClientAddress) -> None:
        """A recording is sent from another address: it teaches nothing."""
        which, check, first = data.draw(st.sampled_from(self.recorded))
        if place != first and which in self.legs:
            self.legs[which].receive(check, place)

    @precondition(lambda self: self.recorded)
    @rule(data=st.data(), at=legs, place=places)
    def misdirect(self, data: st.DataObject, at: tuple[str, str], place: ClientAddress) -> None:
        """A recording is sent to another port: it teaches nothing."""
        which, check, _ = data.draw(st.sampled_from(self.recorded))
        if at != which and at in self.legs:
            self.legs[at].receive(check, place)

    @rule(
        which=legs,
        place=places,
        username=st.sampled_from(_USERNAMES),
        pwd=st.sampled_from(["", "wrong" * 5, "{own}"]),
    )
    def forge(self, which: tuple[str, str], place: ClientAddress, username: str, pwd: str) -> None:
        """A check whose name or MAC is wrong: it teaches nothing."""
        if which not in self.legs or self.parties[which].declared:
            return
        leg, ufrag = self.legs[which], self.parties[which].ufrag
        if (username, pwd) == (_USERNAMES[0], "{own}") and ufrag is not None:
            return  # that one is right
        name = username.format(own=leg.ice.ufrag, party=ufrag)
        check = leg.check(NOMINATING, username=name, pwd=pwd.format(own=leg.ice.pwd))
        for effect in leg.receive(check, place):
            assert not isinstance(effect, Send) or answer([effect]).code == 401

    @rule(which=legs, place=places, payload=st.sampled_from([RTP, b"\x16dtls", b"\x40\1\0\0"]))
    def send(self, which: tuple[str, str], place: ClientAddress, payload: bytes) -> None:
        """Data comes to a port from anywhere."""
        if which not in self.legs:
            return
        effects = self.legs[which].receive(payload, place)
        expected = self.route_from(which, place)
        delivered = [e.client for e in effects if isinstance(e, Deliver)]
        assert delivered == ([expected] if expected else [])

    @rule(which=legs, place=places, body=st.binary(max_size=60))
    def send_stun(self, which: tuple[str, str], place: ClientAddress, body: bytes) -> None:
        """Whatever begins as STUN crosses in no case."""
        if which in self.legs:
            effects = self.legs[which].receive(b"\0" + body, place)
            assert not any(isinstance(effect, Deliver) for effect in effects)

    @rule(
        seconds=st.sampled_from([_TICK_S, NOMINATED_S, CONSENT_S, 70.0]),
        answering=st.sets(legs),
    )
    def wait(self, seconds: float, answering: set[tuple[str, str]]) -> None:
        """Time passes; some parties say where they are that they are still there."""
        for _ in range(int(seconds / _TICK_S)):
            self.pass_time(_TICK_S)
            asked = requests_in(self.tick())
            for which in answering & self.legs.keys():
                for place, source in self.parties[which].sources.items():
                    is_asked = any(to == place for _, to in asked)
                    if is_asked and source.ufrag and self.answers(which, place, source.ufrag):
                        source.until = self.now + CONSENT_S

    @rule()
    def stall(self) -> None:
        """The relay does nothing for minutes, and then what is due."""
        self.pass_time(_STALL_S)
        self.tick()

    def pass_time(self, seconds: float) -> None:
        self.stage.advance(seconds)
        for party in self.parties.values():
            party.forget_late(self.now)

    def route_from(self, which: tuple[str, str], place: ClientAddress) -> FiveTuple | None:
        """Where data from this place at this port goes."""
        call, name = which
        other = call, PARTIES[1 - PARTIES.index(name)]
        target = self.parties[other].target
        if not self.active[call] or self.now >= self.expires[call] or target is None:
            return None
        return self.legs[other].from_(target) if place in self.parties[which].sources else None

    @invariant()
    def routes_are_those_of_the_model(self) -> None:
        live = {
            source: route.target
            for source, route in self.stage.doing.routes.items()
            if self.now < route.expires_ns / 1e9
        }
        assert all(
            route.expires_ns <= (self.now + ROUTE_LIFETIME_S) * 1e9
            for route in self.stage.doing.routes.values()
        )
        expected = {}
        for which, leg in self.legs.items():
            for place in PLACES:
                target = self.route_from(which, place)
                if target is not None:
                    expected[leg.from_(place)] = target
        assert live == expected

    @invariant()
    def ports_are_those_of_live_legs(self) -> None:
        assert self.stage.doing.ports == {leg.port for leg in self.legs.values()}
        assert self.stage.doing.legs == {leg.key for leg in self.legs.values()}

    @invariant()
    def events_tell_what_the_model_holds(self) -> None:
        events = self.stage.events
        assert events.calls == {call: not is_active for call, is_active in self.active.items()}
        assert events.connected == {
            leg.key for which, leg in self.legs.items() if self.parties[which].target is not None
        }


TestRelayedPorts = RelayedPorts.TestCase
