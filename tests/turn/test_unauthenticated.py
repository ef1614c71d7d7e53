"""What strangers cost: answers are limited, and nothing is kept before authentication."""

import gc
import tracemalloc

import pytest

from relay.address import ClientAddress, FiveTuple, Transport
from relay.effects import Count, Effect, Send
from relay.errors import DropReason
from relay.stun.attributes import Attribute, AttributeType
from relay.stun.message import Class, Method
from tests.kit import wire
from tests.turn.client import LISTENER, UDP_RELAYED, Relay

HELLO = wire.build(Method.ALLOCATE, Class.REQUEST, bytes(12), [wire.transport(UDP_RELAYED)])
BURST_S = 10
IP_AND_UDP = 28
"""Bytes of header."""


def stranger(host: int, port: int = 50000, transport: Transport = Transport.UDP) -> FiveTuple:
    """A five-tuple that nobody has authenticated on."""
    return FiveTuple(transport, ClientAddress(b"\x0b" + host.to_bytes(3, "big"), port), LISTENER)


def is_answered(effects: list[Effect]) -> bool:
    """Whether anything was sent; if not, it must have been counted as over the rate."""
    if any(isinstance(effect, Send) for effect in effects):
        return True
    assert effects == [Count(DropReason.UNAUTHENTICATED_RATE)]
    return False


def answers(relay: Relay, *clients: FiveTuple) -> int:
    """How many of these strangers get an answer."""
    return sum(is_answered(relay.receive(HELLO, client)) for client in clients)


def test_one_source_gets_ten_seconds_worth_at_once_and_no_more() -> None:
    relay = Relay(unauthenticated_per_s=5)
    assert answers(relay, *[stranger(1)] * 200) == 5 * BURST_S


def test_limit_is_by_address_and_not_by_port() -> None:
    relay = Relay(unauthenticated_per_s=5)
    assert answers(relay, *(stranger(1, port) for port in range(1000, 1200))) == 5 * BURST_S


def test_one_source_over_its_limit_does_not_silence_another() -> None:
    relay = Relay(unauthenticated_per_s=5)
    answers(relay, *[stranger(1)] * 200)
    assert answers(relay, stranger(2)) == 1


def test_allowance_comes_back_with_time() -> None:
    relay = Relay(unauthenticated_per_s=5)
    answers(relay, *[stranger(1)] * 200)
    relay.clock.advance(2)
    assert answers(relay, *[stranger(1)] * 200) == 2 * 5
    relay.clock.advance(1000)
    assert answers(relay, *[stranger(1)] * 200) == 5 * BURST_S


def test_tcp_and_tls_sources_are_not_limited() -> None:
    relay = Relay(unauthenticated_per_s=1)
    for transport in (Transport.TCP, Transport.TLS):
        assert answers(relay, *[stranger(1, transport=transport)] * 100) == 100


def test_guessing_passwords_is_limited_as_well() -> None:
    relay = Relay(unauthenticated_per_s=1)
    client = relay.client()
    client.challenge()
    client.key = bytes(16)
    request = client.signed(Method.ALLOCATE, [wire.transport(UDP_RELAYED)], bytes(12))
    answered = sum(is_answered(relay.receive(request, client.five_tuple)) for _ in range(50))
    assert answered == BURST_S


def test_authenticated_client_is_not_limited() -> None:
    relay = Relay(unauthenticated_per_s=1)
    client = relay.allocated()
    for _ in range(100):
        client.refresh().accepted()


def test_forged_sources_use_up_nobodys_rate_but_their_own() -> None:
    relay = Relay(unauthenticated_per_s=10)
    assert answers(relay, *(stranger(host) for host in range(30_000))) > 29_000
    assert answers(relay, *(stranger(host) for host in range(30_000, 30_100))) == 100


def test_a_running_call_gets_its_438_whatever_is_forged() -> None:
    """Its own address too: an observer knows it."""
    relay = Relay(unauthenticated_per_s=1)
    alice = relay.allocated()
    alice.keep()
    relay.clock.advance(3000)
    alice.keep()
    relay.clock.advance(3500)
    answers(relay, *[alice.five_tuple] * 200)
    answers(relay, *(stranger(host) for host in range(20_000)))
    assert alice.refresh().code == 438
    alice.keep()


def test_a_client_that_moves_gets_its_438_whatever_is_forged() -> None:
    """A MAC that verifies is no stranger's, though the five-tuple holds no allocation."""
    relay = Relay(unauthenticated_per_s=1)
    alice = relay.allocated()
    moved = relay.client("alice")
    moved.nonce = alice.nonce
    answers(relay, *[moved.five_tuple] * 200)
    moved.allocate()
    assert moved.refresh().code == 438


def test_forged_requests_in_a_clients_name_are_limited_and_cost_nobody_else() -> None:
    relay = Relay(unauthenticated_per_s=1)
    alice, bob = relay.pair()
    forged = relay.client()
    forged.five_tuple, forged.key = alice.five_tuple, bytes(16)
    forged.nonce = alice.nonce
    request = forged.signed(Method.REFRESH, [], bytes(12))
    answered = sum(is_answered(relay.receive(request, alice.five_tuple)) for _ in range(50))
    assert answered == BURST_S
    alice.refresh().accepted()
    forged.five_tuple = bob.five_tuple
    assert is_answered(relay.receive(request, bob.five_tuple))
    neighbour = alice.five_tuple.client
    moved = FiveTuple(Transport.UDP, ClientAddress(neighbour.packed, 50123), LISTENER)
    assert answers(relay, moved) == 1


def test_whoever_echoes_a_nonce_has_a_rate_that_forged_requests_do_not_use_up() -> None:
    relay = Relay(unauthenticated_per_s=1)
    client = relay.client(secret="mistyped")
    client.challenge()
    answers(relay, *[client.five_tuple] * 200)
    invented = relay.client(secret="mistyped")
    invented.five_tuple, invented.nonce = client.five_tuple, b"0123456789abcdef"
    transport = [wire.transport(UDP_RELAYED)]
    forged = invented.signed(Method.ALLOCATE, transport, bytes(12))
    assert not is_answered(relay.receive(forged, client.five_tuple))
    request = client.signed(Method.ALLOCATE, transport, bytes(12))
    answered = sum(is_answered(relay.receive(request, client.five_tuple)) for _ in range(50))
    assert answered == BURST_S


@pytest.mark.parametrize(("alike", "is_found"), [(0, True), (1, True), (300, False)])
def test_what_only_reads_like_a_nonce_is_passed_over_but_not_for_long(
    alike: int, is_found: bool
) -> None:
    """A stranger could have each datagram searched for as long as it is: 30 µs for 1,400 bytes."""
    relay = Relay()
    client = relay.client()
    client.challenge()
    numbers = [wire.lifetime(0x1500)] * alike
    request = client.signed(Method.ALLOCATE, numbers, bytes(12))
    found = relay.server.echoes_nonce(request, client.five_tuple, relay.clock.now)
    assert found is is_found


@pytest.mark.parametrize("realm", ["r", "callveil"])
@pytest.mark.parametrize("more", [[], [wire.lifetime(600)], [(0x8022, b"a client's name")]])
@pytest.mark.parametrize("fingerprint", [False, True])
def test_a_challenge_is_at_most_1_4_times_what_draws_it(
    realm: str, more: wire.Attributes, fingerprint: bool
) -> None:
    attributes = [wire.transport(UDP_RELAYED), *more]
    request = wire.build(
        Method.ALLOCATE, Class.REQUEST, bytes(12), attributes, fingerprint=fingerprint
    )
    (send, _) = Relay(realm=realm).receive(request, stranger(1))
    assert isinstance(send, Send)
    assert IP_AND_UDP + len(send.datagram) <= 1.4 * (IP_AND_UDP + len(request))


@pytest.mark.parametrize("realm", ["r", "callveil", "turn.example.org"])
@pytest.mark.parametrize("fingerprint", [False, True])
@pytest.mark.parametrize("is_alone", [False, True])
def test_so_it_is_whatever_a_request_leaves_room_for(
    realm: str, fingerprint: bool, is_alone: bool
) -> None:
    """A longer nonce, or the offer of RFC 8489 and the nonce cookie."""
    relay, offers = Relay(realm=realm, mints_alone=is_alone), 0
    for size in range(100):
        attributes = [wire.transport(UDP_RELAYED), (Attribute.SOFTWARE, bytes(size))]
        request = wire.build(
            Method.ALLOCATE, Class.REQUEST, bytes(12), attributes, fingerprint=fingerprint
        )
        (send, _) = relay.receive(request, stranger(size))
        assert isinstance(send, Send)
        assert IP_AND_UDP + len(send.datagram) <= 1.4 * (IP_AND_UDP + len(request))
        offers += len(wire.parse(send.datagram).values(Attribute.PASSWORD_ALGORITHMS))
    assert offers > 60


@pytest.mark.parametrize("kinds", [(), (Attribute.USERNAME,), (Attribute.REALM, Attribute.NONCE)])
@pytest.mark.parametrize("method", Method)
def test_no_request_of_a_stranger_draws_more_than_that(
    method: Method, kinds: tuple[AttributeType[str], ...]
) -> None:
    for key in (None, bytes(16)):
        attributes: wire.Attributes = [(kind, b"") for kind in kinds]
        request = wire.build(method, Class.REQUEST, bytes(12), attributes, key=key)
        effects = Relay(realm="callveil").receive(request, stranger(1))
        sent = sum(IP_AND_UDP + len(each.datagram) for each in effects if isinstance(each, Send))
        assert sent <= 1.4 * (IP_AND_UDP + len(request))


def test_a_flood_draws_less_than_a_twentieth_of_its_bytes() -> None:
    relay = Relay()
    sent = 0
    for _ in range(60_000):  # a thousand per second
        effects = relay.receive(HELLO, stranger(1))
        sent += sum(IP_AND_UDP + len(each.datagram) for each in effects if isinstance(each, Send))
        relay.clock.advance(0.001)
    assert sent <= 0.05 * 60_000 * (IP_AND_UDP + len(HELLO))


def test_same_stranger_leaves_nothing_behind() -> None:
    relay = Relay()
    for _ in range(10):
        relay.receive(HELLO, stranger(1))
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(500):
        relay.receive(HELLO, stranger(1))
    gc.collect()
    assert len(gc.get_objects()) - before < 50
    assert relay.server.next_timeout() is None


def test_many_strangers_leave_a_bounded_trace() -> None:
    relay = Relay()
    for host in range(20_000):
        relay.receive(HELLO, stranger(host))
    gc.collect()
    tracemalloc.start()
    for host in range(20_000, 40_000):
        relay.receive(HELLO, stranger(host))
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000, f"{kept} bytes kept for strangers"


def test_strangers_never_reach_the_calls_or_the_timeouts() -> None:
    relay = Relay()
    for host in range(100):
        relay.receive(HELLO, stranger(host))
    assert relay.live() == []
    assert relay.server.next_timeout() is None
