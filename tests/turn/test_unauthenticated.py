"""What strangers cost: answers are limited, and nothing is kept before authentication."""

import gc
import tracemalloc

from relay.address import ClientAddress, FiveTuple, Transport
from relay.errors import DropReason
from relay.stun.message import Class, Method
from relay.turn.effects import Count, Effect, Send
from tests.turn import wire
from tests.turn.client import LISTENER, UDP_RELAYED, Relay

HELLO = wire.build(Method.ALLOCATE, Class.REQUEST, bytes(12), [wire.transport(UDP_RELAYED)])
BURST_S = 10


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
    assert answered == BURST_S - 1


def test_authenticated_client_is_not_limited() -> None:
    relay = Relay(unauthenticated_per_s=1)
    client = relay.allocated()
    for _ in range(100):
        client.refresh().accepted()


def test_all_sources_together_are_limited_too() -> None:
    relay = Relay(unauthenticated_per_s=1)
    assert answers(relay, *(stranger(host) for host in range(50_000))) < 50_000


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
    assert relay.directory.asked == []
    assert relay.server.next_timeout() is None
