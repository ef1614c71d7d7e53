"""Which relayed address is given: RFC 8656 section 7.2, EVEN-PORT and RESERVATION-TOKEN."""

import os
from random import Random

import pytest

from relay.address import IPV4, IPV6, Transport
from relay.calls.pool import CallPorts, Pool, PortPool
from relay.effects import LegKey
from relay.stun.attributes import Attribute
from tests.kit import wire
from tests.turn.client import Client, Relay

TOKEN = Attribute.RESERVATION_TOKEN


def reserve(relay: Relay, leg: str = "alice") -> tuple[Client, bytes]:
    """An allocation on an even port, and the token of the port after it."""
    client = relay.client(leg)
    answer = client.allocate(wire.even_port(reserve=True)).accepted()
    return client, answer.value(TOKEN)


def test_ports_are_unique_within_a_call_and_its_last_is_followed_by_508() -> None:
    relay = Relay(ports=range(50000, 50004))
    ports = {relay.allocated(leg, "call").relayed.port for leg in "abcd"}
    assert ports == set(relay.settings.ports)
    assert relay.client("e", "call").allocate().code == 508


def test_another_call_has_all_ports_to_itself() -> None:
    relay = Relay(ports=range(50000, 50002))
    for call in ("one", "two", "three"):
        assert {relay.allocated(leg, call).relayed.port for leg in "ab"} == {50000, 50001}


def test_ports_are_not_handed_out_in_order() -> None:
    relay = Relay(ports=range(50000, 60000))
    ports = [relay.allocated(str(leg), "call").relayed.port for leg in range(12)]
    assert ports != sorted(ports)
    assert max(ports) - min(ports) > 1000


def test_deleted_allocation_gives_its_port_back_to_its_call() -> None:
    relay = Relay(ports=range(50000, 50001))
    client = relay.allocated()
    assert relay.client("bob").allocate().code == 508
    client.refresh(0).accepted()
    relay.advance(61)
    relay.allocated("bob")


def test_even_port_without_reservation_is_even_and_has_no_token() -> None:
    relay = Relay()
    for leg in "abcdefgh":
        client = relay.client(leg, "call")
        answer = client.allocate(wire.even_port(reserve=False)).accepted()
        assert client.relayed.port % 2 == 0
        assert answer.values(TOKEN) == []


def test_even_port_is_508_when_only_odd_ones_are_left() -> None:
    relay = Relay(ports=range(50001, 50002))
    assert relay.client().allocate(wire.even_port(reserve=False)).code == 508
    relay.client().allocate().accepted()


def test_reservation_needs_the_next_port_as_well() -> None:
    relay = Relay(ports=range(50000, 50001))
    assert relay.client().allocate(wire.even_port(reserve=True)).code == 508
    relay.client().allocate(wire.even_port(reserve=False)).accepted()


def test_reserved_port_is_given_for_the_token_on_another_five_tuple() -> None:
    relay = Relay()
    alice, token = reserve(relay)
    assert len(token) == 8
    assert alice.relayed.port % 2 == 0
    second = relay.client("alice", transport=Transport.TCP)
    answer = second.allocate((TOKEN, token)).accepted()
    assert second.relayed.packed == alice.relayed.packed
    assert second.relayed.port == alice.relayed.port + 1
    assert answer.values(TOKEN) == []


def test_token_of_another_call_is_508() -> None:
    """A relayed port means nothing outside its call, and neither does its token."""
    relay = Relay()
    _, token = reserve(relay)
    assert relay.client("alice", "other").allocate((TOKEN, token)).code == 508
    relay.client("alice").allocate((TOKEN, token)).accepted()


def test_token_of_another_leg_is_508() -> None:
    """Deviates from RFC 8656 section 7.2, whose reservations are not specific to anybody."""
    relay = Relay()
    _, token = reserve(relay)
    assert relay.client("bob").allocate((TOKEN, token)).code == 508
    relay.client("alice").allocate((TOKEN, token)).accepted()


def test_retransmission_carries_the_same_token() -> None:
    client = Relay().client()
    transaction_id = client.transaction()
    first = client.allocate(wire.even_port(reserve=True), transaction_id=transaction_id)
    again = client.allocate(wire.even_port(reserve=True), transaction_id=transaction_id)
    assert again.accepted().attributes == first.accepted().attributes


def test_retransmission_with_a_token_is_answered_again() -> None:
    relay = Relay()
    _, token = reserve(relay)
    second = relay.client("alice")
    transaction_id = second.transaction()
    first = second.allocate((TOKEN, token), transaction_id=transaction_id)
    again = second.allocate((TOKEN, token), transaction_id=transaction_id)
    assert again.accepted().attributes == first.accepted().attributes


def test_token_is_good_once() -> None:
    relay = Relay()
    _, token = reserve(relay)
    relay.client("alice").allocate((TOKEN, token)).accepted()
    assert relay.client("alice").allocate((TOKEN, token)).code == 508


def test_reserved_port_is_not_given_to_anybody_else() -> None:
    relay = Relay(ports=range(50000, 50002))
    _, token = reserve(relay)
    assert relay.client("bob").allocate().code == 508
    relay.client("alice").allocate((TOKEN, token)).accepted()


def test_reservation_is_held_for_at_least_thirty_seconds() -> None:
    relay = Relay()
    _, token = reserve(relay)
    relay.advance(29.9)
    relay.client("alice").allocate((TOKEN, token)).accepted()


def test_reservation_does_not_last_for_ever() -> None:
    relay = Relay(ports=range(50000, 50002))
    alice, token = reserve(relay)
    alice.refresh(0).accepted()
    relay.advance(4000)
    assert relay.client("alice", ttl_s=9000).allocate((TOKEN, token)).code == 508
    for leg in ("bob", "carol"):
        relay.allocated(leg)


@pytest.mark.parametrize("token", [bytes(8), b"\xff" * 8])
def test_invented_token_is_508(token: bytes) -> None:
    relay = Relay()
    reserve(relay)
    assert relay.client("alice").allocate((TOKEN, token)).code == 508


@pytest.mark.parametrize(
    "other",
    [
        wire.even_port(reserve=False),
        wire.even_port(reserve=True),
        wire.requested_family(IPV4),
        wire.additional_family(IPV6),
    ],
)
def test_token_with_an_attribute_that_chooses_a_port_is_400(other: wire.Pair) -> None:
    relay = Relay()
    _, token = reserve(relay)
    assert relay.client("alice").allocate((TOKEN, token), other).code == 400
    relay.client("alice").allocate((TOKEN, token)).accepted()


def test_reservation_with_an_additional_family_is_400() -> None:
    exchange = Relay().client().allocate(wire.even_port(reserve=True), wire.additional_family(IPV6))
    assert exchange.code == 400


def test_refused_allocation_uses_up_no_port() -> None:
    relay = Relay(ports=range(50000, 50001))
    assert relay.client("mallory").allocate().code == 403
    relay.allocated()


LEG = LegKey("call", "leg")


@pytest.mark.parametrize("ports", [range(50000, 50010), range(50001, 50012), range(50001, 50002)])
@pytest.mark.parametrize("rests", [True, False])
def test_whatever_is_drawn_was_free_and_fits_and_none_is_kept_back(
    ports: range, rests: bool
) -> None:
    """Against a model: sets of held and resting ports."""
    pool: Pool = PortPool(ports) if rests else CallPorts(ports)
    steps, held, resting, mono = Random(3), list[int](), dict[int, float](), 0.0
    for _ in range(2000):
        mono += steps.random() * 5
        resting = {port: until for port, until in resting.items() if until > mono}
        if held and steps.random() < 0.4:
            port = held.pop(steps.randrange(len(held)))
            pool.release(port, mono)
            resting.update({port: mono + 60} if rests else {})
        pair = steps.random() < 0.3
        even = pair or steps.random() < 0.3
        free = set(ports) - set(held) - set(resting)
        fits = {p for p in free if not (even and p % 2) and (not pair or p + 1 in free)}
        drawn = pool.draw(steps.randbytes, mono, LEG, even=even, pair=pair)
        assert drawn in (fits or {-1})
        held += [drawn, drawn + 1][: 1 + pair] if drawn >= 0 else []
        assert pool.count(LEG, mono) == len(held) + len(resting)


@pytest.mark.parametrize("asked", [{}, {"even": True}, {"even": True, "pair": True}])
def test_the_last_free_ports_of_the_relay_cost_one_draw_each(asked: dict[str, bool]) -> None:
    pool, calls = PortPool(range(49152, 65536)), 0
    while pool.free > 4:
        pool.draw(os.urandom, 0.0)
    pool.release(50000, 0.0)
    pool.release(50001, 0.0)

    def entropy(length: int) -> bytes:
        nonlocal calls
        calls += 1
        return os.urandom(length)

    for _ in range(8):
        pool.draw(entropy, 61.0, LEG, **asked)
    assert calls <= 8
    assert pool.count(LEG, 61.0) <= 6


def test_ports_of_legs_without_turn_count_against_nobody() -> None:
    pool = PortPool(range(50000, 50010))
    port = pool.draw(os.urandom, 0.0)
    pool.release(port, 0.0)
    assert pool.free == 9
    assert {pool.draw(os.urandom, 61.0) for _ in range(10)} == set(range(50000, 50010))
