"""Routes for data that crosses without two channels: RFC 8656 sections 11 and 12."""

import gc

import pytest

from relay.address import PeerAddress
from relay.effects import Deliver, DropRoute, Effect, SetRoute, Via
from relay.turn.allocation import Allocation
from relay.turn.peer import CHANNEL_REST_S
from relay.turn.routes import PACKETS_FIRST
from tests.turn.client import Client, Relay

PERMISSION_S, CHANNEL_S = 300, 600


def permitted_pair(relay: Relay) -> tuple[Client, Client]:
    """Two legs with permissions both ways and no channels."""
    alice, bob = relay.pair()
    for one, other in ((alice, bob), (bob, alice)):
        one.refresh(3600).accepted()
        one.permit(other.relayed).accepted()
    return alice, bob


def routes(effects: list[Effect]) -> list[Effect]:
    """Those that set or end one."""
    return [effect for effect in effects if isinstance(effect, SetRoute | DropRoute)]


def flow(sender: Client, receiver: Client, packets: int = PACKETS_FIRST) -> list[Effect]:
    """So many Send indications; the routes that they led to."""
    found = []
    for _ in range(packets):
        effects = sender.send(receiver.relayed, b"media")
        assert sum(isinstance(effect, Deliver) for effect in effects) == 1
        found += routes(effects)
    return found


def route(
    relay: Relay, alice: Client, channel: Via, bob: Client, target_channel: Via, lasts_s: float
) -> SetRoute:
    """What leads from one client to the other for so long."""
    ends = alice.five_tuple, channel, bob.five_tuple, target_channel
    return SetRoute(*ends, alice.leg, int((relay.clock.now.mono + lasts_s) * 1e9))


def test_what_flows_in_indications_gets_a_route_from_send_to_data() -> None:
    relay = Relay()
    alice, bob = permitted_pair(relay)
    expected = route(relay, alice, bob.relayed, bob, alice.relayed, PERMISSION_S)
    assert flow(alice, bob) == [expected]


def test_the_checks_of_ice_alone_get_none() -> None:
    alice, bob = permitted_pair(Relay())
    assert flow(alice, bob, PACKETS_FIRST - 1) == []


def test_a_route_is_set_once() -> None:
    alice, bob = permitted_pair(Relay())
    assert len(flow(alice, bob, 10 * PACKETS_FIRST)) == 1


def test_the_receivers_channel_is_where_it_leads() -> None:
    relay = Relay()
    alice, bob = permitted_pair(relay)
    bob.bind(0x4007, alice.relayed).accepted()
    assert flow(alice, bob) == [route(relay, alice, bob.relayed, bob, 0x4007, PERMISSION_S)]


def test_a_channel_that_the_receiver_does_not_answer_leads_to_data_indications() -> None:
    relay = Relay()
    alice, bob = permitted_pair(relay)
    alice.bind(0x4001, bob.relayed).accepted()
    found = [alice.channel_data(0x4001, b"media") for _ in range(PACKETS_FIRST)]
    set_ = [effect for effects in found for effect in routes(effects)]
    assert set_ == [route(relay, alice, 0x4001, bob, alice.relayed, PERMISSION_S)]


def test_a_channel_bound_later_moves_the_route_to_it() -> None:
    relay = Relay()
    alice, bob = permitted_pair(relay)
    flow(alice, bob)
    bound = bob.bind(0x4007, alice.relayed).before_answer()
    assert bound == [route(relay, alice, bob.relayed, bob, 0x4007, PERMISSION_S)]


def test_a_channel_bound_back_takes_the_place_of_the_route() -> None:
    relay = Relay()
    alice, bob = permitted_pair(relay)
    alice.bind(0x4001, bob.relayed).accepted()
    for _ in range(PACKETS_FIRST):
        alice.channel_data(0x4001, b"media")
    bob.bind(0x4002, alice.relayed).accepted()
    (live,) = (r for r in relay.forwarding.live(relay.clock.now) if r.source == alice.five_tuple)
    assert (live.channel, live.target_channel) == (0x4001, 0x4002)
    assert routes(alice.refresh(0).effects) == [
        DropRoute(alice.five_tuple, 0x4001),
        DropRoute(bob.five_tuple, 0x4002),
    ]


def test_the_route_ends_with_the_first_permission_and_comes_again_with_the_next() -> None:
    relay = Relay()
    alice, bob = permitted_pair(relay)
    flow(alice, bob)
    relay.clock.advance(200)
    alice.permit(bob.relayed).accepted()
    assert relay.forwarding.live(relay.clock.now)
    relay.clock.advance(100)
    assert relay.forwarding.live(relay.clock.now) == []
    assert not any(isinstance(e, Deliver) for e in alice.send(bob.relayed, b"media"))
    bob.permit(alice.relayed).accepted()
    assert flow(alice, bob, 1) == [route(relay, alice, bob.relayed, bob, alice.relayed, 200)]


@pytest.mark.parametrize("who", ["sender", "receiver"])
@pytest.mark.parametrize("how", ["deletes", "disconnects"])
def test_the_end_of_either_allocation_ends_the_route(who: str, how: str) -> None:
    relay = Relay()
    alice, bob = permitted_pair(relay)
    flow(alice, bob)
    gone = alice if who == "sender" else bob
    effects = gone.refresh(0).effects if how == "deletes" else relay.disconnect(gone)
    assert routes(effects) == [DropRoute(alice.five_tuple, bob.relayed)]
    assert relay.forwarding.routes == {}


def test_a_party_that_is_added_leaves_the_route_alone() -> None:
    relay = Relay()
    alice, bob = permitted_pair(relay)
    assert flow(alice, bob)
    assert routes(relay.change("erin")) == []


def test_the_end_of_the_call_ends_the_route() -> None:
    relay = Relay()
    alice, bob = permitted_pair(relay)
    flow(alice, bob)
    flow(bob, alice)
    relay.end()
    assert relay.forwarding.routes == {}


def test_what_has_run_out_is_taken_away() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    alice.permit(bob.relayed).accepted()
    bob.permit(alice.relayed).accepted()
    flow(alice, bob)
    relay.clock.advance(500)
    alice.refresh(600).accepted()
    bob.refresh(600).accepted()
    relay.advance(200)
    assert relay.forwarding.routes == {}


def test_a_route_is_taken_away_when_it_runs_out_though_both_allocations_go_on() -> None:
    relay = Relay()
    alice, bob = permitted_pair(relay)
    flow(alice, bob)
    relay.advance(PERMISSION_S - 1)
    assert len(relay.forwarding.routes) == 1
    relay.advance(1)
    assert relay.forwarding.routes == {}


def test_nothing_gets_a_route_while_it_rings() -> None:
    relay = Relay()
    relay.create(ring=True)
    alice, bob = relay.pair()
    alice.permit(bob.relayed)
    bob.permit(alice.relayed)
    for _ in range(2 * PACKETS_FIRST):
        assert routes(alice.send(bob.relayed, b"early")) == []


def test_another_allocation_at_the_same_relayed_address_has_no_part_in_the_route() -> None:
    relay = Relay(ports=range(50000, 50002))
    alice, bob = permitted_pair(relay)
    address = bob.relayed
    flow(alice, bob)
    bob.refresh(0).accepted()
    carol = relay.allocated("carol")
    assert carol.relayed == PeerAddress(address.packed, address.port)
    assert relay.forwarding.live(relay.clock.now) == []
    effects = alice.send(carol.relayed, b"media")
    assert not any(isinstance(effect, Deliver | SetRoute) for effect in effects)


def test_the_route_to_a_channel_ends_with_the_channel() -> None:
    relay = Relay()
    alice, bob = permitted_pair(relay)
    bob.bind(0x4007, alice.relayed).accepted()
    relay.clock.advance(CHANNEL_S - 10)
    alice.permit(bob.relayed).accepted()
    bob.permit(alice.relayed).accepted()
    assert flow(alice, bob) == [route(relay, alice, bob.relayed, bob, 0x4007, 10)]
    relay.clock.advance(10)
    again = route(relay, alice, bob.relayed, bob, alice.relayed, PERMISSION_S - 10)
    assert flow(alice, bob, 1) == [DropRoute(alice.five_tuple, bob.relayed), again]


def test_who_came_and_went_is_not_kept_while_the_receiver_goes_on() -> None:
    """Nor where the routes of two channels have taken the place of the one that was on its way."""
    relay = Relay()
    bob = relay.allocated("bob")
    gc.collect()
    gc.disable()
    try:
        before = allocations()
        for _ in range(5):
            bob.keep()
            alice = relay.allocated("alice")
            alice.bind(0x4001, bob.relayed).accepted()
            bob.permit(alice.relayed).accepted()
            assert any(isinstance(e, Deliver) for e in alice.channel_data(0x4001, b"media"))
            bob.bind(0x4001, alice.relayed).accepted()
            alice.refresh(0).accepted()
            relay.advance(CHANNEL_S + CHANNEL_REST_S)
        assert allocations() == before + 1  # whom the channel was bound to last
    finally:
        gc.enable()


def allocations() -> int:
    """How many there are in memory, dead ones among them."""
    return sum(isinstance(each, Allocation) for each in gc.get_objects())
