"""Credentials of a leg: `<unix expiry>:<call>:<leg>` and the password a shared secret gives it.

Rules of this file: a username crosses the wire in clear text, so whatever is minted here is made of
opaque tokens; it never carries what a signaling server calls its users.
"""

import base64
import hashlib
import hmac
import re
from typing import NamedTuple

from relay.calls.ended import IDENTIFIED_PREFIX
from relay.stun.credentials import rest_password

_TOKEN = "[A-Za-z0-9_-]{22}"  # noqa: S105  the form of one
_USER = re.compile(f"([0-9]{{1,12}}):({_TOKEN})")
_IDENTIFIED = re.compile(f"[0-9]{{1,12}}:({IDENTIFIED_PREFIX}{_TOKEN}):({_TOKEN})")


class Credential(NamedTuple):
    """What a client puts into `RTCIceServer.username` and `.credential`."""

    username: str
    password: str


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


def mint_user(secret: str, user: str, expiry: int) -> Credential:
    """Make the credential of a user, which is in no call; where `relay.peers` is not `call`.

    Args:
        user: opaque, without a colon.
    """
    username = f"{expiry}:{user}"
    return Credential(username, rest_password(secret, username))


def call_of(secret: str, identifier: bytes) -> str:
    """The name of the call that an identifier of a signaling server's stands for.

    The same for the same identifier and secret; nothing of the identifier can be told from it.
    """
    mac = hmac.digest(secret.encode(), b"callveil identifier\0" + identifier, hashlib.sha256)
    return IDENTIFIED_PREFIX + base64.urlsafe_b64encode(mac[:16]).rstrip(b"=").decode()


def identified_leg_of(username: str) -> tuple[str, str] | None:
    """Call and leg, where this is the username of a credential for an identifier."""
    found = _IDENTIFIED.fullmatch(username)
    return (found[1], found[2]) if found else None


def minted_user_of(username: str) -> tuple[str, int] | None:
    """The user and the expiry, where `mint_user` may have made this username."""
    found = _USER.fullmatch(username)
    return (found[2], int(found[1])) if found else None
