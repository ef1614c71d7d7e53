"""ChannelBind in a closed call, and the routes it makes: RFC 8656 sections 12 and 12.2."""

import pytest

from relay.address import PeerAddress
from relay.effects import Answered, Count, Deliver, Send, SetRoute
from relay.errors import DropReason
from relay.stun.attributes import Attribute
from relay.stun.message import Method
from tests.kit import wire
from tests.turn.client import RELAY_IPV4, RELAY_IPV6, Relay

SINK = PeerAddress(bytes((203, 0, 113, 9)), 53)


def test_first_end_is_answered_without_a_route() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    exchange = alice.bind(0x4000, bob.relayed)
    assert exchange.effects == [
        Send(alice.five_tuple, exchange.datagram),
        Answered(Method.CHANNEL_BIND, 0),
    ]
    exchange.accepted()


def test_second_end_sets_both_routes_before_it_hears_of_it() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    alice.bind(0x4001, bob.relayed).accepted()
    relay.advance(10)
    exchange = bob.bind(0x4002, alice.relayed)
    exchange.accepted()
    expires_ns = (5000 + 600) * 10**9
    routes = exchange.before_answer()
    assert len(routes) == 2
    assert set(routes) == {
        SetRoute(alice.five_tuple, 0x4001, bob.five_tuple, 0x4002, alice.leg, expires_ns),
        SetRoute(bob.five_tuple, 0x4002, alice.five_tuple, 0x4001, bob.leg, expires_ns),
    }


def test_both_ends_may_choose_the_same_number() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    alice.bind(0x4000, bob.relayed).accepted()
    assert len(bob.bind(0x4000, alice.relayed).before_answer()) == 2


def test_routes_end_with_the_call() -> None:
    relay = Relay()
    relay.create(max_duration_s=42)
    relay.bound_pair()
    routes = relay.forwarding.live(relay.clock.now)
    assert [route.expires_ns for route in routes] == [5042 * 10**9] * 2


@pytest.mark.parametrize("channel", [0x4000, 0x4FFF, 0x7FFF])
def test_both_ends_of_the_channel_range_are_accepted(channel: int) -> None:
    relay = Relay()
    alice, bob = relay.pair()
    alice.bind(channel, bob.relayed).accepted()


@pytest.mark.parametrize("channel", [0, 0x3FFF, 0x8000, 0xFFFF])
def test_channel_outside_the_range_is_400(channel: int) -> None:
    relay = Relay()
    alice, bob = relay.pair()
    exchange = alice.bind(channel, bob.relayed)
    assert exchange.effects == [
        Send(alice.five_tuple, exchange.datagram),
        Answered(Method.CHANNEL_BIND, 400),
    ]


def test_missing_channel_number_is_400() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    transaction_id = alice.transaction()
    named = wire.peer(bob.relayed, transaction_id)
    exchange = alice.request(Method.CHANNEL_BIND, named, transaction_id=transaction_id)
    assert exchange.code == 400


def test_missing_peer_address_is_400() -> None:
    alice = Relay().allocated()
    assert alice.request(Method.CHANNEL_BIND, wire.channel_number(0x4000)).code == 400


def test_malformed_channel_number_is_400() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    transaction_id = alice.transaction()
    exchange = alice.request(
        Method.CHANNEL_BIND,
        (Attribute.CHANNEL_NUMBER, b"\x40\x00"),
        wire.peer(bob.relayed, transaction_id),
        transaction_id=transaction_id,
    )
    assert exchange.code == 400


def test_channel_bound_to_another_peer_is_rejected_with_400() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    carol = relay.allocated("carol")
    alice.bind(0x4001, bob.relayed).accepted()
    assert alice.bind(0x4001, carol.relayed).code == 400


def test_peer_bound_to_another_channel_is_rejected_with_400() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    alice.bind(0x4001, bob.relayed).accepted()
    assert alice.bind(0x4003, bob.relayed).code == 400


def test_rejected_bind_leaves_the_bindings_as_they_were() -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    carol = relay.allocated("carol")
    before = dict(relay.forwarding.routes)
    assert alice.bind(0x4001, carol.relayed).code == 400
    assert alice.bind(0x4003, bob.relayed).code == 400
    assert alice.bind(0x4004, SINK).code == 403
    assert relay.forwarding.routes == before


def test_same_channel_and_peer_in_another_allocation_is_no_concern() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    second = relay.allocated("alice")
    alice.bind(0x4001, bob.relayed).accepted()
    second.bind(0x4001, bob.relayed).accepted()


@pytest.mark.parametrize(
    "address",
    [SINK, PeerAddress(bytes((127, 0, 0, 1)), 22), PeerAddress(RELAY_IPV4, 3478)],
)
def test_anything_but_a_sibling_is_403(address: PeerAddress) -> None:
    relay = Relay()
    alice, _ = relay.pair()
    exchange = alice.bind(0x4001, address)
    assert exchange.effects == [
        Send(alice.five_tuple, exchange.datagram),
        Answered(Method.CHANNEL_BIND, 403),
    ]


def test_own_relayed_address_is_403() -> None:
    alice = Relay().allocated()
    assert alice.bind(0x4001, alice.relayed).code == 403


def test_leg_of_another_call_is_403() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    own = {alice.relayed.port, bob.relayed.port}
    strangers = (relay.allocated(str(leg), "other") for leg in range(20))
    stranger = next(client for client in strangers if client.relayed.port not in own)
    assert alice.bind(0x4001, stranger.relayed).code == 403


def test_refused_channel_and_peer_stay_free() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    assert alice.bind(0x4001, SINK).code == 403
    alice.bind(0x4001, bob.relayed).accepted()


def test_peer_of_another_family_is_443() -> None:
    assert Relay().allocated().bind(0x4001, PeerAddress(RELAY_IPV6, 50000)).code == 443


def test_wrong_channel_is_noticed_before_the_peer() -> None:
    relay = Relay()
    alice, _ = relay.pair()
    assert alice.bind(0x3FFF, SINK).code == 400


def test_rebinding_refreshes_the_binding_and_sets_later_routes() -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    for client in (alice, bob):
        client.refresh(3600).accepted()
    relay.advance(500)
    alice.bind(0x4001, bob.relayed).accepted()
    bob.bind(0x4002, alice.relayed).accepted()
    relay.advance(599)
    assert len(relay.forwarding.live(relay.clock.now)) == 2
    relay.advance(1)
    assert relay.forwarding.live(relay.clock.now) == []


def test_binding_is_permission_for_the_peers_data() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    alice.permit(bob.relayed).accepted()
    bob.bind(0x4002, alice.relayed).accepted()
    assert alice.send(bob.relayed, b"data") == [
        Deliver(alice.leg, bob.five_tuple, wire.channel_data(0x4002, b"data"), 4)
    ]


def test_binding_is_permission_as_long_as_it_lasts() -> None:
    """Deviates from RFC 8656 section 12.1, whose permission lasts 300 s of the binding's 600."""
    relay = Relay()
    alice, bob = relay.bound_pair()
    for client in (alice, bob):
        client.refresh(3600).accepted()
    relay.advance(599)
    assert alice.channel_data(0x4001, b"x") == [
        Deliver(alice.leg, bob.five_tuple, wire.channel_data(0x4002, b"x"), 1)
    ]
    relay.advance(1)
    assert alice.channel_data(0x4001, b"x") == [Count(DropReason.EXPIRED, alice.leg)]


def test_expired_channel_cools_down_for_five_minutes() -> None:
    """RFC 8656 section 12: the client MUST wait; the relay holds it to that."""
    relay = Relay()
    alice, bob = relay.pair()
    carol = relay.allocated("carol")
    for client in (alice, bob, carol):
        client.refresh(3600).accepted()
    alice.bind(0x4001, bob.relayed).accepted()
    relay.advance(899)
    assert alice.bind(0x4001, carol.relayed).code == 400
    assert alice.bind(0x4003, bob.relayed).code == 400
    relay.advance(1.5)
    alice.bind(0x4001, carol.relayed).accepted()
    alice.bind(0x4003, bob.relayed).accepted()


def test_expired_channel_may_be_bound_to_the_same_peer_at_once() -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    for client in (alice, bob):
        client.refresh(3600).accepted()
    relay.advance(700)
    alice.bind(0x4001, bob.relayed).accepted()
    assert len(bob.bind(0x4002, alice.relayed).before_answer()) == 2
    assert len(relay.forwarding.live(relay.clock.now)) == 2


def test_bindings_end_with_their_allocation() -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    carol = relay.allocated("carol")
    alice.refresh(0).accepted()
    alice.allocate().accepted()
    alice.bind(0x4001, carol.relayed).accepted()
    alice.bind(0x4003, bob.relayed).accepted()


def test_retransmitted_bind_is_answered_again() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    transaction_id = alice.transaction()
    for _ in range(2):
        alice.request(
            Method.CHANNEL_BIND,
            wire.channel_number(0x4001),
            wire.peer(bob.relayed, transaction_id),
            transaction_id=transaction_id,
        ).accepted()


def test_three_legs_are_routed_pair_by_pair() -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    carol = relay.allocated("carol")
    assert len(relay.forwarding.routes) == 2
    carol.bind(0x4001, alice.relayed).accepted()
    carol.bind(0x4002, bob.relayed).accepted()
    assert len(alice.bind(0x4003, carol.relayed).before_answer()) == 2
    assert len(bob.bind(0x4003, carol.relayed).before_answer()) == 2
    assert len(relay.forwarding.live(relay.clock.now)) == 6
