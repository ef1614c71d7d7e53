"""A client of RFC 8489 that talks to the relay in memory."""

from collections.abc import Sequence

from relay.address import Transport
from relay.effects import Answered, Send
from tests.kit import rfc8489, turn, wire
from tests.kit.rfc8489 import MD5, SHA256
from tests.turn.client import SECRET, Relay


class Talk:
    """A client of RFC 8489 and the relay in memory.

    Whoever sits between them puts `bids` in place of the attributes of the first answers.
    """

    def __init__(
        self,
        relay: Relay | None = None,
        credential: turn.Credential | None = None,
        *,
        transport: Transport = Transport.UDP,
        software: bytes = b"client of the tests",
        knows: Sequence[int] = (SHA256, MD5),
    ) -> None:
        self.relay = relay or Relay()
        origin = self.relay.client(transport=transport)
        self.five_tuple = origin.five_tuple
        if credential is None:
            password = wire.rest_password(SECRET, origin.username)
            credential = turn.Credential(origin.username, password)
        self.client = rfc8489.Client(credential, software, knows, origin.transaction)
        self.requests: list[bytes] = []
        self.answers: list[wire.Stun] = []
        self.bids: list[list[tuple[int, bytes]]] = []

    def ask(self, request: bytes) -> wire.Stun:
        """The answer to one datagram."""
        self.requests.append(request)
        sent = self.relay.receive(request, self.five_tuple)
        (datagram,) = [each.datagram for each in sent if isinstance(each, Send)]
        answer = wire.parse(datagram)
        assert sent[-1] == Answered(answer.method, answer.code)
        self.answers.append(answer)
        return rebuilt(answer, self.bids.pop(0)) if self.bids else answer

    def challenge(self) -> wire.Stun:
        """The answer to the first request."""
        return self.ask(next(self.client.allocate()))

    def run(self, exchange: turn.Exchange) -> wire.Stun:
        """Carry an exchange to its end."""
        request = next(exchange)
        while True:
            answer = self.ask(request)
            try:
                request = exchange.send(answer)
            except StopIteration:
                return answer

    def allocate(self, *attributes: wire.Pair) -> wire.Stun:
        """Allocate."""
        return self.run(self.client.allocate(*attributes))


def rebuilt(answer: wire.Stun, attributes: list[tuple[int, bytes]]) -> wire.Stun:
    """An answer with other attributes."""
    return wire.parse(wire.build(answer.method, answer.cls, answer.transaction_id, attributes))
