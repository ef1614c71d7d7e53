"""How much one leg and one user may have: RFC 8656 section 7.2.

Rules of this file: of a leg's allocations one that carries nothing gives way; of a user's none
does, since another device may have it.
"""

from relay.calls.book import Book
from relay.clock import Now
from relay.effects import LegKey
from relay.errors import Rejected
from relay.turn.allocation import Allocation
from relay.turn.names import LegName, Name, UserName
from relay.turn.settings import TurnSettings
from relay.turn.table import Table

PORTS_PER_ALLOCATION = 4
"""A leg or user may use so many times the ports that it may hold, with those that are reserved or
rest: a client at its limit restarts ICE three times a minute before it has to wait."""


class Quotas:
    """Decides whether there may be one more allocation."""

    def __init__(self, settings: TurnSettings, table: Table, book: Book) -> None:
        self._settings = settings
        self._table = table
        self._book = book
        self.ports_per_leg = PORTS_PER_ALLOCATION * settings.allocations_per_leg
        per_user, ports = settings.allocations_per_user, len(settings.ports)
        # One user cannot empty the pool, unless it may hold that many allocations at a time.
        self._ports_per_user = min(PORTS_PER_ALLOCATION * per_user, max(per_user, ports // 2))

    def check(self, name: Name, ports: int, now: Now) -> Allocation | None:
        """Whether a leg or user may have one more allocation.

        Args:
            ports: how many ports of its pool the allocation would take.
        Returns: the allocation that has to give way for it.
        Raises: Rejected 403 (its user is revoked, whatever it has left), 486 or 508. Nothing else.
        """
        if isinstance(name, UserName):
            oldest = None
            self._check_user(name.user, ports, now)
        else:
            oldest = self._check_leg(name, ports, now)
        if len(self._table.by_client) >= self._settings.allocations:
            raise Rejected(508)
        return oldest

    def _check_leg(self, name: LegName, ports: int, now: Now) -> Allocation | None:
        key = LegKey(name.call, name.leg)
        call = self._book.find(key.call)
        leg = call.leg(key.leg) if call else None
        held = self._table.allocations_of(leg) if leg and call and not call.ports else []
        oldest = None
        if len(held) >= self._settings.allocations_per_leg:
            oldest = next((each for each in held if _is_idle(each, now)), None)
            if oldest is None:
                raise Rejected(486)
        if ports and self._table.count_ports(call, key, now.mono) + ports > self.ports_per_leg:
            raise Rejected(486)
        return oldest

    def _check_user(self, name: str, ports: int, now: Now) -> None:
        self._book.users.check(name)
        user, key = self._book.users.find(name), LegKey(name, "")
        if user is not None and len(user.legs) >= self._settings.allocations_per_user:
            raise Rejected(486)
        if ports and self._table.count_ports(user, key, now.mono) + ports > self._ports_per_user:
            raise Rejected(486)


def _is_idle(allocation: Allocation, now: Now) -> bool:
    return not any(side.is_in_use(now.mono) for side in allocation.sides)
