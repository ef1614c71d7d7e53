"""Hostile messages over UDP, TCP and TLS, those of members among them, beside a running call."""

import random
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from tests.kit.polling import wait_until
from tests.kit.sockets import TurnClient
from tests.lab.calls import Access, connect, flowing, legs, mint
from tests.lab.flood import flood
from tests.lab.relay import Relay
from tests.tools.hostile import messages
from tests.tools.hostile.streams import drain, pour

_ROUND = 10_000
_SHARES = {"udp": 0.70, "udp, signed": 0.15, "tcp": 0.05, "tls": 0.02, "tcp, signed": 0.05}
"""Of a round; `tls, signed` has the rest."""

_POOL = 1100  # different messages of a kind, drawn again each round
_QUEUE_BYTES = 1 << 18
_FLOW_PER_S = 100
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\b[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){3,7}\b")
_FAULT = re.compile(r"^\S+ (?:error|critical) |^Traceback", re.MULTILINE)

LOSS_MAX = 0.001
GROWTH_MAX_BYTES = 16 << 20
"""Of some 60 MiB; two million strangers remembered in 100 bytes each would be twelve times that."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    Args:
        sent: hostile messages by kind.
        flowed, lost: packets of the running calls, both ways together.
        grown_bytes: resident memory after it, over that after the first round.
        faults: what must not be, in words; empty where all is well.
    """

    sent: Mapping[str, int]
    flowed: int
    lost: int
    grown_bytes: int
    faults: tuple[str, ...]


def run(relay: Relay, count: int, seed: int, told: Callable[[int], None]) -> Outcome:
    """Send at least `count` hostile messages while two calls run, over UDP and over TCP and TLS.

    Args:
        told: called after each round with how many have been sent.
    """
    rng = random.Random(seed)
    sent: Counter[str] = Counter()
    with ExitStack() as stack:
        members = [stack.enter_context(_member(relay, kind)) for kind in ("udp", "tcp", "tls")]
        round_of = _Rounds(relay, rng, members)
        sent += round_of.send(min(_ROUND, count // 2))
        resident = relay.resident_bytes()
        call = stack.enter_context(legs(relay))
        streams = stack.enter_context(legs(relay, caller=Access("tcp"), callee=Access("tls")))
        call.bind()
        streams.bind()
        with flowing(call, _FLOW_PER_S, 10) as flow, flowing(streams, _FLOW_PER_S, 10) as other:
            while sent.total() < count:
                sent += round_of.send(min(_ROUND, count - sent.total()))
                told(sent.total())
        grown = relay.resident_bytes() - resident
    flowed, lost = 2 * (flow.sent + other.sent), flow.lost() + other.lost()
    return Outcome(sent, flowed, lost, grown, tuple(_faults(relay, flowed, lost, grown)))


class _Rounds:
    """One mixed round after the other."""

    def __init__(self, relay: Relay, rng: random.Random, members: list["_Member"]) -> None:
        self._relay = relay
        self._rng = rng
        self._members = {member.how.transport: member for member in members}

    def send(self, count: int) -> Counter[str]:
        """About `count` messages of every kind. Returns: how many of which."""
        relay, rng = self._relay, self._rng
        sent: Counter[str] = Counter({k: int(count * share) for k, share in _SHARES.items()})
        sent["tls, signed"] = count - sent.total()
        flood(relay, messages.of_strangers(rng, _POOL), sent["udp"], rng)
        for kind in ("tcp", "tls"):
            pour(relay, messages.frames_of_strangers(rng, sent[kind]), rng, tls=kind == "tls")
        for transport, member in self._members.items():
            member.send(rng, sent[f"{transport}, signed"])
        return sent


class _Member:
    """One leg of a call of its own whose client is hostile."""

    def __init__(self, relay: Relay, how: Access) -> None:
        self._relay = relay
        self.how = how
        self._credential = mint(f"hostile-{how.transport}", "member")
        self._client = self._open()

    def send(self, rng: random.Random, count: int) -> None:
        """Send so many signed messages; where the relay hangs up, connect and allocate again."""
        pool = messages.of_member(rng, self._client, min(count, _POOL))
        for number in range(count):
            try:
                self._send(pool[number % len(pool)], number)
            except OSError:
                self.close()
                self._client = self._open()
                pool = messages.of_member(rng, self._client, min(count, _POOL))
        wait_until(lambda: self._relay.queued_bytes() == 0, "the daemon has read everything")

    def _send(self, message: bytes, number: int) -> None:
        client = self._client
        client.send_raw(message)
        if client.sock.type == socket.SOCK_STREAM:
            drain(client.sock)
            return
        if number % 64 == 0:
            wait_until(lambda: self._relay.queued_bytes() < _QUEUE_BYTES, "the daemon reads")
            with suppress(BlockingIOError):
                while client.sock.recv(65536, socket.MSG_DONTWAIT):
                    pass

    def _open(self) -> TurnClient:
        client = connect(self._relay, self._relay.lab.sink, self.how, self._credential)
        client.allocate()
        return client

    def close(self) -> None:
        self._client.sock.close()


@contextmanager
def _member(relay: Relay, transport: str) -> Iterator[_Member]:
    member = _Member(relay, Access(transport))
    try:
        yield member
    finally:
        member.close()


def _faults(relay: Relay, flowed: int, lost: int, grown: int) -> Iterator[str]:
    log = relay.log_text()
    if _FAULT.search(log) or relay.drops("internal"):
        yield "the daemon has logged a fault of its own"
    if relay.canaries() or _ADDRESS.search(log.partition("ready")[2].partition("\n")[2]):
        yield "an address stands in the log or in an answer of the API"
    if lost > flowed * LOSS_MAX:
        yield f"{lost} of {flowed} packets of the running calls were lost"
    if grown > GROWTH_MAX_BYTES:
        yield f"memory grew by {grown >> 20} MiB"
