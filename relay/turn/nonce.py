"""Nonces that need no memory: a MAC over the client's five-tuple and the time, cut to fit.

RFC 8656 section 5 asks for a nonce that is hard to guess and expires; binding it to the five-tuple
makes a captured challenge worthless elsewhere, and nothing is kept before authentication. Whoever
echoes one has received it, so the source of what it sends is not forged.
"""

import base64
import hashlib
import hmac

from relay.address import FiveTuple
from relay.clock import Now

LIFETIME_S = 3600
"""At most; RFC 8656 section 5 recommends that a nonce changes at least once an hour."""

SHORTEST, LONGEST = 4, 16
"""Characters, of 6 bits each. The shortest is guessed once in 5,000,000 forged requests, of which
the relay looks at some thousands per second."""

_EPOCH_S = 1200  # a nonce is good for the epoch it was made in and for the two that follow
_EPOCHS = LIFETIME_S // _EPOCH_S


def make(key: bytes, client: FiveTuple, now: Now, length: int = LONGEST) -> str:
    """A nonce for this client, good for forty minutes to an hour.

    Args:
        length: SHORTEST..=LONGEST characters.
    """
    return _text(key, client, int(now.wall) // _EPOCH_S)[:length].decode()


def is_valid(key: bytes, nonce: str, client: FiveTuple, now: Now) -> bool:
    """Whether `make` gave exactly this nonce to exactly this client within the hour."""
    given = nonce.encode()
    if not SHORTEST <= len(given) <= LONGEST:
        return False
    epoch = int(now.wall) // _EPOCH_S
    for each in range(epoch, epoch - _EPOCHS, -1):
        if hmac.compare_digest(_text(key, client, each)[: len(given)], given):
            return True
    return False


def _text(key: bytes, client: FiveTuple, epoch: int) -> bytes:
    transport, source, server = client
    ports = source.port.to_bytes(2) + server.port.to_bytes(2)
    issued = (epoch & 0xFFFFFFFF).to_bytes(4)
    text = b"".join((issued, ports, source.packed, server.packed, transport.encode()))
    digest = hashlib.blake2b(text, key=key, digest_size=LONGEST * 6 // 8).digest()
    return base64.b64encode(digest)
