"""Credentials of a leg: `<unix expiry>:<call>:<leg>` and the password a shared secret gives it.

Rules of this file: a username crosses the wire in clear text, so whatever is minted here is made of
opaque tokens; it never carries what a signaling server calls its users.
"""

from typing import NamedTuple

from relay.errors import Rejected
from relay.stun.credentials import rest_password

_MAX_EXPIRY_DIGITS = 12
"""Unix seconds until the year 33658: what more digits say is no time."""


class Credential(NamedTuple):
    """What a client puts into `RTCIceServer.username` and `.credential`."""

    username: str
    password: str


class Username(NamedTuple):
    """What a username says: Unix seconds, the call, the leg.

    `call` is None for `<unix expiry>:<user>`, the form without a call; `leg` is the user then.
    """

    expiry: int
    call: str | None
    leg: str


def mint(secret: str, call: str, leg: str, expiry: int) -> Credential:
    """Make the credential of one leg.

    Args:
        secret: the shared secret that mints, the first of those configured.
        call, leg: opaque; `call` holds no colon.
        expiry: Unix seconds until which an Allocate request may use it.
    Spec: the REST form that other TURN servers take (draft-uberti-behave-turn-rest section 2.2).
    """
    username = f"{expiry}:{call}:{leg}"
    return Credential(username, rest_password(secret, username))


def parse(username: str) -> Username:
    """Split a username into expiry, call and leg.

    A leg may hold colons, a call cannot: everything after the second colon is the leg.

    Raises:
        Rejected: 401, where it has neither of the two forms. Nothing else.
    """
    expiry, *names = username.split(":", 2)
    if not names or not all(names) or not _is_unix_time(expiry):
        raise Rejected(401)
    if len(names) == 1:
        return Username(int(expiry), None, names[0])
    return Username(int(expiry), names[0], names[1])


def _is_unix_time(text: str) -> bool:
    """Digits of ASCII only: `int` would take signs, underscores and other scripts' digits."""
    return len(text) <= _MAX_EXPIRY_DIGITS and text.isascii() and text.isdigit()
