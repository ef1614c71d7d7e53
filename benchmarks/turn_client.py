"""TURN clients by the thousand: calls opened and closed over the two parties' lines.

Rules of this file: a call is a generator of requests that is sent the answers, so one thread runs
any number of them; the messages are those of `relay.stun`.
"""

import itertools
import select
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.frames import UDP_DATA_AT, Line
from benchmarks.generator import Flow
from relay.address import PeerAddress
from relay.stun.attributes import Attribute
from relay.stun.credentials import long_term_key, rest_password
from relay.stun.message import Class, Message, Method, build, parse

FIRST_PORT, LAST_PORT = 1024, 65535
AT_A_TIME = 64
CHANNEL = 0x4000
LIFETIME_S = 3600
"""Asked for by every allocation, so that none ends during a round."""

_REQUESTED_TRANSPORT_UDP = (Attribute.REQUESTED_TRANSPORT, 17)
_RETRANSMIT_S = 0.5
_ANSWER_S = 0.02
_MOST_ATTEMPTS = 7  # Rc of RFC 8489 section 6.2.1
_PROTOCOL_AT, _UDP = 14 + 9, 17
_transactions = itertools.count(1)


class Refused(Exception):
    """The relay answered with an error, or not at all (code 0)."""

    def __init__(self, method: int, code: int) -> None:
        super().__init__(f"{Method(method).name} answered with {code or 'silence'}")
        self.code = code


@dataclass(slots=True)
class Request:
    """A request on its way."""

    line: Line
    port: int
    method: Method
    transaction_id: bytes
    datagram: bytes
    sent_at_s: float = 0.0
    attempts: int = 0


Exchange = Generator[Request, Message, None]


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
    _challenge: tuple[tuple[Attribute, Any], ...] = ()
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
        attributes = [(Attribute.CHANNEL_NUMBER, self.channel), (Attribute.XOR_PEER_ADDRESS, peer)]
        _check_success((yield self._request(Method.CHANNEL_BIND, attributes)))
        self.is_bound = True

    def delete(self) -> Exchange:
        """Give the allocation back.

        Raises: Refused.
        """
        _check_success((yield self._request(Method.REFRESH, [(Attribute.LIFETIME, 0)])))

    def _request(self, method: Method, attributes: Iterable[tuple[Attribute, Any]]) -> Request:
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


@dataclass(slots=True)
class Outcome:
    """How a batch of exchanges went."""

    finished: int = 0
    retransmissions: int = 0
    elapsed_s: float = 0.0
    failures: list[str] = field(default_factory=list)


class Conversation:
    """Runs exchanges over the parties' lines, so many at a time.

    Args:
        lines: every line that the exchanges use.
    """

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = tuple(lines)
        self._poll = select.poll()
        for line in self._lines:
            self._poll.register(line.incoming, select.POLLIN)
        self._waiting: dict[bytes, tuple[Request, Exchange]] = {}
        self._outcome = Outcome()

    def run(
        self, exchanges: Iterable[Exchange], *, for_s: float = 1e9, at_a_time: int = AT_A_TIME
    ) -> Outcome:
        """Run exchanges to their ends.

        Args:
            exchanges: started one by one as earlier ones end.
            for_s: start none after this many seconds.
            at_a_time: how many are under way together.
        Returns: what became of them; a refused one is a failure and not finished.
        """
        outcome = self._outcome = Outcome()
        self._waiting.clear()
        for line in self._lines:
            line.drain()
        upcoming = iter(exchanges)
        start = time.perf_counter()
        checked_s = start
        more = True
        while more or self._waiting:
            now = time.perf_counter()
            while more and len(self._waiting) < at_a_time:
                exchange = next(upcoming, None) if now - start < for_s else None
                more = exchange is not None
                if exchange is not None:
                    self._advance(exchange, None)
            if not self._read() and self._waiting:
                self._poll.poll(50)
            if now - checked_s > _RETRANSMIT_S / 4:
                self._retransmit(now)
                checked_s = now
        outcome.elapsed_s = time.perf_counter() - start
        return outcome

    def _advance(self, exchange: Exchange, answer: Message | None) -> None:
        try:
            request = next(exchange) if answer is None else exchange.send(answer)
        except StopIteration:
            self._outcome.finished += 1
        except Refused as refused:
            self._outcome.failures.append(str(refused))
        else:
            self._send(request)
            self._waiting[request.transaction_id] = request, exchange

    def _send(self, request: Request) -> None:
        request.sent_at_s = time.perf_counter()
        request.attempts += 1
        request.line.outgoing.send(request.line.frame(request.port, request.datagram))

    def _read(self) -> bool:
        """Take in what has arrived on every line; whether there was anything."""
        anything = False
        for line in self._lines:
            receive = line.incoming.recv
            try:
                while True:
                    self._take(receive(2048))
                    anything = True
            except BlockingIOError:
                continue
        return anything

    def _take(self, frame: bytes) -> None:
        _, exchange = self._waiting.pop(_transaction_id(frame), (None, None))
        if exchange is not None:
            self._advance(exchange, parse(frame[UDP_DATA_AT:]))

    def _retransmit(self, now_s: float) -> None:
        for request, exchange in list(self._waiting.values()):
            if now_s - request.sent_at_s < _RETRANSMIT_S:
                continue
            if request.attempts < _MOST_ATTEMPTS:
                self._outcome.retransmissions += 1
                self._send(request)
            else:
                del self._waiting[request.transaction_id]
                exchange.close()
                self._outcome.failures.append(str(Refused(request.method, 0)))


def is_answering(line: Line) -> bool:
    """Whether the relay answers a request within `_ANSWER_S`, which also passes if it does not."""
    request = next(Leg(line, LAST_PORT, "", "").allocate())
    line.outgoing.send(line.frame(request.port, request.datagram))
    deadline_s = time.perf_counter() + _ANSWER_S
    while (left_s := deadline_s - time.perf_counter()) > 0:
        if select.select([line.incoming], [], [], left_s)[0]:
            frame = line.incoming.recv(2048)
            if _transaction_id(frame) == request.transaction_id:
                return True
    return False


def _transaction_id(frame: bytes) -> bytes:
    """Of the STUN message in a frame; empty if it is not UDP, such as an ICMP error."""
    if frame[_PROTOCOL_AT] != _UDP:
        return b""
    return frame[UDP_DATA_AT + 8 : UDP_DATA_AT + 20]


def _check_success(answer: Message) -> None:
    if answer.cls is not Class.SUCCESS:
        error = answer.get(Attribute.ERROR_CODE)
        raise Refused(answer.method, error.code if error else 0)
