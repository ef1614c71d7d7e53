"""The long-term credential mechanism, in the order of RFC 8489 section 9.2.4.

Rules of this file: nothing is kept about a sender before its MAC verifies; every answer it can draw
until then goes through a rate, and a forged source uses up nobody's but its own.
"""

from collections.abc import Iterator

from relay.address import FiveTuple, Transport
from relay.calls.rate import Rate, SourceRate
from relay.clock import Now
from relay.effects import Count, Effect, LegKey
from relay.errors import DropReason, Malformed, RefusalReason, Rejected
from relay.stun.attributes import Attribute
from relay.stun.credentials import long_term_key, rest_password
from relay.stun.integrity import verify
from relay.stun.message import HEADER_SIZE, Message, Method
from relay.turn import names
from relay.turn import nonce as nonces
from relay.turn.allocation import Allocation
from relay.turn.names import LegName, Name
from relay.turn.request import Credential, failure, wants_fingerprint
from relay.turn.settings import TurnSettings

REQUESTS_PER_S = 50
"""Of one leg, ten seconds' worth at once: a browser's twelve allocations, each with a permission
and a channel for every candidate of the other side, need some two hundred to begin with."""

_AMPLIFICATION = 1.4  # a challenge over the request that draws it, at the IP level
_IP_AND_UDP = 28  # bytes of header over IPv4; over IPv6 the quotient is smaller
_NONCE = Attribute.NONCE.number.to_bytes(2) + b"\0"  # type, and the first byte of its length
_LOOKS = 4  # at what reads so; in a client's request a number does, at most, that is not aligned


class Authenticator:
    """Turns a request into the credential it proves, or into the one answer it deserves."""

    def __init__(self, settings: TurnSettings) -> None:
        self._settings = settings
        self.secrets = settings.secrets
        self.users = settings.users
        per_s, key = settings.unauthenticated_per_s, settings.nonce_key
        self._strangers = SourceRate(per_s, key)
        self._proven = SourceRate(per_s, key)
        self._clients = Rate(per_s, key)
        self._requests = Rate(REQUESTS_PER_S, key)

    def authenticate(self, message: Message, held: Allocation | None) -> Credential:
        """Check username and MAC; the nonce comes after, in `hold_back`.

        Args:
            held: the client's allocation; its key is good for as long as it lives, whatever the
                secrets are by now.
        Raises:
            Rejected 401 or 400; Malformed where an attribute cannot be read. Nothing else.
        Spec: RFC 8489 section 9.2.4.
        """
        if not (message.integrity_at or message.integrity_sha256_at):
            raise Rejected(401)
        username = message.get(Attribute.USERNAME)
        realm = message.get(Attribute.REALM)
        nonce = message.get(Attribute.NONCE)
        if username is None or realm is None or nonce is None:
            raise Rejected(400)
        if realm != self._settings.realm:
            raise Rejected(401)
        key = self._key_that_verifies(message, username, held)
        return Credential(username, nonce, key, self._named(username, held))

    def hold_back(
        self,
        message: Message,
        client: FiveTuple,
        credential: Credential,
        held: Allocation | None,
        now: Now,
    ) -> list[Effect]:
        """What becomes of a request whose MAC has verified where its leg asks too often, or its
        nonce is not one that was made for this client within the hour.

        Returns: nothing where it is to be looked at.
        """
        leg = _whose(credential, held)
        if not self._requests.is_within(":".join(leg).encode(), now.mono):
            return [Count(DropReason.REQUEST_RATE, leg)]
        if not nonces.is_valid(self._settings.nonce_key, credential.nonce, client, now):
            return self._challenge(message, client, 438, now)
        return []

    def echoes_nonce(self, datagram: bytes, client: FiveTuple, now: Now) -> bool:
        """Whether a datagram that nobody has read yet has a nonce that is good for this client."""
        at = HEADER_SIZE - 1
        for _ in range(_LOOKS):
            at = datagram.find(_NONCE, at + 1)
            if at < 0 or not at & 3:
                break
        if at < 0 or at & 3 or len(datagram) < at + 4:
            return False
        nonce = datagram[at + 4 : at + 4 + datagram[at + 3]]
        is_text = nonce.isascii()
        return is_text and nonces.is_valid(self._settings.nonce_key, nonce.decode(), client, now)

    def refuse(
        self, message: Message, client: FiveTuple, held: Allocation | None, code: int, now: Now
    ) -> list[Effect]:
        """Answer a request that did not authenticate, or keep silent.

        Every client begins with an Allocate: other methods without a MAC are no client's and get
        silence, and so does an Allocate without REQUESTED-TRANSPORT, so that the least that draws
        an answer is not much smaller than that.
        """
        if code == 401 and not _is_a_clients(message):
            return [Count(DropReason.UNAUTHENTICATED)]
        is_proven = held is None and self.echoes_nonce(message.raw, client, now)
        if not self.may_answer(client, held, now, is_proven=is_proven):
            return [Count(DropReason.UNAUTHENTICATED_RATE)]
        if code == 401:
            return self._challenge(message, client, code, now)
        return failure(message, client, code)

    def may_answer(
        self, client: FiveTuple, held: Allocation | None, now: Now, *, is_proven: bool = False
    ) -> bool:
        """Whether a client that has not authenticated may have an answer.

        Each kind has a rate of its own, which the others cannot use up: five-tuples that hold an
        allocation, sources that have shown that they are not forged, and all other sources. TCP
        and TLS have shown it.
        """
        if client.transport is not Transport.UDP:
            return True
        if held is not None:
            source = client.client
            return self._clients.is_within(source.packed + source.port.to_bytes(2), now.mono)
        rate = self._proven if is_proven else self._strangers
        return rate.is_within(client.client, now.mono)

    def _challenge(self, message: Message, client: FiveTuple, code: int, now: Now) -> list[Effect]:
        """401 or 438 with a new nonce, which is as long as the size of the request allows."""
        length = nonces.LONGEST
        if client.transport is Transport.UDP:
            length = _room_for_nonce(message, self._settings.realm)
        nonce = nonces.make(self._settings.nonce_key, client, now, length)
        attributes = ((Attribute.REALM, self._settings.realm), (Attribute.NONCE, nonce))
        return failure(message, client, code, attributes)

    def _named(self, username: str, held: Allocation | None) -> Name:
        """What the username names, whose MAC has verified; nobody else can have one counted.

        Raises: Rejected 401.
        """
        if held is not None and held.username == username and held.name is not None:
            return held.name
        peers = self._settings.peers
        name = names.parse(username, peers, self.users)
        if name is None:
            raise Rejected(401, RefusalReason.NAMES_NO_CALL if peers == "call" else None)
        return name

    def _key_that_verifies(self, message: Message, username: str, held: Allocation | None) -> bytes:
        if held is not None and held.username == username:
            verify(message, held.key)
            return held.key
        for password in self._passwords(username):
            key = long_term_key(username, self._settings.realm, password)
            try:
                verify(message, key)
            except Rejected:
                continue
            return key
        raise Rejected(401)

    def _passwords(self, username: str) -> Iterator[str]:
        """Those that may go with a username."""
        if username in self.users:
            yield self.users[username]
            return
        for secret in self.secrets:
            yield rest_password(secret, username)


def _whose(credential: Credential, held: Allocation | None) -> LegKey:
    """Whose requests are counted: a leg's; or a user's that are about one of its allocations, and
    all others of the same user together.
    """
    name = credential.name
    if isinstance(name, LegName):
        return LegKey(name.call, name.leg)
    if held is not None and held.leg.call.is_user and held.leg.call.id == name.user:
        return held.leg.key
    return LegKey(name.user, "")


def _is_a_clients(message: Message) -> bool:
    """Whether a client would send this: with a MAC, or as the first of its requests."""
    if message.integrity_at or message.integrity_sha256_at:
        return True
    try:
        transport = message.get(Attribute.REQUESTED_TRANSPORT)
    except Malformed:
        return False
    return message.method == Method.ALLOCATE and transport is not None


def _room_for_nonce(message: Message, realm: str) -> int:
    """Characters of nonce with which the challenge is no larger than it may be."""
    most = _AMPLIFICATION * (_IP_AND_UDP + len(message.raw)) - _IP_AND_UDP
    size = HEADER_SIZE + 8 + 4 + len(realm.encode()) + 3 & ~3  # ERROR-CODE, REALM
    room = int(most) - size - 4 - 8 * wants_fingerprint(message)
    return min(max(room & ~3, nonces.SHORTEST), nonces.LONGEST)
