"""What time does by itself: `next_timeout` and `handle_timeout`."""

import gc

from relay.effects import CallEnded, Count, DropLeg, DropRoute, EndReason, LegIdle
from relay.errors import DropReason
from relay.turn.allocation import Allocation
from tests.kit import wire
from tests.turn.client import Relay


def test_without_allocations_nothing_is_due() -> None:
    relay = Relay()
    assert relay.server.next_timeout() is None
    relay.client(call="call").challenge()
    assert relay.server.next_timeout() is None
    assert relay.server.handle_timeout(relay.clock.now) == []


def test_something_is_due_by_the_time_the_allocation_ends() -> None:
    relay = Relay()
    relay.allocated()
    due = relay.server.next_timeout()
    assert due is not None
    assert relay.clock.now.mono < due <= relay.clock.now.mono + 600


def test_timeout_handled_too_early_does_nothing() -> None:
    relay = Relay()
    relay.bound_pair()
    relay.clock.advance(1)
    assert relay.server.handle_timeout(relay.clock.now) == []
    assert len(relay.forwarding.live(relay.clock.now)) == 2


def test_expired_allocation_is_forgotten_and_its_leg_is_idle() -> None:
    relay = Relay()
    client = relay.allocated(call="call")
    assert relay.advance(601) == [
        LegIdle(client.leg),
        CallEnded("call", EndReason.LEFT, 600.0, (client.leg,)),
        DropLeg(client.leg),
    ]
    assert relay.server.next_timeout() is None
    assert client.refresh().code == 437


def test_expired_allocation_takes_the_routes_of_both_directions() -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    bob.refresh(3600).accepted()
    relay.advance(599)
    effects = relay.advance(2)
    assert [type(effect) for effect in effects] == [DropRoute, DropRoute, LegIdle]
    assert set(effects) == {
        DropRoute(alice.five_tuple, 0x4001),
        DropRoute(bob.five_tuple, 0x4002),
        LegIdle(alice.leg),
    }
    bob.refresh().accepted()


def test_expired_channel_takes_its_routes_along() -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    for client in (alice, bob):
        client.refresh(3600).accepted()
    relay.advance(1000)
    assert relay.forwarding.routes == {}


def test_routes_that_came_with_the_answer_run_out_with_their_channels() -> None:
    relay = Relay()
    relay.create(ring=True)
    alice, bob = relay.client("alice"), relay.client("bob")
    for client in (alice, bob):
        client.allocate(wire.lifetime(3600)).accepted()
    alice.bind(0x4001, bob.relayed).accepted()
    bob.bind(0x4002, alice.relayed).accepted()
    relay.accept()
    assert len(relay.forwarding.routes) == 2
    relay.advance(600)
    assert relay.forwarding.routes == {}


def test_routes_run_out_with_the_channel_that_was_bound_first() -> None:
    relay = Relay()
    alice, bob = relay.client("alice"), relay.client("bob")
    for client in (alice, bob):
        client.allocate(wire.lifetime(3600)).accepted()
    bob.bind(0x4002, alice.relayed).accepted()
    relay.advance(300)
    alice.bind(0x4001, bob.relayed).accepted()
    assert len(relay.forwarding.routes) == 2
    relay.advance(300)
    assert relay.forwarding.routes == {}


def test_timeout_that_comes_late_catches_up() -> None:
    relay = Relay()
    relay.bound_pair("call")
    relay.clock.advance(10_000)
    relay.forwarding.apply(relay.server.handle_timeout(relay.clock.now))
    assert relay.forwarding.routes == {}
    assert relay.server.next_timeout() is None


def test_refreshed_allocation_outlives_the_timeout_it_had() -> None:
    relay = Relay()
    client = relay.allocated()
    relay.advance(300)
    client.refresh(3600).accepted()
    relay.advance(3500)
    client.keep()


def test_allocation_made_again_outlives_the_timeout_of_the_one_before() -> None:
    relay = Relay()
    client = relay.allocated()
    relay.advance(300)
    client.refresh(0).accepted()
    client.allocate().accepted()
    relay.advance(400)
    client.refresh().accepted()


def test_everything_that_ended_is_forgotten() -> None:
    relay = Relay()
    for call in range(20):
        alice, _ = relay.bound_pair(str(call))
        if call % 3 == 0:
            alice.refresh(0).accepted()
        if call % 3 == 1:
            relay.end(str(call))
    relay.advance(5000)
    assert relay.forwarding.routes == {}
    assert relay.server.next_timeout() is None


def test_ten_thousand_refreshes_leave_one_timeout() -> None:
    relay = Relay()
    client = relay.allocated()
    for _ in range(10_000):
        relay.clock.advance(0.02)
        client.refresh().accepted()
    assert relay.advance(601) == [LegIdle(client.leg)]
    assert client.channel_data(0x4000, b"") == [Count(DropReason.NO_ALLOCATION)]


def test_deleted_allocations_are_not_kept_until_they_would_have_ended() -> None:
    relay = Relay()
    kept = [relay.allocated("alice", f"call{number}") for number in range(10)]
    for _ in range(500):
        relay.clock.advance(0.04)
        relay.allocated().refresh(0).accepted()
    gc.collect()
    of_relay = [each for each in gc.get_objects() if isinstance(each, Allocation)]
    assert len(of_relay) < 100
    effects = relay.advance(600)
    assert [type(effect) for effect in effects] == [LegIdle, CallEnded, DropLeg] * len(kept)
