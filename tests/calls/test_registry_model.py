"""The book of calls against a model of it: any order of events, any passing of time."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from relay.calls.call import Party, Rules, State
from relay.calls.changes import Change, PartyChange
from relay.calls.registry import RING_TIMEOUT_S
from relay.errors import CallError, Rejected
from tests.calls.book import Book

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


class RegistryModel(RuleBasedStateMachine):
    """Times are whole seconds, so that events meet deadlines exactly."""

    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.book = Book(Rules(legs_per_call=3, call_duration_s=DURATION_S, credential_ttl_s=900))
        self.expected: dict[str, Expected] = {}
        self.gone: dict[tuple[str, str], float] = {}  # legs of rooms, and when they were ended

    @rule(target=calls, ring=st.booleans(), duration=st.integers(1, DURATION_S))
    def create(self, ring: bool, duration: int) -> str:
        parties = (Party("alice", True), Party("bob"))
        call = self.book.create(*parties, ring=ring, max_duration_s=duration)
        expires = self.book.mono + duration
        rings_until = min(expires, self.book.mono + RING_TIMEOUT_S)
        self.expected[call.id] = Expected(
            deadline=rings_until if ring else expires,
            expires=expires,
            state="ringing" if ring else "active",
            legs=[leg.id for leg in call.legs],
            created=self.book.mono,
            parties=["alice", "bob"],
        )
        return call.id

    @rule(call=calls)
    def accept(self, call: str) -> None:
        expected = self._known(call)
        state = expected.state if expected else "unknown"
        outcome = _outcome(lambda: self.book.registry.accept(call, self.book.now))
        assert outcome == {"ringing": "done", "unknown": "unknown_call"}.get(state, "wrong_state")
        if expected and outcome == "done":
            expected.state, expected.deadline = "active", expected.expires

    @rule(call=calls, duration=st.integers(1, DURATION_S))
    def extend(self, call: str, duration: int) -> None:
        expected = self._known(call)
        change = Change(max_duration_s=duration)
        outcome = _outcome(lambda: self._change(call, change))
        if expected is None or expected.state == "ended":
            assert outcome == ("wrong_state" if expected else "unknown_call")
        elif expected.created + duration < expected.expires:
            assert outcome == "invalid_request"
        else:
            assert outcome == "done"
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
        change = Change((PartyChange(who),))
        outcome = _outcome(lambda: self._change(call, change))
        assert outcome == ("done" if before < 3 or who in expected.parties else "invalid_request")
        if outcome == "done" and who not in expected.parties:
            expected.parties.append(who)
            expected.legs = [leg.id for leg in self.book.registry.get(call, self.book.now).legs]
            assert len(expected.legs) == before + 1

    def _change(self, call: str, change: Change) -> None:
        self.book.registry.change(call, change, self.book.token, self.book.now)

    @rule(call=st.one_of(calls, ROOMS))
    def end(self, call: str) -> None:
        expected = self._known(call)
        is_room = not call.startswith("cv_")
        outcome = _outcome(lambda: self.book.registry.end(call, self.book.now))
        assert outcome == ("done" if expected or is_room else "unknown_call")
        if expected is None and is_room:
            expected = self.expected[call] = Expected(0, 0)
        if expected and expected.state != "ended":
            self._end(expected)

    @rule(call=calls, which=st.integers(0, 3), who=NAMES)
    def end_party(self, call: str, which: int, who: str) -> None:
        expected = self._known(call)
        named = [*(expected.parties if expected else ()), who]
        party = named[which % len(named)]
        outcome = _outcome(lambda: self.book.registry.end_party(call, party, self.book.now))
        if expected is None or expected.state == "ended":
            assert outcome == ("done" if expected else "unknown_call")
        elif party not in expected.parties:
            assert outcome == ("done" if party in expected.former else "unknown_party")
        else:
            assert outcome == "done"
            is_caller = expected.state == "ringing" and party == expected.parties[0]
            if is_caller or len(expected.parties) == 2:
                self._end(expected)
            else:
                expected.legs.pop(expected.parties.index(party))
                expected.parties.remove(party)
                expected.former.append(party)

    @rule(room=ROOMS, leg=NAMES)
    def end_leg(self, room: str, leg: str) -> None:
        outcome = _outcome(lambda: self.book.registry.end_party(room, leg, self.book.now))
        assert outcome == "done"
        if not self._is_gone(room, leg):
            self.gone[room, leg] = self.book.mono
        expected = self._known(room)
        if expected and expected.state == "active" and leg in expected.legs:
            expected.legs.remove(leg)
            if not expected.legs:
                del self.expected[room]

    @rule(seconds=st.integers(1, 400) | st.just(86_400))
    def advance(self, seconds: int) -> None:
        ended = self.book.advance(seconds)
        due = {
            call: expected.deadline
            for call, expected in self.expected.items()
            if expected.state != "ended" and expected.deadline <= self.book.mono
        }
        assert sorted(ended) == sorted(due)
        assert [due[call] for call in ended] == sorted(due.values())
        for call in ended:
            if call.startswith("cv_"):
                self._end(self.expected[call])
            else:
                del self.expected[call]  # its credentials may begin it anew

    @rule(call=calls, which=st.integers(0, 2))
    def admit_registered(self, call: str, which: int) -> None:
        expected = self.expected[call]
        legs = [*expected.legs, "stranger"]
        leg = legs[which % len(legs)]
        outcome = _outcome(lambda: self.book.registry.admit(call, leg, self.book.now))
        is_welcome = expected.state != "ended" and leg != "stranger"
        assert outcome == ("done" if is_welcome else 403)
        if is_welcome:
            grant = self.book.registry.admit(call, leg, self.book.now)
            is_open = expected.state == "active"
            assert (grant.open, grant.expires, grant.closed) == (is_open, expected.expires, True)

    @rule(room=ROOMS, leg=NAMES)
    def admit_implicit(self, room: str, leg: str) -> None:
        expires = self.book.mono + DURATION_S
        expected = self._known(room) or Expected(expires, expires)
        outcome = _outcome(lambda: self.book.registry.admit(room, leg, self.book.now))
        if expected.state == "ended" or self._is_gone(room, leg):
            assert outcome == 403
        elif len({*expected.legs, leg}) > 3:
            assert outcome == 486
        else:
            assert outcome == "done"
            self.expected[room] = expected
            expected.legs += [] if leg in expected.legs else [leg]

    @rule(room=ROOMS, leg=NAMES)
    def release(self, room: str, leg: str) -> None:
        assert self.book.registry.release(room, leg)
        expected = self.expected.get(room)
        if expected and expected.state == "active" and leg in expected.legs:
            expected.legs.remove(leg)
            if not expected.legs:
                del self.expected[room]

    @invariant()
    def live_calls_are_those_of_the_model(self) -> None:
        live = {call: e for call, e in self.expected.items() if e.state != "ended"}
        assert {
            call.id: (call.state.value, [leg.id for leg in call.legs])
            for call in self.book.registry.page(0, 10_000)
        } == {call: (e.state, e.legs) for call, e in live.items()}
        assert all(self.book.registry.is_live(c) == (c in live) for c in self.expected)
        ringing = sum(e.state == "ringing" for e in live.values())
        counts = {State.RINGING: ringing, State.ACTIVE: len(live) - ringing}
        assert self.book.registry.counts() == counts
        soonest = min((e.deadline for e in live.values()), default=None)
        assert self.book.registry.next_timeout() == soonest

    def _end(self, expected: Expected) -> None:
        expected.state, expected.ended_at = "ended", self.book.mono

    def _is_gone(self, room: str, leg: str) -> bool:
        ended = self.gone.get((room, leg))
        return ended is not None and self.book.mono < ended + 86_400

    def _known(self, call: str) -> Expected | None:
        """What the book should still know, live or ended."""
        expected = self.expected.get(call)
        keep_s = 900 if call.startswith("cv_") else 86_400
        if expected and expected.state == "ended":
            return expected if self.book.mono < expected.ended_at + keep_s else None
        return expected


def _outcome(step: Callable[[], object]) -> str | int:
    """What came of it: a fault's kind, a rejection's code, or that it was done."""
    try:
        step()
    except CallError as fault:
        return fault.kind
    except Rejected as rejected:
        return rejected.code
    return "done"


RegistryModel.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_any_order_of_events_keeps_the_book_right = RegistryModel.TestCase
