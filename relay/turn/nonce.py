"""Nonces that need no memory: a time and a MAC over it and the client's five-tuple.

RFC 8656 section 5 asks for a nonce that is hard to guess and expires; binding it to the five-tuple
makes a captured challenge worthless elsewhere, and nothing is kept before authentication.
"""

import base64
import binascii
import hashlib
import hmac

from relay.address import FiveTuple
from relay.clock import Now

LIFETIME_S = 3600
"""RFC 8656 section 5 recommends that a nonce changes at least once an hour."""

_MAC_BYTES = 8
_CLOCK_STEP_S = 5  # a wall clock may be set back by this much without turning clients away


def make(key: bytes, client: FiveTuple, now: Now) -> str:
    """A nonce for this client, 16 characters, good for an hour."""
    issued = (int(now.wall) & 0xFFFFFFFF).to_bytes(4)
    return base64.b64encode(issued + _mac(key, issued, client)).decode()


def is_valid(key: bytes, nonce: str, client: FiveTuple, now: Now) -> bool:
    """Whether `make` gave exactly this nonce to exactly this client within the hour."""
    try:
        raw = base64.b64decode(nonce, validate=True)
    except (binascii.Error, ValueError):
        return False
    issued, mac = raw[:4], raw[4:]
    if not hmac.compare_digest(mac, _mac(key, issued, client)):
        return False
    return -_CLOCK_STEP_S <= now.wall - int.from_bytes(issued) <= LIFETIME_S


def _mac(key: bytes, issued: bytes, client: FiveTuple) -> bytes:
    transport, source, server = client
    ports = source.port.to_bytes(2) + server.port.to_bytes(2)
    text = b"".join((issued, ports, source.packed, server.packed, transport.value.encode()))
    return hashlib.blake2b(text, key=key, digest_size=_MAC_BYTES).digest()
