"""How much one leg may have: RFC 8656 section 7.2, and what it leaves behind."""

import pytest

from relay.effects import Answered, Count, Deliver, DropRoute, LegIdle
from relay.errors import DropReason
from relay.stun.attributes import Attribute
from relay.stun.message import Method
from relay.turn.routes import PACKETS_FIRST
from tests.kit import wire
from tests.turn.client import Client, Relay
from tests.turn.test_outer_ports import CALLS, half_relayed
from tests.turn.test_relay_peers import user, wide


def talking(relay: Relay, number: int) -> list[Client]:
    """So many allocations of alice, each with a channel to an allocation of bob and back."""
    clients = []
    for _ in range(number):
        alice, bob = relay.pair()
        alice.bind(0x4001, bob.relayed).accepted()
        bob.bind(0x4001, alice.relayed).accepted()
        clients.append(alice)
    return clients


def is_there(client: Client) -> bool:
    """Whether the client still has its allocation."""
    return client.refresh().code == 0


def test_one_more_allocation_than_a_leg_may_have_that_all_carry_something_is_486() -> None:
    relay = Relay()
    clients = talking(relay, 4)
    exchange = relay.client("alice").allocate()
    assert exchange.effects[-1] == Answered(Method.ALLOCATE, 486)
    assert exchange.answer.is_signed_with(exchange.client.key)
    assert all(map(is_there, clients))
    relay.allocated("carol")
    relay.allocated("alice", "another")


def test_the_oldest_allocation_that_carries_nothing_gives_way() -> None:
    relay = Relay()
    (talks,) = talking(relay, 1)
    idle = [relay.allocated("alice") for _ in range(3)]
    newest = relay.allocated("alice")
    assert [is_there(client) for client in (talks, *idle, newest)] == [
        True,
        False,
        True,
        True,
        True,
    ]


def test_an_allocation_with_permissions_alone_gives_way() -> None:
    """libwebrtc permits every sibling on every allocation, long before it has chosen one."""
    relay = Relay(allocations_per_leg=1)
    alice, bob = relay.pair()
    alice.permit(bob.relayed).accepted()
    alice.bind(0x4001, bob.relayed).accepted()
    relay.allocated("alice")
    assert not is_there(alice)


def test_an_allocation_over_which_indications_cross_does_not_give_way_for_30_seconds() -> None:
    """Firefox binds no channel; consent is asked for every five seconds (RFC 7675)."""
    relay = Relay(allocations_per_leg=1)
    alice, bob = relay.pair()
    alice.permit(bob.relayed).accepted()
    bob.permit(alice.relayed).accepted()
    for _ in range(3):
        assert isinstance(bob.send(alice.relayed, b"x")[0], Deliver)
        relay.advance(29)
        assert relay.client("alice").allocate().code == 486
    relay.advance(1)
    relay.allocated("alice")
    assert not is_there(alice)


def test_an_allocation_that_a_route_only_leads_to_does_not_give_way() -> None:
    """Who watches and says nothing: what crosses on the route is not seen here."""
    relay = Relay(allocations_per_leg=1)
    alice, bob = relay.pair()
    alice.permit(bob.relayed).accepted()
    bob.permit(alice.relayed).accepted()
    for _ in range(PACKETS_FIRST):
        bob.send(alice.relayed, b"media")
    relay.advance(60)
    assert relay.client("alice").allocate().code == 486
    relay.advance(241)
    relay.allocated("alice")


def test_what_gives_way_ends_after_the_new_one_is_there_and_the_leg_is_never_idle() -> None:
    relay = Relay(allocations_per_leg=1)
    alice, bob = relay.pair()
    bob.bind(0x4001, alice.relayed).accepted()
    exchange = relay.client("alice").allocate()
    assert not any(isinstance(e, LegIdle | DropRoute) for e in exchange.before_answer())
    assert bob.channel_data(0x4001, b"x") == [Count(DropReason.EXPIRED, bob.leg)]
    assert not relay.server.is_known(alice.five_tuple)


def test_nothing_gives_way_to_an_allocation_that_is_refused() -> None:
    relay = Relay(allocations_per_leg=1)
    alice = relay.allocated("alice")
    assert relay.client("alice", ttl_s=-1).allocate().code == 401
    token = (int(Attribute.RESERVATION_TOKEN), bytes(8))
    assert relay.client("alice").allocate(token).code == 508
    assert is_there(alice)


def test_an_ice_restart_of_a_client_with_twelve_allocations_gets_all_of_its_new_ones() -> None:
    relay = Relay(allocations_per_leg=16)
    (talks,) = talking(relay, 1)
    for _ in range(11):
        relay.allocated("alice")
    new = [relay.allocated("alice") for _ in range(12)]
    assert all(map(is_there, [talks, *new]))


@pytest.mark.parametrize("how", ["deleted", "expired"])
def test_an_allocation_that_has_ended_gives_its_place_back(how: str) -> None:
    relay = Relay(allocations_per_leg=1)
    (first,) = talking(relay, 1)
    assert relay.client("alice").allocate().code == 486
    if how == "deleted":
        first.refresh(0).accepted()
    else:
        relay.advance(601)
    relay.allocated("alice")


def leave(client: Client) -> int:
    """Allocate and leave; the answer's code."""
    code = client.allocate().code
    if code == 0:
        client.refresh(0).accepted()
    return code


def test_ports_that_rest_count_against_the_user_that_used_them() -> None:
    relay = Relay(peers="relay", allocations_per_user=4)
    codes = [leave(user(relay, "mallory")) for _ in range(20)]  # the user is gone after each
    assert relay.live() == []
    assert codes == [0] * 16 + [486] * 4
    assert leave(user(relay, "alice")) == 0
    relay.advance(61)
    assert leave(user(relay, "mallory")) == 0


def test_one_user_cannot_take_the_ports_of_the_others() -> None:
    relay = wide(ports=range(50000, 50040), allocations_per_user=4)
    for _ in range(100):
        leave(user(relay, "mallory"))
    assert [leave(user(relay, f"user{number}")) for number in range(20)] == [0] * 20


@pytest.mark.parametrize("peers", ["call", "relay"])
def test_reserved_ports_count_and_are_given_back(peers: str) -> None:
    relay = Relay(peers=peers)
    codes = []
    for _ in range(20):
        alice = relay.client("alice")
        codes.append(alice.allocate(wire.even_port(reserve=True)).code)
        if codes[-1] == 0:
            alice.refresh(0).accepted()
    assert 486 in codes
    assert codes[:8] == [0] * 8
    relay.advance(91)  # a reservation lasts 30 s, and then its port rests for 60 s
    assert relay.client("alice").allocate(wire.even_port(reserve=True)).code == 0


@pytest.mark.parametrize("peers", ["call", "relay"])
def test_a_reserved_port_is_given_back_though_its_call_has_ended(peers: str) -> None:
    relay = Relay(peers=peers, ports=range(50000, 50002))
    relay.client("alice", "cv_one").allocate(wire.even_port(reserve=True)).accepted()
    relay.end("cv_one")
    relay.advance(91)
    relay.client("alice", "cv_two").allocate(wire.even_port(reserve=True)).accepted()


def test_a_reserved_port_is_not_counted_again_when_it_is_claimed() -> None:
    relay = wide(allocations_per_leg=1)
    alice = relay.client("alice", "cv_one")
    token = (
        alice.allocate(wire.even_port(reserve=True)).accepted().value(Attribute.RESERVATION_TOKEN)
    )
    for _ in range(2):
        relay.allocated("alice", "cv_one")
    assert relay.client("alice", "cv_one").allocate().code == 486
    relay.client("alice", "cv_one").allocate((int(Attribute.RESERVATION_TOKEN), token)).accepted()


def test_who_allocates_and_leaves_in_a_half_relayed_call_leaves_ports_for_other_calls() -> None:
    relay = half_relayed(ports=range(50000, 50032))
    for _ in range(100):
        assert leave(relay.client("alice")) == 0  # without a socket, when it has used up its own
    before = set(relay.forwarding.ports)
    for _ in range(4):
        relay.allocated("alice", CALLS[1])
    assert len(relay.forwarding.ports - before) == 4
