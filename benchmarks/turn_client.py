"""TURN clients by the thousand: calls opened and closed over the two parties' lines.

Rules of this file: what a client says is the kit's, which is that of any relay's client; here is
which line and port it says it over.
"""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.conversation import Exchange, Refused, Request
from benchmarks.frames import Line
from benchmarks.passing import Flow
from relay.address import PeerAddress
from tests.kit import turn, wire

FIRST_PORT, LAST_PORT = 1024, 65535
CHANNEL = 0x4000
LIFETIME_S = 3600
"""Asked for by every allocation, so that none ends during a round."""

_transactions = itertools.count(1)


class Leg:
    """One party's client in one call.

    Args:
        line: the party's.
        port: source port, which makes the five-tuple.
        credential: of the TURN REST API.
    """

    __slots__ = ("_client", "is_bound", "line", "port")

    def __init__(self, line: Line, port: int, credential: turn.Credential) -> None:
        self.line = line
        self.port = port
        self.is_bound = False
        self._client = turn.Client(credential, _next_transaction)

    @property
    def relayed(self) -> PeerAddress:
        """The relayed transport address, once it is allocated."""
        return self._client.relayed

    def allocate(self) -> Exchange:
        """Allocate as a new client does: once without credentials, once with.

        Raises: Refused.
        """
        return self._over_line(self._client.allocate(wire.lifetime(LIFETIME_S)))

    def bind(self, peer: PeerAddress) -> Exchange:
        """Bind the channel to the other leg's relayed address.

        Raises: Refused.
        """
        yield from self._over_line(self._client.bind(CHANNEL, peer))
        self.is_bound = True

    def delete(self) -> Exchange:
        """Give the allocation back.

        Raises: Refused.
        """
        return self._over_line(self._client.refresh(0))

    def _over_line(self, exchange: turn.Exchange) -> Exchange:
        """Carry an exchange over this leg's line and port."""
        datagram = next(exchange)
        while True:
            answer = yield Request(self.line, self.port, datagram)
            try:
                datagram = exchange.send(answer)
            except StopIteration:
                break
        if answer.code:
            raise Refused(answer.method, answer.code)


def _next_transaction() -> bytes:
    return next(_transactions).to_bytes(12, "big")


@dataclass(frozen=True, slots=True)
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
        return Flow(self.caller.port, CHANNEL, self.callee.port, CHANNEL)


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
            self._leg(line, port, f"{name}:{line.link.party}") for line in self._lines
        )
        return Call(caller, callee)

    def _leg(self, line: Line, port: int, username: str) -> Leg:
        password = wire.rest_password(self._secret, username)
        return Leg(line, port, turn.Credential(username, password))


def first_request(line: Line) -> Request:
    """What any client sends first; a relay that is ready answers it with 401."""
    return next(Leg(line, LAST_PORT, turn.Credential("", "")).allocate())
