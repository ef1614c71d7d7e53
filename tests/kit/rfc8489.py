"""A TURN client that does RFC 8489 to the end: section 9.2, as a client reads it.

It takes the first password algorithm that it knows, gives USERHASH where it is asked to, and gives
up where somebody on the way bids down. Written from the RFC, and not from the relay.
"""

import base64
import struct
from collections.abc import Callable, Sequence

from relay.address import PeerAddress
from tests.kit import turn, wire
from tests.kit.turn import Credential
from tests.kit.wire import Attribute, Class

MD5, SHA256 = 1, 2
"""Password algorithms: RFC 8489 section 18.5."""

PASSWORD_ALGORITHMS, USERNAME_ANONYMITY = 0, 1
"""Bits of the security features, counted from the left: RFC 8489 section 18.1."""

_COOKIE = b"obMatJos2"
_KEYS = {MD5: wire.long_term_key, SHA256: wire.long_term_key_sha256}


class BidDown(Exception):
    """The challenge is not what the server wrote."""


def features_of(nonce: bytes) -> set[int]:
    """The bits that are set in a nonce cookie. Spec: RFC 8489 section 9.2."""
    if not nonce.startswith(_COOKIE):
        return set()
    octets = base64.b64decode(nonce[len(_COOKIE) : len(_COOKIE) + 4], validate=True)
    assert len(octets) == 3
    return {bit for bit in range(24) if int.from_bytes(octets) >> 23 - bit & 1}


def algorithms_of(value: bytes) -> list[int]:
    """The numbers in PASSWORD-ALGORITHMS. Spec: RFC 8489 section 14.11."""
    numbers = []
    while value:
        number, length = struct.unpack_from("!HH", value)
        numbers.append(number)
        value = value[4 + length + -length % 4 :]
    return numbers


class Client(turn.Client):
    """
    Args:
        software: the value of SOFTWARE in every request; empty for none. The offer of RFC 8489
            takes room in the answer, which over UDP depends on how long the request is.
        knows: the password algorithms that it can do.
    """

    def __init__(
        self,
        credential: Credential,
        software: bytes = b"client of the tests",
        knows: Sequence[int] = (SHA256, MD5),
        transaction: Callable[[], bytes] | None = None,
    ) -> None:
        super().__init__(credential, *([transaction] if transaction else []))
        self._software = software
        self._knows = knows
        self.offered = b""
        self.algorithm: int | None = None

    @property
    def key(self) -> bytes:
        username, password = self.credential
        return _KEYS[self.algorithm or MD5](username, self.realm.decode(), password)

    @property
    def is_anonymous(self) -> bool:
        """Whether its requests have USERHASH."""
        return USERNAME_ANONYMITY in features_of(self.nonce)

    def signed(self, method: int, attributes: wire.Attributes, transaction_id: bytes) -> bytes:
        username = self.credential.username
        name: wire.Pair = (Attribute.USERNAME, username.encode())
        if self.is_anonymous:
            name = (Attribute.USERHASH, wire.userhash(username, self.realm.decode()))
        everything = [
            *self._own(attributes),
            name,
            (Attribute.REALM, self.realm),
            (Attribute.NONCE, self.nonce),
        ]
        if self.algorithm is not None:
            everything += [
                (Attribute.PASSWORD_ALGORITHMS, self.offered),
                (Attribute.PASSWORD_ALGORITHM, struct.pack("!HH", self.algorithm, 0)),
            ]
        is_sha256 = self.algorithm is not None
        return wire.build(
            method, Class.REQUEST, transaction_id, everything, key=self.key, sha256=is_sha256
        )

    def _request(
        self, method: int, attributes: Sequence[wire.Pair], peers: Sequence[PeerAddress]
    ) -> bytes:
        return super()._request(method, attributes if self.nonce else self._own(attributes), peers)

    def _own(self, attributes: Sequence[wire.Pair]) -> list[wire.Pair]:
        software = [(Attribute.SOFTWARE, self._software)] if self._software else []
        return [*attributes, *software]

    def take_challenge(self, answer: wire.Stun) -> bool:
        """Raises: BidDown, where the cookie promises what is not there."""
        if not super().take_challenge(answer):
            return False
        offers = answer.values(Attribute.PASSWORD_ALGORITHMS)
        if PASSWORD_ALGORITHMS in features_of(self.nonce) and not offers:
            raise BidDown
        self.offered = offers[0] if offers else b""
        known = [each for each in algorithms_of(self.offered) if each in self._knows]
        if offers and not known:
            raise BidDown
        self.algorithm = known[0] if known else None
        return True

    def is_genuine(self, answer: wire.Stun) -> bool:
        """Whether an answer is signed as the request was. Spec: RFC 8489 sections 9.2.4, 9.2.5."""
        macs = [Attribute.MESSAGE_INTEGRITY, Attribute.MESSAGE_INTEGRITY_SHA256]
        expected = macs[self.algorithm is not None]
        return [k for k in answer.kinds if k in macs] == [expected] and answer.is_signed_with(
            self.key
        )
