"""A party leaves a call: what is its own goes at once, and nothing of the others' does."""

from relay.effects import (
    ClosePort,
    Count,
    Deliver,
    DropLeg,
    DropRoute,
    Effect,
    LegIdle,
    LegKey,
    SetRoute,
)
from relay.errors import DropReason
from tests.turn.client import Client, Relay
from tests.turn.test_outer_ports import half_relayed, outside, own


def keep(relay: Relay, *legs: str, call: str = "call", half: bool = False) -> list[Effect]:
    """Only these legs stay in the call."""
    effects = relay.server.keep_legs(call, frozenset(legs), half_relayed=half, now=relay.clock.now)
    return relay.forwarding.apply(effects)


def all_bound(relay: Relay, *names: str) -> list[Client]:
    """Legs of one call with a channel from each to each."""
    clients = [relay.allocated(name) for name in names]
    for client in clients:
        for number, other in enumerate(clients):
            if other is not client:
                client.bind(0x4001 + number, other.relayed).accepted()
    return clients


def test_its_routes_go_both_ways_then_its_leg_and_the_others_stay() -> None:
    relay = Relay()
    alice, phone, tablet = all_bound(relay, "alice", "phone", "tablet")
    before = dict(relay.forwarding.routes)
    gone = LegKey("call", "tablet")
    assert keep(relay, "alice", "phone") == [
        DropRoute(tablet.five_tuple, 0x4001),
        DropRoute(alice.five_tuple, 0x4003),
        DropRoute(tablet.five_tuple, 0x4002),
        DropRoute(phone.five_tuple, 0x4003),
        LegIdle(gone),
        DropLeg(gone),
    ]
    between = {(alice.five_tuple, 0x4002), (phone.five_tuple, 0x4001)}
    assert relay.forwarding.routes == {key: before[key] for key in between}
    assert relay.server.legs_of("call") == ["alice", "phone"]
    assert keep(relay, "alice", "phone") == []


def test_nobody_reaches_it_and_it_reaches_nobody() -> None:
    relay = Relay()
    alice, phone, tablet = all_bound(relay, "alice", "phone", "tablet")
    keep(relay, "alice", "phone")
    for effects in (
        tablet.channel_data(0x4001, b"hello"),
        tablet.send(alice.relayed, b"hello"),
    ):
        assert effects == [Count(DropReason.NO_ALLOCATION)]
    assert alice.channel_data(0x4003, b"hello") == [Count(DropReason.EXPIRED, alice.leg)]
    assert alice.send(tablet.relayed, b"hello") == [Count(DropReason.NOT_A_SIBLING, alice.leg)]
    assert (alice.bind(0x4004, tablet.relayed).code, tablet.refresh().code) == (403, 437)
    (delivered,) = alice.channel_data(0x4002, b"hello")
    assert isinstance(delivered, Deliver)
    assert delivered.client == phone.five_tuple


def test_a_leg_with_several_allocations_loses_all_of_them() -> None:
    relay = Relay()
    relay.pair()
    for _ in range(3):
        relay.allocated("tablet")
    keep(relay, "alice", "bob")
    assert sum(relay.server.count_allocations().values()) == 2


def test_of_a_call_that_is_not_there_nothing_follows() -> None:
    assert keep(Relay(), "alice") == []


def test_the_unmasked_partys_own_address_is_a_peer_no_longer_when_it_leaves() -> None:
    relay = half_relayed()
    alice, bob = relay.pair()
    alice.bind(0x4001, own(bob)).accepted()
    assert len(relay.forwarding.routes) == 2
    effects = keep(relay, "alice")
    assert DropRoute(outside(bob, alice.relayed), 0) in effects
    assert any(isinstance(effect, ClosePort) for effect in effects)
    assert relay.forwarding.routes == {}
    assert relay.receive_outside(b"x", own(bob), alice.relayed) == [
        Count(DropReason.UNKNOWN_SOURCE)
    ]
    assert alice.permit(own(bob)).code == 403


def test_outer_ports_are_closed_too_where_that_party_never_came() -> None:
    relay = half_relayed()
    relay.allocated("alice")
    (closed,) = keep(relay, "alice")
    assert isinstance(closed, ClosePort)


def test_when_a_masked_party_leaves_the_other_still_meets_the_unmasked_one() -> None:
    relay = half_relayed()
    relay.directory.masked = {"alice", "dan"}
    alice, bob, dan = (relay.allocated(name) for name in ("alice", "bob", "dan"))
    for client in (alice, dan):
        client.bind(0x4001, own(bob)).accepted()
    keep(relay, "alice", "bob", half=True)
    sources = {route.source for route in relay.forwarding.routes.values()}
    assert sources == {alice.five_tuple, outside(bob, alice.relayed)}
    assert all(isinstance(route, SetRoute) for route in relay.forwarding.routes.values())
    assert isinstance(relay.receive_outside(b"x", own(bob), alice.relayed)[0], Deliver)
