"""Credentials of a leg: `<unix expiry>:<call>:<leg>` and the password a shared secret gives it.

Rules of this file: a username crosses the wire in clear text, so whatever is minted here is made of
opaque tokens; it never carries what a signaling server calls its users.
"""

from typing import NamedTuple

from relay.stun.credentials import rest_password


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
