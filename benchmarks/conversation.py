"""Request and answer between many TURN clients and a relay, in one thread.

An exchange is a generator of requests that is sent the answers. So many run at a time; a request
without an answer is sent again.
"""

import select
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field

from benchmarks.frames import UDP_DATA_AT, Line
from tests.kit import wire

AT_A_TIME = 64
_RETRANSMIT_S = 0.5
_MOST_ATTEMPTS = 7  # Rc of RFC 8489 section 6.2.1
_ANSWER_S = 0.02
_PROTOCOL_AT, _UDP = 14 + 9, 17


class Refused(Exception):
    """The relay answered with an error, or not at all (code 0)."""

    def __init__(self, method: int, code: int) -> None:
        super().__init__(f"{wire.Method(method).name} answered with {code or 'silence'}")
        self.code = code


@dataclass(slots=True)
class Request:
    """A request on its way."""

    line: Line
    port: int
    datagram: bytes
    sent_at_s: float = 0.0
    attempts: int = 0

    @property
    def transaction_id(self) -> bytes:
        """By which its answer is known."""
        return self.datagram[8:20]


Exchange = Generator[Request, wire.Stun, None]


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

    def _advance(self, exchange: Exchange, answer: wire.Stun | None) -> None:
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
            self._advance(exchange, wire.parse(frame[UDP_DATA_AT:]))

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
                self._outcome.failures.append(str(Refused(wire.parse(request.datagram).method, 0)))


def is_answered(request: Request) -> bool:
    """Whether the relay answers within `_ANSWER_S`, which also passes if it does not."""
    line = request.line
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
