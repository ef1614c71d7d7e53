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
from relay.stun.credentials import rest_password, userhash
from relay.stun.integrity import verify
from relay.stun.message import HEADER_SIZE, Message, Method
from relay.stun.values import PasswordAlgorithm
from relay.turn import algorithms, names
from relay.turn import nonce as nonces
from relay.turn.allocation import Allocation
from relay.turn.challenge import Challenges
from relay.turn.names import LegName, Name
from relay.turn.request import Credential, failure
from relay.turn.settings import TurnSettings
from relay.turn.userhash import KnownNames

REQUESTS_PER_S = 50
"""Of one leg, ten seconds' worth at once: a browser's twelve allocations, each with a permission
and a channel for every candidate of the other side, need some two hundred to begin with."""

_NONCE = Attribute.NONCE.number.to_bytes(2) + b"\0"  # type, and the first byte of its length
_LOOKS = 4  # at what reads so; in a client's request a number does, at most, that is not aligned


class Authenticator:
    """Turns a request into the credential it proves, or into the one answer it deserves."""

    def __init__(self, settings: TurnSettings) -> None:
        self._settings = settings
        self.secrets = settings.secrets
        self.users = settings.users
        self.names = KnownNames(settings.realm, settings.users, is_alone=settings.mints_alone)
        self._challenges = Challenges(settings, self.names)
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
        hashed = message.get(Attribute.USERHASH)
        realm = message.get(Attribute.REALM)
        nonce = message.get(Attribute.NONCE)
        if (username is None and hashed is None) or realm is None or nonce is None:
            raise Rejected(400)
        algorithm = algorithms.chosen(message)
        if username is None and hashed is not None:
            username = self._known(hashed, held)
        if username is None or realm != self._settings.realm:
            raise Rejected(401)
        key = self._key_that_verifies(message, username, algorithm, held)
        return Credential(username, nonce, key, self._named(username, held), algorithm)

    def hold_back(
        self,
        message: Message,
        client: FiveTuple,
        credential: Credential,
        held: Allocation | None,
        now: Now,
    ) -> list[Effect]:
        """What becomes of a request whose MAC has verified where its leg asks too often, its nonce
        is not one that was made for this client within the hour, or it uses of RFC 8489 what the
        challenge with this nonce had no room to offer.

        Returns: nothing where it is to be looked at.
        """
        leg = _whose(credential, held)
        if not self._requests.is_within(":".join(leg).encode(), now.mono):
            return [Count(DropReason.REQUEST_RATE, leg)]
        nonce = credential.nonce
        is_valid = nonces.is_valid(self._settings.nonce_key, nonce, client, now)
        is_new = credential.algorithm is not None or message.integrity_sha256_at
        if not is_valid or (is_new and not nonces.features_of(nonce)):
            return self._challenges.build(message, client, 438, now, is_proven=is_valid)
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
            return self._challenges.build(message, client, code, now, is_proven=is_proven)
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

    def _known(self, hashed: bytes, held: Allocation | None) -> str | None:
        """The username that a USERHASH stands for; None for one that the relay does not know."""
        if held is not None and userhash(held.username, self._settings.realm) == hashed:
            return held.username
        return self.names.find(hashed)

    def _key_that_verifies(
        self,
        message: Message,
        username: str,
        algorithm: PasswordAlgorithm | None,
        held: Allocation | None,
    ) -> bytes:
        is_held = held is not None and held.username == username
        if held is not None and is_held and algorithms.is_key_of(algorithm, held.key):
            verify(message, held.key)
            return held.key
        for password in self._passwords(username):
            key = algorithms.key_of(algorithm, username, self._settings.realm, password)
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
