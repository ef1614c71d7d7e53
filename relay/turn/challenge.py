"""401 and 438: what a client is to answer, and how much of it fits.

A challenge is what reflection amplifies, so over UDP it is at most 1.4 times as large, with its
headers, as the request that draws it. What grows with the room, in this order: a nonce of four
characters; the offer of RFC 8489 (PASSWORD-ALGORITHMS and the nonce cookie, always both: a client
that gets one of the two gives up); a longer nonce. The offer takes 24 bytes more than the shortest
nonce, and fits where a request has 20 bytes besides REQUESTED-TRANSPORT, as the name of the
client's software has; with a realm of more than eight characters somewhat more.

The limit does not hold where the source is not forged: over TCP and TLS, and where a nonce is
echoed. So a client that shows with MESSAGE-INTEGRITY-SHA256 that it knows RFC 8489, and has a nonce
without the offer, gets the offer with a 438.
"""

from relay.address import FiveTuple, Transport
from relay.clock import Now
from relay.effects import Effect
from relay.stun.attributes import Attribute, Pair
from relay.stun.message import HEADER_SIZE, Message
from relay.turn import nonce as nonces
from relay.turn.algorithms import OFFERED
from relay.turn.nonce import Feature
from relay.turn.request import failure, wants_fingerprint
from relay.turn.settings import TurnSettings
from relay.turn.userhash import KnownNames

_AMPLIFICATION = 1.4  # a challenge over the request that draws it, at the IP level
_IP_AND_UDP = 28  # bytes of header over IPv4; over IPv6 the quotient is smaller
_TLV = 4  # bytes of an attribute's type and length
_ALGORITHMS_SIZE = _TLV + 4 * len(OFFERED)
_UNLIMITED = 1 << 16


class Challenges:
    """Writes challenges."""

    def __init__(self, settings: TurnSettings, names: KnownNames) -> None:
        self._realm = settings.realm
        self._nonce_key = settings.nonce_key
        self._names = names

    def build(
        self, message: Message, client: FiveTuple, code: int, now: Now, *, is_proven: bool
    ) -> list[Effect]:
        """401 or 438 with a new nonce.

        Args:
            is_proven: the source of the request is not forged.
        """
        is_limited = client.transport is Transport.UDP and not is_proven
        room = _room(message, self._realm) if is_limited else _UNLIMITED
        features, length = self._fit(room, now)
        nonce = nonces.make(self._nonce_key, client, now, length, features)
        attributes: list[Pair] = [(Attribute.REALM, self._realm), (Attribute.NONCE, nonce)]
        if features:
            attributes.append((Attribute.PASSWORD_ALGORITHMS, OFFERED))
        return failure(message, client, code, tuple(attributes))

    def _fit(self, room: int, now: Now) -> tuple[Feature, int]:
        """What can be offered in so many bytes, and how many characters of nonce go with it."""
        beside_offer = (room - _ALGORITHMS_SIZE - _TLV & ~3) - nonces.COOKIE_SIZE
        if beside_offer < nonces.SHORTEST:
            beside = room - _TLV & ~3
            return Feature.NONE, min(max(beside, nonces.SHORTEST), nonces.LONGEST)
        features = Feature.PASSWORD_ALGORITHMS
        if self._names.are_all(now.wall):
            features |= Feature.USERNAME_ANONYMITY
        return features, min(beside_offer, nonces.LONGEST)


def _room(message: Message, realm: str) -> int:
    """Bytes that are left beside ERROR-CODE, REALM and a FINGERPRINT that has to be there."""
    most = _AMPLIFICATION * (_IP_AND_UDP + len(message.raw)) - _IP_AND_UDP
    size = HEADER_SIZE + 8 + (_TLV + len(realm.encode()) + 3 & ~3)
    return int(most) - size - 8 * wants_fingerprint(message)
