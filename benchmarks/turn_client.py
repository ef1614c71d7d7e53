"""TURN clients by the thousand: calls opened and closed over the two parties' lines.

Rules of this file: what a client does is an exchange (`benchmarks.conversation`); its messages are
those of `relay.stun`.
"""

import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.conversation import Exchange, Refused, Request
from benchmarks.frames import Line
from benchmarks.generator import Flow
from relay.address import PeerAddress
from relay.stun.attributes import Attribute, Pair
from relay.stun.credentials import long_term_key, rest_password
from relay.stun.message import Class, Message, Method, build

FIRST_PORT, LAST_PORT = 1024, 65535
CHANNEL = 0x4000
LIFETIME_S = 3600
"""Asked for by every allocation, so that none ends during a round."""

_REQUESTED_TRANSPORT_UDP = (Attribute.REQUESTED_TRANSPORT, 17)
_transactions = itertools.count(1)


@dataclass(slots=True)
class Leg:
    """One party's client in one call.

    Args:
        line: the party's.
        port: source port, which makes the five-tuple.
        username, secret: of TURN REST credentials.
    """

    line: Line
    port: int
    username: str
    secret: str
    channel: int = CHANNEL
    relayed: PeerAddress | None = None
    is_bound: bool = False
    _challenge: tuple[Pair, ...] = ()
    _key: bytes | None = None

    def allocate(self) -> Exchange:
        """Allocate as a new client does: once without credentials, once with.

        Raises: Refused.
        """
        attributes = [_REQUESTED_TRANSPORT_UDP]
        challenge = yield self._request(Method.ALLOCATE, attributes)
        error = challenge.get(Attribute.ERROR_CODE)
        realm, nonce = challenge.get(Attribute.REALM), challenge.get(Attribute.NONCE)
        if error is None or error.code != 401 or realm is None or nonce is None:
            raise Refused(Method.ALLOCATE, error.code if error else 0)
        self._key = long_term_key(self.username, realm, rest_password(self.secret, self.username))
        self._challenge = (
            (Attribute.USERNAME, self.username),
            (Attribute.REALM, realm),
            (Attribute.NONCE, nonce),
        )
        attributes.append((Attribute.LIFETIME, LIFETIME_S))
        answer = yield self._request(Method.ALLOCATE, attributes)
        _check_success(answer)
        self.relayed = answer.get(Attribute.XOR_RELAYED_ADDRESS)

    def bind(self, peer: PeerAddress | None) -> Exchange:
        """Bind the channel to the other leg's relayed address.

        Raises: Refused.
        """
        channel = (Attribute.CHANNEL_NUMBER, self.channel)
        attributes = (channel, (Attribute.XOR_PEER_ADDRESS, peer))
        _check_success((yield self._request(Method.CHANNEL_BIND, attributes)))
        self.is_bound = True

    def delete(self) -> Exchange:
        """Give the allocation back.

        Raises: Refused.
        """
        _check_success((yield self._request(Method.REFRESH, [(Attribute.LIFETIME, 0)])))

    def _request(self, method: Method, attributes: Iterable[Pair]) -> Request:
        transaction_id = next(_transactions).to_bytes(12, "big")
        attributes = (*attributes, *self._challenge)
        datagram = build(method, Class.REQUEST, transaction_id, attributes, key=self._key)
        return Request(self.line, self.port, method, transaction_id, datagram)


@dataclass(slots=True)
class Call:
    """Two legs that belong together."""

    caller: Leg
    callee: Leg

    def open(self) -> Exchange:
        """Two allocations and two channels."""
        yield from self.caller.allocate()
        yield from self.callee.allocate()
        yield from self.caller.bind(self.callee.relayed)
        yield from self.callee.bind(self.caller.relayed)

    def close(self) -> Exchange:
        """Both allocations deleted."""
        yield from self.caller.delete()
        yield from self.callee.delete()

    def set_up_once(self) -> Exchange:
        """What is counted as one call set-up."""
        yield from self.open()
        yield from self.close()

    @property
    def is_open(self) -> bool:
        """Whether both channels are bound."""
        return self.caller.is_bound and self.callee.is_bound

    @property
    def flow(self) -> Flow:
        """What the caller sends and the callee gets, once the call is open."""
        caller, callee = self.caller, self.callee
        return Flow(caller.port, caller.channel, callee.port, callee.channel)


class Directory:
    """Makes calls, each with five-tuples and names of its own.

    Args:
        caller, callee: the parties' lines.
        secret: the relay's shared secret.
        first: index of the first call; the n-th has the n-th port of both parties.
        ports: how many ports are used before they come round again.
    """

    def __init__(
        self, caller: Line, callee: Line, secret: str, *, first: int = 0, ports: int | None = None
    ) -> None:
        self._lines = caller, callee
        self._secret = secret
        self._first = FIRST_PORT + first
        self._ports = ports or LAST_PORT - self._first + 1
        self._made = itertools.count()
        self._expiry = int(time.time()) + 24 * LIFETIME_S

    def __iter__(self) -> Iterator[Call]:
        return self

    def __next__(self) -> Call:
        index = next(self._made)
        port = self._first + index % self._ports
        name = f"{self._expiry}:bench-{self._first}-{index}"
        caller, callee = (
            Leg(line, port, f"{name}:{line.link.party}", self._secret) for line in self._lines
        )
        return Call(caller, callee)


def first_request(line: Line) -> Request:
    """What any client sends first; a relay that is ready answers it with 401."""
    return next(Leg(line, LAST_PORT, "", "").allocate())


def _check_success(answer: Message) -> None:
    if answer.cls is not Class.SUCCESS:
        error = answer.get(Attribute.ERROR_CODE)
        raise Refused(answer.method, error.code if error else 0)
