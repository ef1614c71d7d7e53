"""What a username names: a leg of a call, or a user.

Rules of this file: pure, and total over text. Where `peers` is `call`, every name is a call's. In
every other mode a name is a user's, unless it is that of a leg whose credential the API made.
"""

import math
import re
from collections.abc import Container
from typing import NamedTuple

from relay.calls.ended import CALL_NAME, is_identified, is_minted

_DIGITS = re.compile(r"[0-9]{1,12}")
"""Unix seconds, in ASCII. Longer ones would be milliseconds: they are no expiry."""


class LegName(NamedTuple):
    """A leg of a call; `expiry` in Unix seconds."""

    expiry: float
    call: str
    leg: str


class UserName(NamedTuple):
    """A user; `expiry` in Unix seconds, inf for a static one."""

    expiry: float
    user: str


Name = LegName | UserName


def parse(username: str, peers: str, static: Container[str]) -> Name | None:
    """Read a username.

    Args:
        username: any text.
        peers: as in the configuration.
        static: the names of `auth.users`; with `call` there are none.
    Returns: what it names; None for nothing, and then it is good for nothing.
    """
    if peers == "call":
        return _leg(username)
    if username in static:
        return _user_name(math.inf, username)
    leg = _leg(username)
    if leg is not None and is_minted(leg.call):
        return leg
    return _user(username)


def _leg(username: str) -> LegName | None:
    """`<expiry>:<call>:<leg>`."""
    expiry, _, rest = username.partition(":")
    call, _, leg = rest.partition(":")
    if not (_DIGITS.fullmatch(expiry) and CALL_NAME.fullmatch(call) and leg):
        return None
    return LegName(int(expiry), call, leg)


def _user(username: str) -> UserName | None:
    """`<expiry>:<user>`, `<user>:<expiry>` or `<expiry>`, in this order; a user without a name is
    called by the whole username.
    """
    first, colon, rest = username.partition(":")
    if _DIGITS.fullmatch(first):
        return _user_name(int(first), rest or username)
    user, colon, last = username.rpartition(":")
    if colon and _DIGITS.fullmatch(last):
        return _user_name(int(last), user or username)
    return None


def _user_name(expiry: float, user: str) -> UserName | None:
    """None for the name of an identified call: legs of both would be one."""
    return None if is_identified(user) else UserName(expiry, user)
