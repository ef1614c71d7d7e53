"""What strangers may ask of the core: real batches, and a clock that only the test moves.

A flood in these tests is faster than any that the relay lets through: only the lanes decide.
"""

import random
from collections.abc import Iterator

import pytest

from relay.address import ClientAddress, FiveTuple, ServerAddress, Transport
from relay.errors import DropReason
from relay.forward.user import sockets
from relay.forward.user.gate import CLIENT_PER_S, PER_S, Gate
from relay.forward.user.mmsg import MmsgBatch
from relay.forward.user.slots import PAYLOAD_MAX, Batch
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method
from tests.forward.clients import channel_data
from tests.forward.loopback import V4, V6
from tests.kit import wire

pytestmark = pytest.mark.parametrize("host", [V4, V6])

PER_SOURCE = 10
RELAY_NONCE = b"given by the relay"
CLIENT, OTHER = 1, 2
"""Hosts; those of a flood have greater numbers."""


class Core:
    """Knows which nonce is good, and who has an allocation."""

    def __init__(self) -> None:
        self.known: set[FiveTuple] = set()
        self.asked = 0

    def is_known(self, client: FiveTuple) -> bool:
        return client in self.known

    def is_proven(self, datagram: bytes, client: FiveTuple) -> bool:
        assert client.transport is Transport.UDP
        self.asked += 1
        return RELAY_NONCE in datagram


class Stage:
    """One door, and what comes to it; `forgeries` are single datagrams of as many hosts."""

    def __init__(self, host: str) -> None:
        self._server = ServerAddress.parse(host, 3478)
        self._socket = sockets.open_udp(ServerAddress.parse(host, 0), 65536)
        self.batch: Batch = MmsgBatch(self._socket)
        self.core = Core()
        gate = Gate(self.core, PER_SOURCE)
        self.door = gate.door(self._server)
        self.other_door = gate.door(ServerAddress.parse(host, 3479))
        self.random = random.Random(11)
        self.now_ns = 10**15

    def client(self, host: int, port: int = 40000) -> FiveTuple:
        """A five-tuple of one host; in IPv6, each host is a /64."""
        packed = host.to_bytes(4) if self._server.family == 1 else host.to_bytes(8) + bytes(8)
        return FiveTuple(Transport.UDP, ClientAddress(packed, port), self._server)

    def refusal(self, datagram: bytes, client: FiveTuple) -> DropReason | None:
        """Why the core does not see this datagram, which comes now."""
        at, name = self.batch.payloads_at[0], sockets.pack(client.client)
        self.batch.data[self.batch.names[0]] = name
        self.batch.data[at : at + len(datagram)] = datagram
        self.batch.lengths[0] = len(datagram)
        reason = self.door.refuses(self.batch, 0, self.now_ns)
        if reason is None:
            self.door.note(name)
        return reason

    def admits(self, datagram: bytes, client: FiveTuple) -> bool:
        """Whether it does; if not, it must be for the rate."""
        reason = self.refusal(datagram, client)
        assert reason in (None, DropReason.UNAUTHENTICATED_RATE)
        return reason is None

    def flood(self, per_s: int, seconds: float, *more: wire.Pair) -> int:
        """Forged Allocates, each from another host. Returns: how many the core has seen."""
        admitted = 0
        for _ in range(int(per_s * seconds)):
            self.now_ns += 10**9 // per_s
            source = self.client(self.random.randrange(1000, 2**32))
            admitted += self.admits(self.hello(*more), source)
        return admitted

    def hello(self, *more: wire.Pair) -> bytes:
        """An Allocate of its own transaction."""
        attributes = [wire.transport(17), *more]
        return wire.build(Method.ALLOCATE, Class.REQUEST, self.random.randbytes(12), attributes)

    def close(self) -> None:
        self.batch.close()
        self._socket.close()


@pytest.fixture
def stage(host: str) -> Iterator[Stage]:
    """One door."""
    made = Stage(host)
    yield made
    made.close()


def nonce(value: bytes) -> list[wire.Pair]:
    """What stands in a signed request."""
    return [
        (int(Attribute.USERNAME), b"4102444800:a-call:a-leg"),
        (int(Attribute.NONCE), value),
        (int(Attribute.MESSAGE_INTEGRITY), bytes(20)),
    ]


def test_who_asks_first_is_let_in_at_once(stage: Stage) -> None:
    for host in range(500):
        assert stage.admits(stage.hello(), stage.client(host))


def test_forged_sources_together_are_let_in_at_a_fixed_rate(stage: Stage) -> None:
    stage.flood(20_000, 1)
    assert stage.flood(20_000, 2) == pytest.approx(2 * PER_S, rel=0.01)


def test_a_retransmission_is_let_in_whatever_is_forged(stage: Stage) -> None:
    stage.flood(50_000, 1)
    hellos = [(stage.hello(), stage.client(host)) for host in range(100)]
    stage.random.shuffle(hellos)
    for datagram, client in hellos:
        stage.admits(datagram, client)
    stage.flood(50_000, 0.5)
    assert sum(stage.admits(*each) for each in hellos) >= 90


def test_another_transaction_or_client_is_no_retransmission(stage: Stage) -> None:
    stage.flood(50_000, 1)
    hellos = [(stage.hello(), CLIENT + number) for number in range(20)]
    for datagram, host in hellos:
        stage.admits(datagram, stage.client(host))
    stage.flood(50_000, 0.5)
    (datagram, host), *_ = hellos
    before = sum(stage.admits(datagram, stage.client(host, port)) for port in range(1, 300))
    assert before < 50
    # One in forty has been overwritten by the flood.
    assert sum(stage.admits(datagram, stage.client(host)) for datagram, host in hellos) >= 15


def test_what_is_repeated_sooner_than_a_client_would_is_none(stage: Stage) -> None:
    """A flood of a few datagrams, again and again, does not take what retransmissions have."""
    few = [(stage.hello(), stage.client(1000 + n)) for n in range(2000)]
    for _ in range(100):
        stage.now_ns += 40_000_000
        for each in few:
            stage.admits(*each)
    hello = stage.hello(), stage.client(CLIENT)
    stage.admits(*hello)
    for _ in range(5):
        stage.now_ns += 40_000_000
        for each in few:
            stage.admits(*each)
    assert stage.admits(*hello)


def test_one_source_is_let_in_at_its_own_rate_and_costs_nobody_else(stage: Stage) -> None:
    admitted = 0
    for number in range(100_000):  # 10 s
        stage.now_ns += 100_000
        admitted += stage.admits(stage.hello(), stage.client(CLIENT, number % 60_000))
    assert admitted <= 2 * 10 * 4 * PER_SOURCE + 1
    assert stage.admits(stage.hello(), stage.client(OTHER))


def test_whoever_echoes_a_nonce_is_let_in_whatever_is_forged(stage: Stage) -> None:
    stage.flood(50_000, 1)
    for host in range(100):
        assert stage.admits(stage.hello(*nonce(RELAY_NONCE)), stage.client(host))


def test_where_nonces_are_invented_its_retransmission_is(stage: Stage) -> None:
    stage.flood(50_000, 1, *nonce(b"one that is invented"))
    echoes = [(stage.hello(*nonce(RELAY_NONCE)), stage.client(host)) for host in range(100)]
    for each in echoes:
        stage.admits(*each)
    stage.flood(50_000, 0.5, *nonce(b"one that is invented"))
    assert sum(stage.admits(*each) for each in echoes) >= 90


def test_checking_nonces_is_bounded_too(stage: Stage) -> None:
    stage.flood(50_000, 2, *nonce(b"one that is invented"))
    asked = stage.core.asked
    stage.flood(50_000, 1, *nonce(b"one that is invented"))
    assert stage.core.asked - asked < 15_000


def test_a_source_that_echoes_has_its_own_rate_as_well(stage: Stage) -> None:
    echo = nonce(RELAY_NONCE)
    admitted = sum(stage.admits(stage.hello(*echo), stage.client(CLIENT)) for _ in range(5000))
    assert admitted <= 2 * (10 * 4 * PER_SOURCE + 1)  # what is not checked counts as a stranger's
    stage.now_ns += 1_000_000_000
    assert stage.admits(stage.hello(*echo), stage.client(OTHER))


def test_a_client_is_heard_whatever_strangers_send(stage: Stage) -> None:
    client = stage.client(CLIENT)
    stage.core.known.add(client)
    assert stage.admits(stage.hello(), client)
    stage.flood(50_000, 1)
    for _ in range(100):
        assert stage.admits(stage.hello(), client)
        assert stage.admits(channel_data(0x4001, b"data"), client)
    stage.core.known.clear()
    stage.admits(stage.hello(), client)
    assert not all(stage.admits(stage.hello(), client) for _ in range(PER_S))


def test_a_client_is_one_of_the_listener_it_talks_to(stage: Stage) -> None:
    client = stage.client(CLIENT)
    stage.core.known.add(client)
    assert stage.admits(stage.hello(), client)
    stage.flood(50_000, 1)
    stage.door = stage.other_door
    assert not all(stage.admits(stage.hello(), client) for _ in range(100))


def test_what_a_client_sends_is_bounded_and_counted_as_its_own(stage: Stage) -> None:
    client, other = stage.client(CLIENT), stage.client(OTHER)
    stage.core.known |= {client, other}
    assert stage.refusal(stage.hello(), client) is None
    assert stage.refusal(stage.hello(), other) is None
    refusals = [stage.refusal(stage.hello(), client) for _ in range(CLIENT_PER_S)]
    assert 0 < refusals.count(None) < CLIENT_PER_S
    assert set(refusals) == {None, DropReason.REQUEST_RATE}
    assert stage.refusal(stage.hello(), other) is None


def test_clients_that_are_gone_are_not_kept(stage: Stage) -> None:
    for host in range(5000):
        stage.now_ns += 1_000_000
        client = stage.client(host)
        stage.core.known.add(client)
        assert stage.admits(stage.hello(), client)
        stage.core.known.discard(client)
    assert len(stage.door) < 10


def test_clients_that_stay_are_kept(stage: Stage) -> None:
    clients = [stage.client(host) for host in range(1000)]
    for client in clients:
        stage.now_ns += 1_000_000
        stage.core.known.add(client)
        assert stage.admits(stage.hello(), client)
    assert len(stage.door) == len(clients)
    stage.flood(50_000, 1)
    assert all(stage.admits(stage.hello(), client) for client in clients)


@pytest.mark.parametrize("junk", [b"\xff" * 40, channel_data(0x4001, bytes(160)), b"\x40"])
def test_what_is_no_stun_takes_nothing_from_requests(stage: Stage, junk: bytes) -> None:
    sent = [stage.admits(junk, stage.client(1000 + n)) for n in range(20_000)]
    assert 0 < sum(sent) < PER_S
    assert stage.admits(stage.hello(), stage.client(CLIENT))


@pytest.mark.parametrize("size", [0, 1, 19, 64, PAYLOAD_MAX])
def test_any_size_is_looked_at_within_its_bounds(stage: Stage, size: int) -> None:
    for first in (0x00, 0x40, 0xFF):
        assert stage.admits(bytes((first,) * size), stage.client(CLIENT))
