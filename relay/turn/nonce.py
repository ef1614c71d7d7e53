"""Nonces that need no memory: a MAC over the client's five-tuple and the time, cut to fit.

RFC 8656 section 5 asks for a nonce that is hard to guess and expires; binding it to the five-tuple
makes a captured challenge worthless elsewhere, and nothing is kept before authentication. Whoever
echoes one has received it, so the source of what it sends is not forged.

A nonce that comes with an offer of RFC 8489 begins with the nonce cookie. The MAC covers the
cookie, so that nobody on the way can take it off, or change what it says.
"""

import base64
import hashlib
import hmac
from enum import IntFlag

from relay.address import FiveTuple
from relay.clock import Now

LIFETIME_S = 3600
"""At most; RFC 8656 section 5 recommends that a nonce changes at least once an hour."""

SHORTEST, LONGEST = 4, 16
"""Characters, of 6 bits each, after the cookie if there is one. The shortest is guessed once in
5,000,000 forged requests, of which the relay looks at some thousands per second."""

COOKIE_SIZE = 13
"""Characters of the nonce cookie: RFC 8489 section 9.2."""

_EPOCH_S = 1200  # a nonce is good for the epoch it was made in and for the two that follow
_EPOCHS = LIFETIME_S // _EPOCH_S


class Feature(IntFlag):
    """STUN Security Features; bit 0 is the leftmost of 24. Spec: RFC 8489 section 18.1."""

    NONE = 0
    PASSWORD_ALGORITHMS = 1 << 23
    USERNAME_ANONYMITY = 1 << 22


def _cookie(features: Feature) -> str:
    return "obMatJos2" + base64.b64encode(features.to_bytes(3)).decode()


_OFFERS = (
    Feature.PASSWORD_ALGORITHMS,
    Feature.PASSWORD_ALGORITHMS | Feature.USERNAME_ANONYMITY,
)
_COOKIES = {features: _cookie(features) for features in _OFFERS} | {Feature.NONE: ""}
_FEATURES = {_cookie(features): features for features in _OFFERS}


def make(
    key: bytes,
    client: FiveTuple,
    now: Now,
    length: int = LONGEST,
    features: Feature = Feature.NONE,
) -> str:
    """A nonce for this client, good for forty minutes to an hour.

    Args:
        length: SHORTEST..=LONGEST characters after the cookie.
        features: what the challenge offers: password algorithms, with or without username
            anonymity; or nothing, and then there is no cookie.
    """
    cookie = _COOKIES[features]
    return cookie + _text(key, client, int(now.wall) // _EPOCH_S, cookie)[:length].decode()


def features_of(nonce: str) -> Feature:
    """What the challenge with this nonce offered, if it is one of ours."""
    return _FEATURES.get(nonce[:COOKIE_SIZE], Feature.NONE)


def is_valid(key: bytes, nonce: str, client: FiveTuple, now: Now) -> bool:
    """Whether `make` gave exactly this nonce to exactly this client within the hour."""
    cookie = _COOKIES[features_of(nonce)]
    given = nonce[len(cookie) :].encode()
    if not SHORTEST <= len(given) <= LONGEST:
        return False
    epoch = int(now.wall) // _EPOCH_S
    for each in range(epoch, epoch - _EPOCHS, -1):
        if hmac.compare_digest(_text(key, client, each, cookie)[: len(given)], given):
            return True
    return False


def _text(key: bytes, client: FiveTuple, epoch: int, cookie: str) -> bytes:
    transport, source, server = client
    ports = source.port.to_bytes(2) + server.port.to_bytes(2)
    issued = (epoch & 0xFFFFFFFF).to_bytes(4)
    told = transport.encode() + cookie.encode()
    text = b"".join((issued, ports, source.packed, server.packed, told))
    digest = hashlib.blake2b(text, key=key, digest_size=LONGEST * 6 // 8).digest()
    return base64.b64encode(digest)
