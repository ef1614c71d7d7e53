"""The server's calls against a model of them: any order of events, any passing of time."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from relay.calls.call import RING_TIMEOUT_S, CallState
from relay.calls.changes import PartyChange
from relay.calls.making import Party
from relay.calls.rules import Rules
from relay.effects import (
    CallAccepted,
    CallChanged,
    CallEnded,
    Effect,
    EndReason,
    LegEnded,
    LegKey,
)
from relay.errors import CallError
from tests.calls.stage import Stage

ROOMS = st.sampled_from(["room", "hall"])
NAMES = st.sampled_from(["one", "two", "three", "four"])
DURATION_S = 600


@dataclass
class Expected:
    """What the model holds of one call: `deadline` None once it has ended."""

    deadline: float
    expires: float
    state: str = "active"
    ended_at: float = 0.0
    legs: list[str] = field(default_factory=list)
    created: float = 0.0
    parties: list[str] = field(default_factory=list)
    former: list[str] = field(default_factory=list)


class Calls(RuleBasedStateMachine):
    """Times are whole seconds, so that events meet deadlines exactly."""

    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        rules = Rules(legs_per_call=3, call_duration_s=DURATION_S, credential_ttl_s=900)
        self.stage = Stage(rules, peers="call")
        self.expected: dict[str, Expected] = {}
        self.gone: dict[tuple[str, str], float] = {}  # legs of rooms, and when they were ended

    @rule(target=calls, ring=st.booleans(), duration=st.integers(1, DURATION_S))
    def create(self, ring: bool, duration: int) -> str:
        parties = (Party("alice", True), Party("bob"))
        call = self.stage.create(*parties, ring=ring, max_duration_s=duration)
        expires = self.stage.mono + duration
        rings_until = min(expires, self.stage.mono + RING_TIMEOUT_S)
        self.expected[call.id] = Expected(
            deadline=rings_until if ring else expires,
            expires=expires,
            state="ringing" if ring else "active",
            legs=[leg.id for leg in call.legs],
            created=self.stage.mono,
            parties=["alice", "bob"],
        )
        return call.id

    @rule(call=calls)
    def accept(self, call: str) -> None:
        expected = self._known(call)
        state = expected.state if expected else "unknown"
        outcome = _outcome(lambda: self.stage.accept(call))
        done = {"ringing": [CallAccepted(call)], "unknown": "unknown_call"}
        assert outcome == done.get(state, "wrong_state")
        if expected and state == "ringing":
            expected.state, expected.deadline = "active", expected.expires

    @rule(call=calls, duration=st.integers(1, DURATION_S))
    def extend(self, call: str, duration: int) -> None:
        expected = self._known(call)
        outcome = _outcome(lambda: self.stage.change(call, max_duration_s=duration))
        if expected is None or expected.state == "ended":
            assert outcome == ("wrong_state" if expected else "unknown_call")
        elif expected.created + duration < expected.expires:
            assert outcome == "invalid_request"
        else:
            is_longer = expected.created + duration > expected.expires
            assert outcome == ([CallChanged(call)] if is_longer else [])
            expected.expires = expected.created + duration
            rings_until = expected.created + RING_TIMEOUT_S
            is_ringing = expected.state == "ringing"
            expected.deadline = min(expected.expires, rings_until if is_ringing else 1e9)

    @rule(call=calls, who=NAMES)
    def join(self, call: str, who: str) -> None:
        expected = self._known(call)
        if expected is None or expected.state == "ended":
            return
        before = len(expected.legs)
        outcome = _outcome(lambda: self.stage.change(call, PartyChange(who)))
        if who in expected.parties:
            assert outcome == []
        elif before == 3:
            assert outcome == "invalid_request"
        else:
            assert outcome == [CallChanged(call)]
            expected.parties.append(who)
            expected.legs = [leg.id for leg in self.stage.call(call).legs]
            assert len(expected.legs) == before + 1

    @rule(call=st.one_of(calls, ROOMS))
    def end(self, call: str) -> None:
        expected = self._known(call)
        is_room = not call.startswith("cv_")
        outcome = _outcome(lambda: self.stage.end(call))
        if expected and expected.state != "ended":
            assert isinstance(outcome, list)
            self._assert_ended(call, EndReason.ENDED, outcome)
            self._end(expected)
        else:
            assert outcome == ([] if expected or is_room else "unknown_call")
        if expected is None and is_room:
            expected = self.expected[call] = Expected(0, 0)
            self._end(expected)

    @rule(call=calls, which=st.integers(0, 3), who=NAMES)
    def end_party(self, call: str, which: int, who: str) -> None:
        expected = self._known(call)
        named = [*(expected.parties if expected else ()), who]
        party = named[which % len(named)]
        outcome = _outcome(lambda: self.stage.end_party(call, party))
        if expected is None or expected.state == "ended":
            assert outcome == ([] if expected else "unknown_call")
        elif party not in expected.parties:
            assert outcome == ([] if party in expected.former else "unknown_party")
        else:
            assert isinstance(outcome, list)
            is_caller = expected.state == "ringing" and party == expected.parties[0]
            if is_caller or len(expected.parties) == 2:
                self._assert_ended(call, EndReason.ENDED, outcome)
                self._end(expected)
            else:
                leg = expected.legs.pop(expected.parties.index(party))
                assert _events(outcome) == [LegEnded(LegKey(call, leg))]
                expected.parties.remove(party)
                expected.former.append(party)

    @rule(room=ROOMS, leg=NAMES)
    def end_leg(self, room: str, leg: str) -> None:
        effects = self.stage.end_party(room, leg)
        if not self._is_gone(room, leg):
            self.gone[room, leg] = self.stage.mono
        self._left(room, leg, effects, EndReason.ENDED, [LegEnded(LegKey(room, leg))])

    def _left(
        self, room: str, leg: str, effects: list[Effect], reason: EndReason, told: list[Effect]
    ) -> None:
        """A leg of a room has gone, if it was there; with the last one the room is forgotten."""
        expected = self._known(room)
        if not expected or expected.state != "active" or leg not in expected.legs:
            assert effects == []
        elif expected.legs == [leg]:
            self._assert_ended(room, reason, effects)
            del self.expected[room]
        else:
            assert _events(effects) == told
            expected.legs.remove(leg)

    @rule(seconds=st.integers(1, 400) | st.just(86_400))
    def advance(self, seconds: int) -> None:
        ends = [each for each in self.stage.advance(seconds) if isinstance(each, CallEnded)]
        ended = [each.call for each in ends]
        due = {
            call: expected.deadline
            for call, expected in self.expected.items()
            if expected.state != "ended" and expected.deadline <= self.stage.mono
        }
        assert sorted(ended) == sorted(due)
        assert [due[call] for call in ended] == sorted(due.values())
        for call, each in zip(ended, ends, strict=True):
            is_ringing = self.expected[call].state == "ringing"
            assert each.reason is (EndReason.NOT_ACCEPTED if is_ringing else EndReason.EXPIRED)
            assert each.lasted_s == self.stage.mono - self.expected[call].created
            if call.startswith("cv_"):
                self._end(self.expected[call])
            else:
                del self.expected[call]  # its credentials may begin it anew

    @rule(call=calls, which=st.integers(0, 2))
    def admit_registered(self, call: str, which: int) -> None:
        expected = self.expected[call]
        legs = [*expected.legs, "stranger"]
        leg = legs[which % len(legs)]
        is_welcome = expected.state != "ended" and leg != "stranger"
        assert self.stage.allocate(call, leg) == (0 if is_welcome else 403)
        if is_welcome:
            found = self.stage.call(call)
            is_active = expected.state == "active"
            assert (found.carries(self.stage.mono), found.closed) == (is_active, True)
            assert found.expires == expected.expires

    @rule(room=ROOMS, leg=NAMES)
    def admit_implicit(self, room: str, leg: str) -> None:
        expires = self.stage.mono + DURATION_S
        expected = self._known(room) or Expected(expires, expires, created=self.stage.mono)
        outcome = self.stage.allocate(room, leg)
        if expected.state == "ended" or self._is_gone(room, leg):
            assert outcome == 403
        elif len({*expected.legs, leg}) > 3:
            assert outcome == 486
        else:
            assert outcome == 0
            self.expected[room] = expected
            expected.legs += [] if leg in expected.legs else [leg]

    @rule(room=ROOMS, leg=NAMES)
    def release(self, room: str, leg: str) -> None:
        self._left(room, leg, self.stage.leave(room, leg), EndReason.LEFT, [])

    @invariant()
    def live_calls_are_those_of_the_model(self) -> None:
        live = {call: e for call, e in self.expected.items() if e.state != "ended"}
        assert {
            call.id: (call.state.value, [leg.id for leg in call.legs])
            for call in self.stage.server.page(0, 10_000)
        } == {call: (e.state, e.legs) for call, e in live.items()}
        assert all(self.stage.is_live(c) == (c in live) for c in self.expected)
        ringing = sum(e.state == "ringing" for e in live.values())
        counts = {CallState.RINGING: ringing, CallState.ACTIVE: len(live) - ringing}
        assert self.stage.server.counts() == counts
        soonest = min((e.deadline for e in live.values()), default=None)
        events = self.stage.events
        assert events.calls == {call: e.state == "ringing" for call, e in live.items()}
        told = self.stage.server.next_timeout()
        assert (told is None) == (soonest is None)
        if told is not None and soonest is not None:
            assert self.stage.mono < told <= soonest  # one that has become later is looked at

    def _assert_ended(self, call: str, reason: EndReason, effects: list[Effect]) -> None:
        (ended,) = _events(effects)
        assert isinstance(ended, CallEnded)
        lasted_s = self.stage.mono - self.expected[call].created
        assert (ended.call, ended.reason, ended.lasted_s) == (call, reason, lasted_s)

    def _end(self, expected: Expected) -> None:
        expected.state, expected.ended_at = "ended", self.stage.mono

    def _is_gone(self, room: str, leg: str) -> bool:
        ended = self.gone.get((room, leg))
        return ended is not None and self.stage.mono < ended + 86_400

    def _known(self, call: str) -> Expected | None:
        """What the book should still know, live or ended."""
        expected = self.expected.get(call)
        keep_s = 900 if call.startswith("cv_") else 86_400
        if expected and expected.state == "ended":
            return expected if self.stage.mono < expected.ended_at + keep_s else None
        return expected


def _outcome(step: Callable[[], list[Effect]]) -> str | list[Effect]:
    """What came of it: a fault's kind, or what is to be done."""
    try:
        return step()
    except CallError as fault:
        return fault.kind


def _events(effects: list[Effect]) -> list[Effect]:
    """Those of calls, and of legs that have left."""
    return [each for each in effects if isinstance(each, CallEnded | LegEnded)]


Calls.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_any_order_of_events_keeps_the_book_right = Calls.TestCase
