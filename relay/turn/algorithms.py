"""Password algorithms: which the relay offers, and what a request may make of the offer.

Rules of this file: there is one offer, always the same. A request that echoes another one has met
somebody on its way who bids down, and is refused.
"""

from collections.abc import Callable

from relay.errors import Rejected
from relay.stun.attributes import Attribute
from relay.stun.credentials import long_term_key, long_term_key_sha256
from relay.stun.message import Message
from relay.stun.values import PasswordAlgorithm

MD5, SHA256 = PasswordAlgorithm(1), PasswordAlgorithm(2)
"""RFC 8489 section 18.5."""

OFFERED = (SHA256, MD5)
"""PASSWORD-ALGORITHMS of every challenge that has one, the better first."""

_KEYS: dict[PasswordAlgorithm, Callable[[str, str, str], bytes]] = {
    MD5: long_term_key,
    SHA256: long_term_key_sha256,
}
_KEY_BYTES = {MD5: 16, SHA256: 32}


def chosen(message: Message) -> PasswordAlgorithm | None:
    """The algorithm that a request has chosen; None where it says nothing, which means MD5.

    Deviates: PASSWORD-ALGORITHMS may be missing beside the better algorithm, to which nobody can
    have bid down: section 9.2.3.2 does not ask for it in a client's later requests.

    Raises: Rejected 400, where the offer it echoes is not the relay's, or has not been echoed, or
        holds nothing of what it has chosen. Malformed BAD_ATTRIBUTE. Nothing else.
    Spec: RFC 8489 section 9.2.4.
    """
    algorithm = message.get(Attribute.PASSWORD_ALGORITHM)
    echoed = message.get(Attribute.PASSWORD_ALGORITHMS)
    if algorithm is None and echoed is None:
        return None
    may_omit = algorithm == SHA256 and echoed is None
    if algorithm not in OFFERED or not (echoed == OFFERED or may_omit):
        raise Rejected(400)
    return algorithm


def key_of(algorithm: PasswordAlgorithm | None, username: str, realm: str, password: str) -> bytes:
    """The long-term key. Spec: RFC 8489 section 18.5.1."""
    return _KEYS[algorithm or MD5](username, realm, password)


def is_key_of(algorithm: PasswordAlgorithm | None, key: bytes) -> bool:
    """Whether a long-term key was made with this algorithm."""
    return len(key) == _KEY_BYTES[algorithm or MD5]
