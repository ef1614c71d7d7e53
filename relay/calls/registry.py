"""The book of calls: who is in which call, what state it is in, and who may allocate.

Rules of this file: it decides and remembers, nothing else; time and random tokens are arguments.
Whoever changes a call here tells the TURN server afterwards, in the same turn of the loop. Names of
calls and legs come off the wire: everything kept under one is bounded.
"""

from collections.abc import Callable
from itertools import islice

from relay.calls.call import TRANSITIONS, Call, Grant, Leg, Order, Rules, State, unknown_party
from relay.calls.changes import Change, Changed, apply
from relay.calls.deadlines import Deadlines
from relay.calls.ended import Ended, is_registered, may_be_credentials
from relay.calls.leaving import Answered, is_last, leave, others
from relay.calls.making import named, never, ordered
from relay.clock import Now
from relay.errors import CallError, Rejected

RING_TIMEOUT_S = 180.0
"""A call nobody accepts: as long as a SIP proxy waits for an answer (timer C, RFC 3261 section 16.6
step 11), so that a signaling server has always given up before."""


class Registry:
    """All calls of this relay.

    Args:
        rules: what the operator decided; may be replaced, and then holds for calls yet to come.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._calls: dict[str, Call] = {}
        self._created = 0
        self._ringing = 0
        self._deadlines = Deadlines(self._is_current)
        self._past = Ended(rules.credential_ttl_s)

    def create(self, order: Order, token: Callable[[], str], now: Now) -> Call:
        """Register a call.

        Args:
            token: gives an opaque random token of 22 characters each time.
        Raises: CallError `invalid_request`, naming the field. Nothing else.
        """
        call = ordered(order, self.rules, self._created + 1, token, now)
        self._created += 1
        if order.ring:
            call.state = State.RINGING
            call.deadline = _deadline(call)
            self._ringing += 1
        self._add(call)
        return call

    def accept(self, call: str, now: Now, answered: Answered | None = None) -> Call:
        """Ringing becomes active: data may cross from now on.

        Args:
            answered: who took it; the others that were called leave it. None: everybody stays.
        Raises: CallError `unknown_call`, `wrong_state`, `unknown_party` or `invalid_request`, and
            then nothing has changed. Nothing else.
        """
        found = self.live(call, now)
        if State.ACTIVE not in TRANSITIONS[found.state]:
            raise CallError("wrong_state", f"The call is not ringing: {found.state.value}.", call)
        for leg in others(found, answered) if answered else ():
            leave(found, leg)
        found.state = State.ACTIVE
        self._ringing -= 1
        self._reschedule(found)
        return found

    def change(self, call: str, change: Change, token: Callable[[], str], now: Now) -> Changed:
        """Tighten a call, extend it, add parties to it: all of what is asked for, or nothing.

        Raises: CallError `unknown_call`, `wrong_state`, `only_tightens` or `invalid_request`.
            Nothing else.
        """
        found = self.live(call, now)
        changed = apply(found, change, self.rules, token)
        self._reschedule(found)
        return changed

    def end(self, call: str, now: Now) -> bool:
        """End a call. One that a credential has not begun yet is begun by none afterwards.

        Returns: whether there was something to end.
        Raises: CallError `unknown_call`. Nothing else.
        """
        found = self._find(call, now)
        if found is None:
            if not may_be_credentials(call):
                raise _unknown_call()
            self._past.add(never(call, now), now.mono)
            return False
        if State.ENDED not in TRANSITIONS[found.state]:
            return False
        self._end(found, now, is_final=True)
        return True

    def end_party(self, call: str, party: str, now: Now) -> bool:
        """End one party of a call, and the call where it is over without that party.

        In a call that credentials begin, a leg that has not come yet does not come afterwards.

        Returns: whether there was something to end.
        Raises: CallError `unknown_call` or `unknown_party`. Nothing else.
        """
        found = self._find(call, now)
        is_credentials = may_be_credentials(call, party)
        if is_credentials:
            self._past.add_leg(call, party, now.mono)
        elif found is None:
            raise _unknown_call()
        if found is None or found.state is State.ENDED:
            return False
        leg = found.party(party)
        if leg is None:
            if not is_credentials and found.former_party(party) is None:
                raise unknown_party(found)
            return False
        if is_last(found, leg):
            self._end(found, now, is_final=True)
        else:
            leave(found, leg)
            self._forget_if_empty(found)
        return True

    def get(self, call: str, now: Now) -> Call:
        """The call of that id; for a while after its end too, then without its legs.

        Raises: CallError `unknown_call`. Nothing else.
        """
        found = self._find(call, now)
        if found is None:
            raise _unknown_call()
        return found

    def live(self, call: str, now: Now) -> Call:
        """The call of that id, which rings or is active.

        Raises: CallError `unknown_call`, or `wrong_state` where it has ended. Nothing else.
        """
        found = self.get(call, now)
        if found.state is State.ENDED or found.deadline <= now.mono:
            raise CallError("wrong_state", "The call has ended.", call)
        return found

    def page(self, after: int, limit: int) -> list[Call]:
        """The next live calls, eldest first, whose number is greater than `after`."""
        later = (call for call in self._calls.values() if call.number > after)
        return list(islice(later, limit))

    def __len__(self) -> int:
        return len(self._calls)

    def is_live(self, call: str) -> bool:
        """Whether a call of that id is ringing or active."""
        return call in self._calls

    def counts(self) -> dict[State, int]:
        """Live calls by state."""
        return {State.RINGING: self._ringing, State.ACTIVE: len(self._calls) - self._ringing}

    def admit(self, call: str, leg: str, now: Now) -> Grant:
        """Decide whether this leg of this call may allocate.

        A call that only a credential names begins here: active, with everybody masked.

        Raises: Rejected 403 (no such call or leg, or it has ended) or 486 (too many legs).
        """
        if self._past.has_leg(call, leg, now.mono):
            raise Rejected(403)
        found = self._calls.get(call)
        if found is None:
            found = self._new_implicit(call, now)
        elif found.deadline <= now.mono or found.ports:
            raise Rejected(403)
        return self.grant(found, found.leg(leg) or self._new_leg(found, leg))

    def grant(self, call: Call, leg: Leg) -> Grant:
        """What one leg of a live call may do now."""
        return Grant(
            call.id,
            leg.id,
            open=call.state is State.ACTIVE,
            masked=leg.masked,
            closed=call.is_registered and call.relayed,
            half_relayed=call.half_relayed,
            expires=call.expires,
            bitrate_bps=call.bitrate_bps,
            packets_per_s=self.rules.packets_per_s,
        )

    def release(self, call: str, leg: str) -> bool:
        """A leg was admitted and holds no allocation, or none any more.

        A call that only credentials name is forgotten with its last leg, and may begin anew.

        Returns: whether the leg is forgotten; a registered call's is kept for its statistics.
        """
        found = self._calls.get(call)
        if found is None:
            return True
        if found.is_registered:
            return False
        found.legs = [each for each in found.legs if each.id != leg]
        self._forget_if_empty(found)
        return True

    def handle_timeout(self, now: Now) -> list[str]:
        """End every call whose time has come; their ids, soonest deadline first.

        A call that only credentials name may begin anew: no signaling server has ended it, and
        where the relay's rule about peers is wider one such "call" is a user with many calls.
        """
        ended = []
        while (call := self._deadlines.due(now.mono)) is not None:
            found = self._calls[call]
            self._end(found, now, is_final=found.is_registered)
            ended.append(call)
        self._past.forget_old(now.mono)
        return ended

    def next_timeout(self) -> float | None:
        """When `handle_timeout` has something to do next, in monotonic seconds."""
        return self._deadlines.next()

    def _new_implicit(self, call: str, now: Now) -> Call:
        if is_registered(call) or self.rules.require_registered_call:
            raise Rejected(403)
        if self._past.get(call, now.mono):
            raise Rejected(403)
        self._created += 1
        new = named(call, self.rules, self._created, now)
        self._add(new)
        return new

    def _new_leg(self, call: Call, leg: str) -> Leg:
        if call.is_registered:
            raise Rejected(403)
        if len(call.legs) >= self.rules.legs_per_call:
            raise Rejected(486)
        call.legs.append(Leg(leg, "", masked=True))
        return call.legs[-1]

    def _add(self, call: Call) -> None:
        self._calls[call.id] = call
        self._deadlines.schedule(call.deadline, call.id, len(self._calls))

    def _reschedule(self, call: Call) -> None:
        deadline = _deadline(call)
        if deadline != call.deadline:
            call.deadline = deadline
            self._deadlines.schedule(deadline, call.id, len(self._calls))

    def _end(self, call: Call, now: Now, *, is_final: bool) -> None:
        if call.state is State.RINGING:
            self._ringing -= 1
        del self._calls[call.id]
        call.state = State.ENDED
        call.legs, call.former = [], ()  # and with them what the signaling server calls its users
        call.expires_at = now.wall
        if is_final:
            self._past.add(call, now.mono)

    def _find(self, call: str, now: Now) -> Call | None:
        """The call of that id; for a while after its end too."""
        return self._calls.get(call) or self._past.get(call, now.mono)

    def _forget_if_empty(self, call: Call) -> None:
        """A call that only credentials name is forgotten with its last leg."""
        if not call.legs:
            call.state = State.ENDED
            del self._calls[call.id]

    def _is_current(self, at: float, call: str) -> bool:
        found = self._calls.get(call)
        return found is not None and found.deadline == at


def _unknown_call() -> CallError:
    return CallError("unknown_call", "There is no such call.")


def _deadline(call: Call) -> float:
    """When the call ends unless something happens before."""
    if call.state is State.RINGING:
        return min(call.expires, call.created + RING_TIMEOUT_S)
    return call.expires
