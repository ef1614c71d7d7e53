"""A party leaves a call: what is its own goes at once, and nothing of the others' does."""

import pytest

from relay.address import ServerAddress
from relay.effects import (
    NO_CHANNEL,
    CallAccepted,
    CallEnded,
    ClosePort,
    Count,
    Deliver,
    DropLeg,
    DropRoute,
    EndReason,
    LegEnded,
    LegIdle,
    LegKey,
    SetRoute,
)
from relay.errors import CallError, DropReason
from tests.turn.client import CALL, LOCAL_IPV4, PARTIES, Client, Relay
from tests.turn.test_outer_ports import half_relayed, outside, own


def all_bound(relay: Relay, *names: str) -> list[Client]:
    """Legs of one call with a channel from each to each."""
    relay.create(CALL, names)
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
    gone = LegKey(CALL, "tablet")
    assert relay.end_party("tablet") == [
        DropRoute(tablet.five_tuple, 0x4001),
        DropRoute(alice.five_tuple, 0x4003),
        DropRoute(tablet.five_tuple, 0x4002),
        DropRoute(phone.five_tuple, 0x4003),
        LegIdle(gone),
        LegEnded(gone),
        DropLeg(gone),
    ]
    between = {(alice.five_tuple, 0x4002), (phone.five_tuple, 0x4001)}
    assert relay.forwarding.routes == {key: before[key] for key in between}
    call = relay.server.call(CALL, relay.clock.now)
    assert [leg.id for leg in call.legs] == ["alice", "phone"]
    assert relay.end_party("tablet") == []


def test_nobody_reaches_it_and_it_reaches_nobody() -> None:
    relay = Relay()
    alice, phone, tablet = all_bound(relay, "alice", "phone", "tablet")
    relay.end_party("tablet")
    for effects in (
        tablet.channel_data(0x4001, b"hello"),
        tablet.send(alice.relayed, b"hello"),
    ):
        assert effects == [Count(DropReason.NO_ALLOCATION)]
    assert alice.channel_data(0x4003, b"hello") == [Count(DropReason.EXPIRED, alice.leg)]
    assert alice.send(tablet.relayed, b"hello") == [Count(DropReason.NOT_A_SIBLING, alice.leg)]
    assert (alice.bind(0x4004, tablet.relayed).code, tablet.refresh().code) == (403, 437)
    assert tablet.allocate().code == 403
    (delivered,) = alice.channel_data(0x4002, b"hello")
    assert isinstance(delivered, Deliver)
    assert delivered.client == phone.five_tuple


def test_a_leg_with_several_allocations_loses_all_of_them() -> None:
    relay = Relay()
    relay.pair()
    for _ in range(3):
        relay.allocated("carol")
    gone = LegKey(CALL, "carol")
    assert relay.end_party("carol") == [LegIdle(gone), LegEnded(gone), DropLeg(gone)]
    assert sum(relay.server.count_allocations().values()) == 2


def test_of_a_call_that_is_not_there_nothing_follows() -> None:
    relay = Relay()
    relay.create()
    for call in (CALL, "cv_never"):
        with pytest.raises(CallError) as refused:
            relay.end_party("mallory", call)
        assert refused.value.kind == ("unknown_party" if call == CALL else "unknown_call")
    assert relay.end_party("alice", "call") == []
    assert relay.client("alice", "call").allocate().code == 403
    relay.allocated("bob", "call")


def test_the_unmasked_partys_own_address_is_a_peer_no_longer_when_it_leaves() -> None:
    relay = half_relayed()
    alice, bob = relay.pair()
    alice.bind(0x4001, own(bob)).accepted()
    assert len(relay.forwarding.routes) == 2
    there = outside(bob, alice.relayed)
    assert relay.end_party("bob") == [
        DropRoute(there, NO_CHANNEL),
        DropRoute(alice.five_tuple, 0x4001),
        ClosePort(there.server),
        LegIdle(bob.leg),
        LegEnded(bob.leg),
        DropLeg(bob.leg),
    ]
    assert relay.forwarding.routes == {}
    assert relay.receive_outside(b"x", own(bob), alice.relayed) == [
        Count(DropReason.UNKNOWN_SOURCE)
    ]
    assert alice.permit(own(bob)).code == 403


def test_outer_ports_are_closed_too_where_that_party_never_came() -> None:
    relay = half_relayed()
    alice = relay.allocated("alice")
    assert relay.end_party("bob") == [
        ClosePort(ServerAddress(LOCAL_IPV4, alice.relayed.port)),
        LegEnded(LegKey(CALL, "bob")),
    ]


def test_when_a_masked_party_leaves_the_other_still_meets_the_unmasked_one() -> None:
    relay = half_relayed()
    alice, bob, dan = (relay.allocated(name) for name in ("alice", "bob", "dan"))
    for client in (alice, dan):
        client.bind(0x4001, own(bob)).accepted()
    relay.end_party("dan")
    sources = {route.source for route in relay.forwarding.routes.values()}
    assert sources == {alice.five_tuple, outside(bob, alice.relayed)}
    assert all(isinstance(route, SetRoute) for route in relay.forwarding.routes.values())
    assert isinstance(relay.receive_outside(b"x", own(bob), alice.relayed)[0], Deliver)


def test_who_is_called_and_does_not_answer_leaves_before_the_routes_of_the_others() -> None:
    relay = Relay()
    relay.create(parties=("alice", "phone", "tablet"), ring=True)
    alice, phone, tablet = (relay.allocated(name) for name in ("alice", "phone", "tablet"))
    for channel, called in ((0x4001, phone), (0x4002, tablet)):
        alice.bind(channel, called.relayed).accepted()
        called.bind(0x4000, alice.relayed).accepted()
    expires_ns = (5000 + 600) * 10**9
    assert relay.accept(answered="phone") == [
        LegIdle(tablet.leg),
        LegEnded(tablet.leg),
        DropLeg(tablet.leg),
        SetRoute(alice.five_tuple, 0x4001, phone.five_tuple, 0x4000, alice.leg, expires_ns),
        SetRoute(phone.five_tuple, 0x4000, alice.five_tuple, 0x4001, phone.leg, expires_ns),
        CallAccepted(CALL),
    ]


@pytest.mark.parametrize("rings", [True, False])
def test_the_call_is_over_when_it_cannot_go_on_without_that_party(rings: bool) -> None:
    relay = Relay()
    relay.create(parties=("alice", "bob") if not rings else PARTIES, ring=rings)
    alice, bob = relay.bound_pair()
    dropped = [DropRoute(alice.five_tuple, 0x4001), DropRoute(bob.five_tuple, 0x4002)]
    assert relay.end_party("alice") == [
        *([] if rings else dropped),
        LegIdle(alice.leg),
        LegIdle(bob.leg),
        CallEnded(CALL, EndReason.ENDED, 0.0, (alice.leg, bob.leg)),
        DropLeg(alice.leg),
        DropLeg(bob.leg),
    ]
