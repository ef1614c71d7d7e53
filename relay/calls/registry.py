"""The book of calls: who is in which call, what state it is in, and who may allocate.

Rules of this file: it decides and remembers, nothing else; time and random tokens are arguments.
Whoever changes a call here tells the TURN server afterwards, in the same turn of the loop. Names of
calls and legs come off the wire: everything kept under one is bounded.
"""

from collections.abc import Callable
from itertools import islice

from relay.calls.call import TRANSITIONS, Call, Grant, Leg, Order, Rules, State
from relay.calls.changes import Change, Changed, apply
from relay.calls.deadlines import Deadlines, Tombstones
from relay.clock import Now
from relay.errors import CallError, Rejected

REGISTERED_PREFIX = "cv_"
"""Starts the id of every call that the API creates. A call so named exists only if this registry
knows it, so that a restarted daemon cannot take a ringing call for one that may talk."""

RING_TIMEOUT_S = 180.0
"""A call nobody accepts: as long as a SIP proxy waits for an answer (timer C, RFC 3261 section 16.6
step 11), so that a signaling server has always given up before."""

_REMEMBER_IMPLICIT_S = 86_400.0
"""How long an ended call that only credentials named stays ended: their lifetime is the signaling
server's choice, and a day is the longest that is customary."""

_REMEMBERED = 65_536
"""Ended calls that are remembered, of either sort: some 350 bytes each."""


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
        self._ended_registered = Tombstones(rules.credential_ttl_s, _REMEMBERED)
        self._ended_implicit = Tombstones(
            max(rules.credential_ttl_s, _REMEMBER_IMPLICIT_S), _REMEMBERED
        )

    def create(self, order: Order, token: Callable[[], str], now: Now) -> Call:
        """Register a call.

        Args:
            token: gives an opaque random token of 22 characters each time.
        Raises: CallError `invalid_request`, naming the field. Nothing else.
        """
        self._check_parties(order)
        duration_s = _at_most(order.max_duration_s, self.rules.call_duration_s, "max_duration_s")
        bitrate = _at_most(order.max_bitrate_bps, self.rules.bitrate_bps, "max_bitrate_bps")
        asked = any(party.enhanced_call_privacy for party in order.parties)
        relayed = order.ports or self.rules.is_relayed(asked=asked)
        call = self._new(REGISTERED_PREFIX + token(), relayed, duration_s, now)
        call.bitrate_bps = bitrate
        call.ports = order.ports
        for party, asked in order.parties:
            masked = relayed and self.rules.is_masked(asked=asked)
            call.legs.append(Leg(token(), party, masked, asked))
        call.half_relayed = call.may_be_half_relayed
        if order.ring:
            call.state = State.RINGING
            call.deadline = _deadline(call)
            self._ringing += 1
        self._add(call)
        return call

    def accept(self, call: str, now: Now) -> Call:
        """Ringing becomes active: data may cross from now on.

        Raises: CallError `unknown_call` or `wrong_state`. Nothing else.
        """
        found = self.live(call, now)
        if State.ACTIVE not in TRANSITIONS[found.state]:
            raise CallError("wrong_state", f"The call is not ringing: {found.state.value}.", call)
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
        """End a call.

        Returns: whether it had not ended before.
        Raises: CallError `unknown_call`. Nothing else.
        """
        found = self.get(call, now)
        if State.ENDED not in TRANSITIONS[found.state]:
            return False
        self._end(found, now, is_final=True)
        return True

    def get(self, call: str, now: Now) -> Call:
        """The call of that id; for a while after its end too, then without its legs.

        Raises: CallError `unknown_call`. Nothing else.
        """
        found = self._calls.get(call) or self._ended(call, now)
        if found is None:
            raise CallError("unknown_call", "There is no such call.")
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
        if not found.legs:
            found.state = State.ENDED
            del self._calls[call]
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
        self._ended_registered.forget_old(now.mono)
        self._ended_implicit.forget_old(now.mono)
        return ended

    def next_timeout(self) -> float | None:
        """When `handle_timeout` has something to do next, in monotonic seconds."""
        return self._deadlines.next()

    def _new(self, call: str, relayed: bool, duration_s: int, now: Now) -> Call:
        self._created += 1
        is_registered = call.startswith(REGISTERED_PREFIX)
        new = Call(call, self._created, is_registered=is_registered, relayed=relayed)
        new.created, new.created_at = now.mono, now.wall
        new.expires = new.deadline = now.mono + duration_s
        new.expires_at = now.wall + duration_s
        new.bitrate_bps = self.rules.bitrate_bps
        return new

    def _new_implicit(self, call: str, now: Now) -> Call:
        if call.startswith(REGISTERED_PREFIX) or self.rules.require_registered_call:
            raise Rejected(403)
        if self._ended_implicit.get(call, now.mono):
            raise Rejected(403)
        new = self._new(call, True, self.rules.call_duration_s, now)
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
        call.legs = []  # and with them what the signaling server calls its users
        call.expires_at = now.wall
        if not is_final:
            return
        ended = self._ended_registered if call.is_registered else self._ended_implicit
        ended.add(call, now.mono)

    def _ended(self, call: str, now: Now) -> Call | None:
        is_registered = call.startswith(REGISTERED_PREFIX)
        ended = self._ended_registered if is_registered else self._ended_implicit
        return ended.get(call, now.mono)

    def _is_current(self, at: float, call: str) -> bool:
        found = self._calls.get(call)
        return found is not None and found.deadline == at

    def _check_parties(self, order: Order) -> None:
        most = self.rules.legs_per_call
        if not 2 <= len(order.parties) <= most:
            raise CallError("invalid_request", f"parties: 2 to {most} are expected.")
        if len({party.id for party in order.parties}) < len(order.parties):
            raise CallError("invalid_request", "parties: two of them have the same id.")
        if order.ports and len(order.parties) != 2:  # what one says would have no one way to go
            raise CallError("invalid_request", "parties: 2 are expected in ports mode.")


def _deadline(call: Call) -> float:
    """When the call ends unless something happens before."""
    if call.state is State.RINGING:
        return min(call.expires, call.created + RING_TIMEOUT_S)
    return call.expires


def _at_most(asked: int | None, limit: int, field: str) -> int:
    """What was asked for, within the operator's limit, which holds where nothing was."""
    if asked is None:
        return limit
    if not 0 < asked <= limit:
        raise CallError("invalid_request", f"{field}: 1 to {limit} is expected.")
    return asked
