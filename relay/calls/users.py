"""Users: whoever a credential names that names no call. Each holds allocations, and nothing else.

Rules of this file: a user is there while it holds an allocation, and lasts as long as it does so.
Each allocation is a leg of its own, with its own caps. Names come off the wire: everything kept
under one is bounded.
"""

from collections import OrderedDict
from itertools import count

from relay.calls.call import Call, Leg
from relay.calls.deadlines import Deadlines, Timed
from relay.calls.ended import drop
from relay.calls.making import user
from relay.calls.rules import Rules
from relay.clock import Now
from relay.effects import Effect
from relay.errors import RefusalReason, Rejected

_REVOKED = 65_536
"""Users that are refused at a time; of more the one revoked first is admitted again."""


class Revoked(Timed):
    """A user that is refused for a while."""

    __slots__ = ("name", "until")

    def __init__(self, name: str, until: float) -> None:
        super().__init__()
        self.name = name
        self.until = until

    def deadline(self) -> float:
        """When it is refused no longer."""
        return self.until


class Users:
    """All users of this relay, and those that are refused.

    Args:
        deadlines: where the ends of revocations are queued.
    """

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._users: dict[str, Call] = {}
        self._revoked: OrderedDict[str, Revoked] = OrderedDict()
        self._legs = count(1)

    def __len__(self) -> int:
        return len(self._users)

    def find(self, name: str) -> Call | None:
        """The user of that name, if it holds an allocation."""
        return self._users.get(name)

    def check(self, name: str) -> None:
        """Raises: Rejected 403 where the user is revoked. Nothing else."""
        if name in self._revoked:
            raise Rejected(403, RefusalReason.REVOKED)

    def admit(self, name: str, rules: Rules, now: Now, *, is_draining: bool) -> Leg:
        """A new leg of a user, for one allocation.

        Raises: Rejected 403 (the user is revoked, or only calls of the API exist) or 508 (the relay
            is draining, and the user holds nothing). Nothing else.
        """
        self.check(name)
        if rules.require_registered_call:
            raise Rejected(403)
        found = self._users.get(name)
        if found is None:
            if is_draining:
                raise Rejected(508)
            found = self._users[name] = user(name, rules, now)
        found.legs.append(Leg(found, str(next(self._legs)), "", masked=True))
        return found.legs[-1]

    def release(self, leg: Leg) -> list[Effect]:
        """A user's leg has lost its allocation, or got none; the user goes with its last leg."""
        leg.call.legs.remove(leg)
        if not leg.call.legs:
            del self._users[leg.call.id]
        return drop((leg,))

    def revoke(self, name: str, for_s: float, now: Now) -> list[Leg]:
        """Refuse a user from now on, instead of what was said of it before.

        Args:
            for_s: for how long; 0 for not at all.
        Returns: its legs, which are to be released.
        """
        former = self._revoked.pop(name, None)
        if former is None and len(self._revoked) >= _REVOKED:
            _, former = self._revoked.popitem(last=False)
        if former is not None:
            self._deadlines.forget(former)
        if for_s > 0:
            revoked = self._revoked[name] = Revoked(name, now.mono + for_s)
            self._deadlines.schedule(revoked)
        found = self._users.get(name)
        return list(found.legs) if found else []

    def lapse(self, revoked: Revoked) -> None:
        """A user is refused no longer."""
        del self._revoked[revoked.name]
