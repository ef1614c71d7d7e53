"""The book of calls and users: who is in which call, what state it is in, and who may allocate.

Rules of this file: everything is checked before anything is changed; time and random tokens are
arguments. Names of calls and legs come off the wire: everything kept under one is bounded. What
follows for allocations, ports and routes, `relay.server` sees to.
"""

from collections.abc import Callable
from itertools import islice

from relay.calls.call import TRANSITIONS, Call, CallState, Leg, unknown_party
from relay.calls.changes import Change, apply
from relay.calls.deadlines import Deadlines
from relay.calls.ended import (
    USERNAME_BYTES,
    Ended,
    drop,
    ended,
    is_identified,
    is_registered,
    may_be_credentials,
)
from relay.calls.leaving import AnsweredBy, leave, others
from relay.calls.making import Order, Origin, named, never, ordered
from relay.calls.rules import Rules
from relay.calls.users import Users
from relay.clock import Now
from relay.effects import Effect, EndReason
from relay.errors import CallError, Rejected


class Book:
    """All calls of this relay, and all users.

    `is_draining`: no new call begins, and no new user.

    Args:
        rules: what the operator decided; may be replaced, and then holds for calls yet to come.
        deadlines: where the calls' are queued.
        closed: every call is closed, and credentials begin calls; else the API creates calls, of
            which those that are relayed are closed, and credentials name users.
    """

    def __init__(self, rules: Rules, deadlines: Deadlines, *, closed: bool) -> None:
        self.rules = rules
        self.is_draining = False
        self._deadlines = deadlines
        self._closed = closed
        self._calls: dict[str, Call] = {}
        self._created = 0
        self._ringing = 0
        self._past = Ended(rules.credential_ttl_s)
        self.users = Users(deadlines)

    def create(self, name: str, order: Order, token: Callable[[], str], now: Now) -> Call:
        """Create a call.

        Args:
            name: its id, `cv_` and a token.
            token: gives an opaque random token of 22 characters each time.
        Raises: CallError `draining`, or `invalid_request`, naming the field. Nothing else.
        """
        if self.is_draining:
            raise CallError("draining", "Create the call on another relay, or later.")
        call = ordered(name, order, self._origin(), token, now)
        if order.ring:
            call.state = CallState.RINGING
            self._ringing += 1
        self._add(call)
        return call

    def accept(self, call: Call, answered: AnsweredBy | None) -> list[Leg]:
        """Ringing becomes active: data may cross from now on.

        Args:
            answered: who took it; the others that were called leave it. None: everybody stays.
        Returns: those who have left.
        Raises: CallError `wrong_state`, `unknown_party` or `invalid_request`, and then nothing has
            changed. Nothing else.
        """
        if CallState.ACTIVE not in TRANSITIONS[call.state]:
            detail = f"Only a ringing call can be accepted. This call is {call.state.value}."
            raise CallError("wrong_state", detail, call.id)
        left = others(call, answered) if answered else []
        for leg in left:
            leave(call, leg)
        call.state = CallState.ACTIVE
        self._ringing -= 1
        return left

    def change(self, call: Call, change: Change, token: Callable[[], str]) -> bool:
        """Tighten a call, extend it, add parties to it: all of what is asked for, or nothing.

        Returns: whether anything of it has changed.
        Raises: CallError `wrong_state`, `only_tightens` or `invalid_request`. Nothing else.
        """
        return apply(call, change, self.rules, token)

    def call_to_end(self, name: str, now: Now) -> Call | None:
        """The call of that id that is to be ended now; None where it has ended before.

        One that a credential has not begun yet is begun by none afterwards.

        Raises: CallError `unknown_call`. Nothing else.
        """
        found = self._find(name, now)
        if found is None:
            if not self._may_be_credentials(name):
                raise unknown_call()
            self._past.add(never(name, now), now.mono)
            return None
        return found if CallState.ENDED in TRANSITIONS[found.state] else None

    def leg_to_end(self, name: str, party: str, now: Now) -> Leg | None:
        """The leg of a party that is to leave now; None where it has left before.

        In a call that credentials begin, a leg that has not come yet does not come afterwards.

        Raises: CallError `unknown_call` or `unknown_party`. Nothing else.
        """
        found = self._find(name, now)
        is_credentials = self._may_be_credentials(name, party)
        if is_credentials:
            self._past.add_leg(name, party, now.mono)
        elif found is None:
            raise unknown_call()
        if found is None or found.state is CallState.ENDED:
            return None
        leg = found.party(party)
        if leg is None and not is_credentials and found.former_party(party) is None:
            raise unknown_party(found)
        return leg

    def end(self, call: Call, now: Now, *, is_final: bool) -> None:
        """End a live call; its legs hold nothing any more.

        Args:
            is_final: no credential begins it anew.
        """
        if call.state is CallState.RINGING:
            self._ringing -= 1
        del self._calls[call.id]
        self._deadlines.forget(call)
        call.state = CallState.ENDED
        call.legs, call.former = [], ()  # and with them what the signaling server calls its users
        call.known, call.pool = {}, None  # it is kept for a while, as one of very many
        call.expires_at = now.wall
        if is_final:
            self._past.add(call, now.mono)

    def get(self, name: str, now: Now) -> Call:
        """The call of that id; for a while after its end too, then without its legs.

        Raises: CallError `unknown_call`. Nothing else.
        """
        found = self._find(name, now)
        if found is None:
            raise unknown_call()
        return found

    def live(self, name: str, now: Now) -> Call:
        """The call of that id, which rings or is active.

        Raises: CallError `unknown_call`, or `wrong_state` where it has ended. Nothing else.
        """
        found = self.get(name, now)
        if found.state is CallState.ENDED or found.deadline() <= now.mono:
            raise CallError("wrong_state", "The call has ended.", name)
        return found

    def find(self, name: str) -> Call | None:
        """The live call of that id."""
        return self._calls.get(name)

    def page(self, after: int, limit: int) -> list[Call]:
        """The next live calls, eldest first, whose number is greater than `after`."""
        later = (call for call in self._calls.values() if call.number > after)
        return list(islice(later, limit))

    def __len__(self) -> int:
        return len(self._calls)

    def counts(self) -> dict[CallState, int]:
        """Live calls by state."""
        return {
            CallState.RINGING: self._ringing,
            CallState.ACTIVE: len(self._calls) - self._ringing,
        }

    def admit(self, name: str, leg: str, now: Now) -> Leg:
        """The leg that a credential names, if it may allocate.

        A call that only a credential names begins here: active, with everybody masked. Who is
        admitted and gets no allocation is given back with `release`.

        Raises: Rejected 403 (no such call or leg, it has ended, or it is a media server's), 486
            (too many legs) or 508 (the relay is draining, and the call would be a new one). Nothing
            else.
        """
        found = self._calls.get(name)
        if self._past.has_leg(name, leg, now.mono):
            raise Rejected(403)
        if found is None:
            found = self._begin(name, now)
        elif found.deadline() <= now.mono or found.ports:
            raise Rejected(403)
        admitted = found.leg(leg) or self._add_leg(found, leg)
        if admitted.listed is not None:
            raise Rejected(403)
        return admitted

    def admit_user(self, name: str, now: Now) -> Leg:
        """A leg for one more allocation of a user: see `Users.admit`."""
        return self.users.admit(name, self.rules, now, is_draining=self.is_draining)

    def revoke_user(self, name: str, for_s: int | None, now: Now) -> list[Leg]:
        """Refuse a user from now on: see `Users.revoke`.

        Args:
            for_s: None for as long as the operator decided.
        Raises: CallError `no_users` or `invalid_request`. Nothing else.
        """
        if len(name.encode()) > USERNAME_BYTES:
            raise CallError("invalid_request", f"name: give at most {USERNAME_BYTES} bytes.")
        if self._closed:
            detail = "relay.peers is call, so every credential names a call. End the call instead."
            raise CallError("no_users", detail)
        return self.users.revoke(name, self.rules.revocation_s if for_s is None else for_s, now)

    def release(self, leg: Leg, now: Now) -> list[Effect]:
        """A leg holds nothing, or nothing any more.

        A call that only credentials name is forgotten with its last leg, and may begin anew, and a
        user likewise. A leg of a registered call is kept for its statistics.
        """
        call = leg.call
        if call.is_user:
            return self.users.release(leg)
        if call.is_registered or call.state is CallState.ENDED:
            return []
        call.legs.remove(leg)
        if call.legs:
            return drop((leg,))
        event = ended(call, EndReason.LEFT, (leg,), now)
        self.end(call, now, is_final=False)
        return [event, *drop((leg,))]

    def forget_old(self, now: Now) -> None:
        """Forget ended calls that have been kept for long enough."""
        self._past.forget_old(now.mono)

    def _begin(self, name: str, now: Now) -> Call:
        if is_registered(name) or self.rules.require_registered_call:
            raise Rejected(403)
        if self._past.get(name, now.mono):
            raise Rejected(403)
        if self.is_draining:
            raise Rejected(508)
        call = named(name, self._origin(), now)
        self._add(call)
        return call

    def _add_leg(self, call: Call, leg: str) -> Leg:
        if call.is_registered:
            raise Rejected(403)
        if len(call.legs) >= self.rules.legs_per_call:
            raise Rejected(486)
        call.legs.append(Leg(call, leg, "", masked=True))
        return call.legs[-1]

    def _may_be_credentials(self, call: str, leg: str = "") -> bool:
        """Whether a credential alone may begin this call, and name this leg."""
        return (self._closed or is_identified(call)) and may_be_credentials(call, leg)

    def _origin(self) -> Origin:
        return Origin(self.rules, self._closed, self._created + 1)

    def _add(self, call: Call) -> None:
        self._created += 1
        self._calls[call.id] = call
        self._deadlines.schedule(call)

    def _find(self, name: str, now: Now) -> Call | None:
        """The call of that id; for a while after its end too."""
        return self._calls.get(name) or self._past.get(name, now.mono)


def unknown_call() -> CallError:
    """The fault of naming a call that is not there."""
    return CallError("unknown_call", "No call has this id, or it ended too long ago.")
