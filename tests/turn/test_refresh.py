"""Refresh: RFC 8656 section 8.2."""

import pytest

from relay.address import IPV4, IPV6
from relay.effects import Answered, Count, DropRoute, LegIdle, Send
from relay.errors import DropReason
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method
from tests.kit import wire
from tests.turn.client import REALM, Exchange, Relay


@pytest.mark.parametrize(
    ("asked", "given"),
    [(None, 600), (1, 600), (600, 600), (1200, 1200), (3600, 3600), (7200, 3600)],
)
def test_refresh_sets_the_lifetime(asked: int | None, given: int) -> None:
    client = Relay().allocated()
    exchange = client.refresh(asked)
    assert exchange.effects == [
        Send(client.five_tuple, exchange.datagram),
        Answered(Method.REFRESH, 0),
    ]
    assert exchange.accepted().lifetime_s == given


def test_refreshed_allocation_lives_as_long_as_it_was_told() -> None:
    relay = Relay()
    client = relay.allocated()
    relay.advance(500)
    client.refresh(1000).accepted()
    relay.advance(999)
    client.refresh().accepted()
    relay.advance(600.5)
    assert client.refresh().code == 437


def test_lifetime_may_be_shortened_to_the_default() -> None:
    relay = Relay()
    client = relay.client()
    client.allocate(wire.lifetime(3600)).accepted()
    client.refresh().accepted()
    relay.advance(601)
    assert client.refresh().code == 437


def test_lifetime_zero_deletes_and_says_so() -> None:
    client = Relay().allocated()
    exchange = client.refresh(0)
    assert exchange.effects == [
        LegIdle(client.leg),
        Send(client.five_tuple, exchange.datagram),
        Answered(Method.REFRESH, 0),
    ]
    assert exchange.accepted().lifetime_s == 0
    assert client.refresh().code == 437


def test_deletion_drops_the_routes_of_both_directions_first() -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    exchange = alice.refresh(0)
    assert exchange.code == 0
    *dropped, idle = exchange.before_answer()
    assert idle == LegIdle(alice.leg)
    assert len(dropped) == 2
    assert set(dropped) == {
        DropRoute(alice.five_tuple, 0x4001),
        DropRoute(bob.five_tuple, 0x4002),
    }
    assert relay.forwarding.live(relay.clock.now) == []


def test_leg_is_idle_when_its_last_allocation_is_deleted() -> None:
    relay = Relay()
    first, second = relay.allocated("alice"), relay.allocated("alice")
    assert first.refresh(0).before_answer() == []
    assert second.refresh(0).before_answer() == [LegIdle(second.leg)]


def test_retransmitted_deletion_succeeds_again() -> None:
    client = Relay().allocated()
    transaction_id = client.transaction()
    for _ in range(3):
        exchange = client.request(Method.REFRESH, wire.lifetime(0), transaction_id=transaction_id)
        assert exchange.accepted().lifetime_s == 0
    assert client.refresh(0).code == 437


def test_retransmitted_deletion_does_not_delete_the_next_allocation() -> None:
    """RFC 8656 section 5: two requests with one transaction id are idempotent."""
    client = Relay().allocated()
    transaction_id = client.transaction()
    deletion = client.signed(Method.REFRESH, [wire.lifetime(0)], transaction_id)
    assert Exchange(client, client.relay.receive(deletion, client.five_tuple)).code == 0
    client.allocate().accepted()
    client.relay.receive(deletion, client.five_tuple)
    client.refresh().accepted()


def test_allocation_may_be_made_again_after_deletion() -> None:
    client = Relay().allocated()
    client.refresh(0).accepted()
    client.allocate().accepted()
    client.refresh().accepted()


def test_refresh_without_allocation_is_437() -> None:
    client = Relay().client()
    exchange = client.refresh()
    assert exchange.effects == [
        Send(client.five_tuple, exchange.datagram),
        Answered(Method.REFRESH, 437),
    ]


def test_refresh_of_an_expired_allocation_is_437_even_before_the_timeout_is_handled() -> None:
    relay = Relay()
    client = relay.allocated()
    relay.clock.advance(600.5)
    assert client.refresh().code == 437


def test_requested_family_of_the_allocation_is_accepted() -> None:
    Relay().allocated().refresh(None, wire.requested_family(IPV4)).accepted()


@pytest.mark.parametrize("lifetime_s", [None, 0, 1200])
def test_requested_family_other_than_the_allocations_is_443(lifetime_s: int | None) -> None:
    client = Relay().allocated()
    assert client.refresh(lifetime_s, wire.requested_family(IPV6)).code == 443
    client.refresh().accepted()


def test_malformed_lifetime_is_not_taken_for_a_deletion() -> None:
    client = Relay().allocated()
    client.request(Method.REFRESH, (Attribute.LIFETIME, b"\0\0"))
    client.refresh().accepted()


def test_refresh_indication_is_not_a_request() -> None:
    client = Relay().allocated()
    effects = client.indicate(Method.REFRESH, [wire.lifetime(0)], bytes(12))
    assert [type(effect) for effect in effects] == [Count]
    client.refresh().accepted()


def test_unsigned_deletion_gets_silence() -> None:
    client = Relay().allocated()
    attributes = [
        wire.lifetime(0),
        (int(Attribute.USERNAME), client.username.encode()),
        (int(Attribute.REALM), REALM.encode()),
        (int(Attribute.NONCE), client.nonce),
    ]
    datagram = wire.build(Method.REFRESH, Class.REQUEST, bytes(12), attributes)
    effects = client.relay.receive(datagram, client.five_tuple)
    assert effects == [Count(DropReason.UNAUTHENTICATED)]
    client.refresh().accepted()


def test_refresh_extends_routes_that_the_allocation_cut_short() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    relay.advance(100)
    alice.bind(0x4001, bob.relayed).accepted()
    bob.bind(0x4002, alice.relayed).accepted()
    relay.advance(300)
    alice.refresh(3600).accepted()
    bob.refresh(3600).accepted()
    relay.advance(290)
    assert len(relay.forwarding.live(relay.clock.now)) == 2
    relay.advance(11)
    assert relay.forwarding.live(relay.clock.now) == []


@pytest.mark.parametrize("first_to_end", [0, 1])
def test_routes_end_with_the_allocation_that_ends_first(first_to_end: int) -> None:
    relay = Relay()
    alice, bob = relay.pair()
    for client in (alice, bob):
        client.refresh(3600).accepted()
    relay.advance(50)
    (alice, bob)[first_to_end].refresh().accepted()
    relay.advance(50)
    alice.bind(0x4001, bob.relayed).accepted()
    bob.bind(0x4002, alice.relayed).accepted()
    routes = relay.forwarding.live(relay.clock.now)
    assert [route.expires_ns for route in routes] == [(5000 + 50 + 600) * 10**9] * 2


def test_data_does_not_refresh_the_allocation() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    alice.permit(bob.relayed).accepted()
    for _ in range(7):
        relay.advance(100)
        alice.send(bob.relayed, b"x")
    assert alice.send(bob.relayed, b"x") == [Count(DropReason.NO_ALLOCATION)]
