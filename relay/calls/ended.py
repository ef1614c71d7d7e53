"""What has ended, for a while: it must not come back under a credential that is still good.

Rules of this file: names come off the wire or from the API, so everything kept under one is
bounded. Nothing here knows a party: an ended call has no legs.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable
from typing import Generic, TypeVar

from relay.calls.call import Call, Leg
from relay.clock import Now
from relay.effects import CallEnded, DropLeg, Effect, EndReason

REGISTERED_PREFIX = "cv_"
"""Starts the id of every call that the API creates. A call so named exists only if this registry
knows it, so that a restarted daemon cannot take a ringing call for one that may talk."""

IDENTIFIED_PREFIX = "ci_"
"""Starts the name of every call that an identifier stands for (`credentials.call_of`). A credential
begins such a call; it is closed, whatever `relay.peers` is."""

CALL_NAME = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""What a credential may call a call: tokens in every usual alphabet. What looks otherwise was meant
for a relay that knows users, and no calls."""

_REMEMBER_IMPLICIT_S = 86_400.0
"""How long an ended call that only credentials named stays ended: their lifetime is the signaling
server's choice, and a day is the longest that is customary."""

_REMEMBERED = 65_536
"""Ended calls that are remembered, of either sort, and ended legs: some 350 bytes each."""

USERNAME_BYTES = 508  # RFC 8489 section 14.3: fewer than 509

T = TypeVar("T")


class Tombstones(Generic[T]):
    """What has ended, by name.

    Args:
        keep_s: for how long.
        limit: at most so many; the eldest goes first.
    """

    __slots__ = ("_ended", "_keep_s", "_limit")

    def __init__(self, keep_s: float, limit: int) -> None:
        self._keep_s = keep_s
        self._limit = limit
        # In order of ending, hence of being forgotten. A plain dict would be searched from its
        # first slot ever used each time the eldest is taken.
        self._ended: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ended)

    def add(self, name: str, ended: T, mono: float) -> None:
        """Remember what has just ended."""
        self.forget_old(mono)
        if len(self._ended) >= self._limit:
            self._ended.popitem(last=False)
        self._ended[name] = (mono + self._keep_s, ended)

    def get(self, name: str, mono: float) -> T | None:
        """What has ended under that name, as far as is remembered."""
        until, ended = self._ended.get(name, (mono, None))
        return ended if mono < until else None

    def forget_old(self, mono: float) -> None:
        """Forget what has been kept long enough."""
        while self._ended:
            name, (until, _) = next(iter(self._ended.items()))
            if mono < until:
                return
            del self._ended[name]


class Ended:
    """The ended calls of one relay, and the ended legs of calls that credentials have begun.

    Args:
        credential_ttl_s: for how long the credential of a call that the API created may be used.
    """

    def __init__(self, credential_ttl_s: float) -> None:
        implicit_s = max(credential_ttl_s, _REMEMBER_IMPLICIT_S)
        self._registered: Tombstones[Call] = Tombstones(credential_ttl_s, _REMEMBERED)
        self._implicit: Tombstones[Call] = Tombstones(implicit_s, _REMEMBERED)
        self._legs: Tombstones[bool] = Tombstones(implicit_s, _REMEMBERED)

    def add(self, call: Call, mono: float) -> None:
        """A call has ended for good."""
        self._of(call.id).add(call.id, call, mono)

    def get(self, call: str, mono: float) -> Call | None:
        """The ended call of that id, as far as is remembered."""
        return self._of(call).get(call, mono)

    def add_leg(self, call: str, leg: str, mono: float) -> None:
        """A leg of a call that credentials have begun, or may begin, has ended for good."""
        if not self.has_leg(call, leg, mono):
            self._legs.add(f"{call}:{leg}", True, mono)

    def has_leg(self, call: str, leg: str, mono: float) -> bool:
        """Whether that leg has ended."""
        return self._legs.get(f"{call}:{leg}", mono) is not None

    def forget_old(self, mono: float) -> None:
        """Forget what has been kept long enough."""
        for each in (self._registered, self._implicit, self._legs):
            each.forget_old(mono)

    def _of(self, call: str) -> Tombstones[Call]:
        return self._registered if is_registered(call) else self._implicit


def is_registered(call: str) -> bool:
    """Whether that is the id of a call that the API creates."""
    return call.startswith(REGISTERED_PREFIX)


def is_identified(call: str) -> bool:
    """Whether that is the name of a call that an identifier stands for."""
    return call.startswith(IDENTIFIED_PREFIX)


def is_minted(call: str) -> bool:
    """Whether the API mints credentials of that call: then they name it in every mode."""
    return is_registered(call) or is_identified(call)


def may_be_credentials(call: str, leg: str = "") -> bool:
    """Whether a credential alone may name this call, and this leg."""
    username = f"0:{call}:{leg}" if leg else f"0:{call}"
    is_short = len(username.encode()) <= USERNAME_BYTES
    return is_short and bool(CALL_NAME.fullmatch(call)) and not is_registered(call)


def ended(call: Call, reason: EndReason, legs: Iterable[Leg], now: Now) -> CallEnded:
    """The event of a call's end, with what is known of it while it is there."""
    connected = tuple(leg.key for leg in legs if leg.is_metered)
    return CallEnded(call.id, reason, now.mono - call.created, connected)


def drop(legs: Iterable[Leg]) -> list[Effect]:
    """Let the forwarding side forget legs, as far as it knows them."""
    dropped = [leg for leg in legs if leg.is_metered]
    for leg in dropped:
        leg.is_metered = False
    return [DropLeg(leg.key) for leg in dropped]
