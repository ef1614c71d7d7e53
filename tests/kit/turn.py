"""A TURN client without sockets: it builds requests and reads answers, and others carry both.

An exchange is a generator of requests that is sent the answer to each, and returns the last answer.
Written from RFC 8656 on the tests' own codec, so that it is a client of any relay.
"""

import os
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

from relay.address import PeerAddress
from tests.kit import wire
from tests.kit.wire import Attribute, Class, Method

Exchange = Generator[bytes, wire.Stun, wire.Stun]

_CHALLENGES = (401, 438)


class Credential(NamedTuple):
    """What a TURN client needs."""

    username: str
    password: str


def mint(secret: str, call: str, leg: str, *, expires_in_s: int = 3600) -> Credential:
    """A credential that no API made, only the secret: what a signaling server may do."""
    username = f"{int(time.time()) + expires_in_s}:{call}:{leg}"
    return Credential(username, wire.rest_password(secret, username))


def credential_of(call: dict[str, Any], party: str) -> Credential:
    """What the API gave to a party."""
    (server,) = call["parties"][party]["rtc_configuration"]["iceServers"]
    return Credential(server["username"], server["credential"])


def _random_transaction() -> bytes:
    return os.urandom(12)


class Client:
    """One five-tuple's client, with one credential.

    Args:
        transaction: gives each transaction id.
    """

    def __init__(
        self, credential: Credential, transaction: Callable[[], bytes] = _random_transaction
    ) -> None:
        self.credential = credential
        self.realm = b""
        self.nonce = b""
        self.relayed = PeerAddress(bytes(4), 0)
        self._transaction = transaction

    @property
    def key(self) -> bytes:
        """Of MESSAGE-INTEGRITY."""
        username, password = self.credential
        return wire.long_term_key(username, self.realm.decode(), password)

    def signed(self, method: int, attributes: wire.Attributes, transaction_id: bytes) -> bytes:
        """A request with credentials and the latest nonce."""
        return wire.build(
            method,
            Class.REQUEST,
            transaction_id,
            [
                *attributes,
                (Attribute.USERNAME, self.credential.username.encode()),
                (Attribute.REALM, self.realm),
                (Attribute.NONCE, self.nonce),
            ],
            key=self.key,
        )

    def request(
        self, method: int, *attributes: wire.Pair, peers: Sequence[PeerAddress] = ()
    ) -> Exchange:
        """A request, which answers a challenge and takes a new nonce where it must.

        Args:
            peers: each becomes an XOR-PEER-ADDRESS before the attributes.
        """
        answer = yield self._request(method, attributes, peers)
        if answer.code in _CHALLENGES and self.take_challenge(answer):
            answer = yield self._request(method, attributes, peers)
        return answer

    def _request(
        self, method: int, attributes: Sequence[wire.Pair], peers: Sequence[PeerAddress]
    ) -> bytes:
        transaction_id = self._transaction()
        everything = [*(wire.peer(peer, transaction_id) for peer in peers), *attributes]
        if not self.nonce:
            return wire.build(method, Class.REQUEST, transaction_id, everything)
        return self.signed(method, everything, transaction_id)

    def take_challenge(self, answer: wire.Stun) -> bool:
        """Use the realm and the nonce of an answer. Returns: whether the nonce is a new one."""
        fresh = answer.values(Attribute.NONCE)
        if not fresh or fresh[0] == self.nonce:
            return False
        self.realm, self.nonce = answer.value(Attribute.REALM), fresh[0]
        return True

    def allocate(self, *attributes: wire.Pair) -> Exchange:
        """Allocate, and remember the relayed address if it worked."""
        answer = yield from self.request(Method.ALLOCATE, wire.transport(wire.UDP), *attributes)
        if answer.code == 0:
            self.relayed = PeerAddress(*answer.address(Attribute.XOR_RELAYED_ADDRESS))
        return answer

    def refresh(self, lifetime_s: int) -> Exchange:
        """Refresh the allocation, or delete it with 0."""
        return self.request(Method.REFRESH, wire.lifetime(lifetime_s))

    def permit(self, *peers: PeerAddress) -> Exchange:
        """CreatePermission."""
        return self.request(Method.CREATE_PERMISSION, peers=peers)

    def bind(self, channel: int, peer: PeerAddress) -> Exchange:
        """ChannelBind."""
        return self.request(Method.CHANNEL_BIND, wire.channel_number(channel), peers=[peer])

    def send(self, peer: PeerAddress, data: bytes, *more: wire.Pair) -> bytes:
        """A Send indication."""
        transaction_id = self._transaction()
        attributes = [wire.peer(peer, transaction_id), (int(Attribute.DATA), data), *more]
        return wire.build(Method.SEND, Class.INDICATION, transaction_id, attributes)
