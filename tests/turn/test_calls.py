"""What a call does to its legs: ringing, opening, ending, and a connection that goes away."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from relay.address import Transport
from relay.calls.call import CallState
from relay.effects import (
    Answered,
    CallAccepted,
    CallCreated,
    CallEnded,
    Count,
    Deliver,
    DropLeg,
    DropRoute,
    Effect,
    EndReason,
    LegConnected,
    LegIdle,
    SetLeg,
    SetRoute,
)
from relay.errors import CallError, DropReason
from relay.stun.message import Method
from tests.kit import wire
from tests.turn.client import CALL, RULES, Client, Relay


def of(effects: list[Effect], kind: type[Effect]) -> list[Effect]:
    """The effects of one kind, in their order."""
    return [effect for effect in effects if isinstance(effect, kind)]


def test_while_a_call_rings_everything_is_made_ready_but_no_route() -> None:
    relay = Relay()
    relay.create(ring=True)
    alice, bob = relay.pair()
    for exchange in (
        alice.permit(bob.relayed),
        bob.permit(alice.relayed),
        alice.bind(0x4001, bob.relayed),
        bob.bind(0x4002, alice.relayed),
        alice.refresh(),
    ):
        exchange.accepted()
        assert exchange.before_answer() == []


def test_while_a_call_rings_nothing_is_delivered() -> None:
    relay = Relay()
    relay.create(ring=True)
    alice, bob = relay.bound_pair()
    for client, channel, other in ((alice, 0x4001, bob), (bob, 0x4002, alice)):
        rung: list[Effect] = [Count(DropReason.RINGING, client.leg)]
        assert client.channel_data(channel, b"x") == rung
        assert client.send(other.relayed, b"x") == rung


def test_opening_sets_the_routes_of_every_pair_bound_on_both_ends() -> None:
    relay = Relay()
    relay.create(ring=True)
    alice, bob = relay.bound_pair()
    carol = relay.allocated("carol")
    carol.bind(0x4001, alice.relayed).accepted()
    relay.advance(100)
    effects = relay.accept()
    expires_ns = (5000 + 600) * 10**9
    assert effects == [
        SetRoute(alice.five_tuple, 0x4001, bob.five_tuple, 0x4002, alice.leg, expires_ns),
        SetRoute(bob.five_tuple, 0x4002, alice.five_tuple, 0x4001, bob.leg, expires_ns),
        CallAccepted(CALL),
    ]


def test_opening_sets_the_routes_of_three_legs_that_know_each_other() -> None:
    relay = Relay()
    relay.create(ring=True)
    clients = [relay.allocated(leg) for leg in ("alice", "bob", "carol")]
    for client in clients:
        for channel, other in enumerate(clients, start=0x4000):
            if other is not client:
                client.bind(channel, other.relayed).accepted()
    assert len(of(relay.accept(), SetRoute)) == 6


@pytest.mark.parametrize("is_handled", [True, False])
def test_a_call_that_has_rung_for_too_long_is_opened_no_more(is_handled: bool) -> None:
    """No channel of it expires before that."""
    relay = Relay()
    relay.create(ring=True)
    alice, bob = relay.bound_pair()
    effects = []
    if is_handled:
        effects = relay.advance(180)
    else:
        relay.clock.advance(180)
    with pytest.raises(CallError) as refused:
        relay.accept()
    assert refused.value.kind == "wrong_state"
    assert relay.forwarding.routes == {}
    effects += relay.forwarding.apply(relay.server.handle_timeout(relay.clock.now))
    assert effects == [
        LegIdle(alice.leg),
        LegIdle(bob.leg),
        CallEnded(CALL, EndReason.NOT_ACCEPTED, 180.0, (alice.leg, bob.leg)),
        DropLeg(alice.leg),
        DropLeg(bob.leg),
    ]


def test_data_crosses_once_the_call_is_open() -> None:
    relay = Relay()
    relay.create(ring=True)
    alice, bob = relay.bound_pair()
    relay.accept()
    expected = Deliver(alice.leg, bob.five_tuple, wire.channel_data(0x4002, b"x"), 1)
    assert alice.channel_data(0x4001, b"x") == [expected]
    assert alice.send(bob.relayed, b"x") == [expected]


def test_leg_that_allocates_after_opening_is_open() -> None:
    relay = Relay()
    relay.create(ring=True)
    alice = relay.allocated("alice")
    relay.accept()
    bob = relay.allocated("bob")
    alice.bind(0x4001, bob.relayed).accepted()
    assert len(bob.bind(0x4002, alice.relayed).before_answer()) == 2


def test_opening_one_call_does_not_open_another() -> None:
    relay = Relay()
    for call in ("one", "two"):
        relay.create(call, ring=True)
    relay.bound_pair("one")
    alice, _ = relay.bound_pair("two")
    relay.accept("one")
    assert alice.channel_data(0x4001, b"x") == [Count(DropReason.RINGING, alice.leg)]
    assert {route.leg.call for route in relay.forwarding.live(relay.clock.now)} == {"one"}


def test_opening_a_call_that_nobody_knows_does_nothing() -> None:
    relay = Relay()
    for name in ("unheard", "cv_never"):
        with pytest.raises(CallError) as refused:
            relay.accept(name)
        assert refused.value.kind == "unknown_call"
    with pytest.raises(CallError) as refused:
        relay.end("cv_never")
    assert refused.value.kind == "unknown_call"
    assert relay.end("unheard") == []
    assert relay.client("alice", "unheard").allocate().code == 403


def test_ending_drops_every_route_and_then_every_leg() -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    relay.clock.advance(10)
    assert relay.end() == [
        DropRoute(alice.five_tuple, 0x4001),
        DropRoute(bob.five_tuple, 0x4002),
        LegIdle(alice.leg),
        LegIdle(bob.leg),
        CallEnded(CALL, EndReason.ENDED, 10.0, (alice.leg, bob.leg)),
        DropLeg(alice.leg),
        DropLeg(bob.leg),
    ]


def test_ending_drops_the_leg_of_a_party_that_already_left() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    bob.refresh(0).accepted()
    assert set(of(relay.end(), DropLeg)) == {DropLeg(alice.leg), DropLeg(bob.leg)}


def test_ending_twice_is_ending_once() -> None:
    relay = Relay()
    relay.bound_pair()
    relay.end()
    assert relay.end() == []


AFTER_THE_END: dict[str, Callable[[Client, Client], list[Effect]]] = {
    "refresh": lambda alice, bob: alice.refresh().effects,
    "delete": lambda alice, bob: alice.refresh(0).effects,
    "permission": lambda alice, bob: alice.permit(bob.relayed).effects,
    "channel": lambda alice, bob: alice.bind(0x4001, bob.relayed).effects,
}


@pytest.mark.parametrize("request_of", AFTER_THE_END.values(), ids=AFTER_THE_END.keys())
def test_after_the_end_every_request_is_437(
    request_of: Callable[[Client, Client], list[Effect]],
) -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    relay.end()
    answered = request_of(alice, bob)[-1]
    assert isinstance(answered, Answered)
    assert answered.code == 437


def test_after_the_end_nothing_is_delivered() -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    relay.end()
    silent: list[Effect] = [Count(DropReason.NO_ALLOCATION)]
    assert alice.channel_data(0x4001, b"x") == silent
    assert bob.send(alice.relayed, b"x") == silent


def test_after_the_end_there_is_no_new_allocation() -> None:
    relay = Relay()
    alice, _ = relay.bound_pair()
    relay.end()
    assert alice.allocate().code == 403
    assert relay.live() == []


def test_retransmitted_allocate_does_not_bring_an_ended_call_back() -> None:
    relay = Relay()
    alice = relay.client("alice")
    transaction_id = alice.transaction()
    alice.allocate(transaction_id=transaction_id).accepted()
    relay.end()
    assert alice.allocate(transaction_id=transaction_id).code == 403


def test_leg_that_comes_back_is_set_again() -> None:
    """Whose call only credentials name: it is over when its time is, and may begin anew."""
    relay = Relay()
    relay.server.set_rules(replace(RULES, call_duration_s=100))
    alice, bob = relay.pair("call")
    assert relay.advance(100) == [
        LegIdle(alice.leg),
        LegIdle(bob.leg),
        CallEnded("call", EndReason.EXPIRED, 100.0, (alice.leg, bob.leg)),
        DropLeg(alice.leg),
        DropLeg(bob.leg),
    ]
    assert alice.allocate().before_answer() == [
        CallCreated("call", is_ringing=False),
        SetLeg(alice.leg, 4_000_000, 2_000),
        LegConnected(alice.leg, Transport.UDP),
    ]


def test_ending_one_call_leaves_another_alone() -> None:
    relay = Relay()
    alice, bob = relay.bound_pair("one")
    relay.bound_pair("two")
    relay.end("two")
    assert len(relay.forwarding.live(relay.clock.now)) == 2
    assert isinstance(alice.channel_data(0x4001, b"x")[0], Deliver)
    bob.refresh().accepted()


def test_ended_call_gives_its_places_back() -> None:
    relay = Relay(allocations=2)
    relay.pair("one")
    assert relay.client("alice", "two").allocate().code == 508
    relay.end("one")
    relay.pair("two")


def test_of_an_ended_call_its_ports_are_not_remembered() -> None:
    """It is remembered while its credentials are good, and so are 65,536 others."""
    relay = Relay()
    alice, _ = relay.pair()
    alice.refresh(0).accepted()
    relay.end()
    ended = relay.server.call(CALL, relay.clock.now)
    assert ended.state is CallState.ENDED
    assert (ended.legs, ended.by_port, ended.known, ended.pool) == ([], {}, {}, None)


def test_nothing_is_delivered_after_the_calls_expiry_even_if_nobody_ended_it() -> None:
    relay = Relay()
    relay.create(max_duration_s=100)
    alice, bob = relay.bound_pair()
    relay.clock.advance(100.5)
    assert alice.channel_data(0x4001, b"x") == [
        DropRoute(alice.five_tuple, 0x4001),
        DropRoute(bob.five_tuple, 0x4002),
        LegIdle(alice.leg),
        LegIdle(bob.leg),
        CallEnded(CALL, EndReason.EXPIRED, 100.5, (alice.leg, bob.leg)),
        DropLeg(alice.leg),
        DropLeg(bob.leg),
        Count(DropReason.NO_ALLOCATION),
    ]
    assert alice.send(bob.relayed, b"x") == [Count(DropReason.NO_ALLOCATION)]


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])
def test_connection_that_goes_away_takes_its_allocation_with_it(transport: Transport) -> None:
    relay = Relay()
    alice = relay.client("alice", transport=transport)
    alice.allocate().accepted()
    bob = relay.allocated("bob")
    alice.bind(0x4001, bob.relayed).accepted()
    bob.bind(0x4002, alice.relayed).accepted()
    *dropped, idle = relay.disconnect(alice)
    assert idle == LegIdle(alice.leg)
    assert set(dropped) == {
        DropRoute(alice.five_tuple, 0x4001),
        DropRoute(bob.five_tuple, 0x4002),
    }
    assert alice.refresh().code == 437
    assert bob.bind(0x4002, alice.relayed).code == 403
    assert isinstance(bob.channel_data(0x4002, b"x")[0], Count)


def test_connection_without_allocation_goes_away_quietly() -> None:
    relay = Relay()
    client = relay.client(transport=Transport.TCP)
    client.challenge()
    assert relay.disconnect(client) == []


def test_allocate_after_the_connection_went_away_is_a_new_allocation() -> None:
    relay = Relay()
    alice = relay.client("alice", transport=Transport.TCP)
    transaction_id = alice.transaction()
    alice.allocate(transaction_id=transaction_id).accepted()
    relay.disconnect(alice)
    exchange = alice.allocate(transaction_id=transaction_id)
    assert exchange.effects[-1] == Answered(Method.ALLOCATE, 0)
    alice.refresh().accepted()
