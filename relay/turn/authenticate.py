"""The long-term credential mechanism, in the order of RFC 8489 section 9.2.4.

Rules of this file: nothing is kept about a sender before its MAC verifies; every answer it can draw
until then is the same size and goes through the rate of its source.
"""

from relay.address import FiveTuple, Transport
from relay.clock import Now
from relay.errors import DropReason, Malformed, Rejected
from relay.stun.attributes import Attribute
from relay.stun.credentials import long_term_key, rest_password
from relay.stun.integrity import verify
from relay.stun.message import Message, Method
from relay.turn import nonce as nonces
from relay.turn.effects import Count, Effect
from relay.turn.rate import SourceRate
from relay.turn.request import Credential, failure
from relay.turn.settings import TurnSettings
from relay.turn.table import Allocation


class Authenticator:
    """Turns a request into the credential it proves, or into the one answer it deserves."""

    def __init__(self, settings: TurnSettings) -> None:
        self._settings = settings
        self.secrets = settings.secrets
        self._rate = SourceRate(settings.unauthenticated_per_s, settings.nonce_key)

    def authenticate(
        self, message: Message, client: FiveTuple, held: Allocation | None, now: Now
    ) -> Credential:
        """Check username, MAC and nonce.

        Args:
            held: the client's allocation; its key is good for as long as it lives, whatever the
                secrets are by now.
        Raises:
            Rejected 401, 438 or 400; Malformed where an attribute cannot be read. Nothing else.
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
        expiry, call, leg = self._parse(username)
        key = self._key_that_verifies(message, username, held)
        if not nonces.is_valid(self._settings.nonce_key, nonce, client, now):
            raise Rejected(438)
        return Credential(username, key, expiry, call, leg)

    def refuse(self, message: Message, client: FiveTuple, code: int, now: Now) -> list[Effect]:
        """Answer a request that did not authenticate, or keep silent.

        An Allocate without REQUESTED-TRANSPORT is no client's: it gets silence, so that the least
        that draws an answer is larger. TCP and TLS have shown that the source is not forged.
        """
        if code == 401 and message.method == Method.ALLOCATE and not _names_transport(message):
            return [Count(DropReason.UNAUTHENTICATED)]
        if not self.may_answer(client, now):
            return [Count(DropReason.UNAUTHENTICATED_RATE)]
        if code not in (401, 438):
            return failure(message, client, code)
        nonce = nonces.make(self._settings.nonce_key, client, now)
        challenge = ((Attribute.REALM, self._settings.realm), (Attribute.NONCE, nonce))
        return failure(message, client, code, challenge)

    def may_answer(self, client: FiveTuple, now: Now) -> bool:
        """Whether a client that has not authenticated may have an answer."""
        if client.transport is not Transport.UDP:
            return True
        return self._rate.is_within(client.client, now.mono)

    def _parse(self, username: str) -> tuple[int, str, str]:
        """`<unix expiry>:<call>:<leg>`; where `peers` is wider also `<unix expiry>:<user>`.

        Raises: Rejected 401.
        """
        expiry, _, rest = username.partition(":")
        call, colon, leg = rest.partition(":")
        if not colon and self._settings.peers != "call":
            leg = call
        if not (expiry.isascii() and expiry.isdigit() and len(expiry) <= 12 and call and leg):
            raise Rejected(401)
        return int(expiry), call, leg

    def _key_that_verifies(self, message: Message, username: str, held: Allocation | None) -> bytes:
        if held is not None and held.username == username:
            verify(message, held.key)
            return held.key
        for secret in self.secrets:
            password = rest_password(secret, username)
            key = long_term_key(username, self._settings.realm, password)
            try:
                verify(message, key)
            except Rejected:
                continue
            return key
        raise Rejected(401)


def _names_transport(message: Message) -> bool:
    try:
        return message.get(Attribute.REQUESTED_TRANSPORT) is not None
    except Malformed:
        return False
