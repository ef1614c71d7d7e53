"""`peers: relay`: any allocation of the relay may be a peer, but never a leg of a closed call."""

from relay.address import PeerAddress
from relay.effects import (
    CallChanged,
    CallEnded,
    Count,
    Deliver,
    DropLeg,
    DropRoute,
    EndReason,
    LegIdle,
    SetRoute,
)
from relay.errors import DropReason
from tests.kit import wire
from tests.turn.client import PARTIES, RELAY_IPV4, Client, Relay

SINK = PeerAddress(bytes((203, 0, 113, 9)), 53)


def wide(**overrides: object) -> Relay:
    """A relay on which legs of every call but `cv_closed` may meet those of every other."""
    relay = Relay(peers="relay", **overrides)
    relay.create("cv_closed", asked=PARTIES)
    return relay


def user(relay: Relay, name: str) -> Client:
    """A client with the `<expiry>:<user>` credential of other signaling servers."""
    return relay.user(f"{int(relay.clock.now.wall) + 60}:{name}")


def bound_across(relay: Relay) -> tuple[Client, Client]:
    """Legs of two calls with channels to each other."""
    alice, bob = relay.allocated("alice", "cv_one"), relay.allocated("bob", "cv_two")
    alice.bind(0x4001, bob.relayed).accepted()
    bob.bind(0x4002, alice.relayed).accepted()
    return alice, bob


def test_legs_of_two_calls_may_permit_each_other() -> None:
    relay = wide()
    alice, bob = relay.allocated("alice", "cv_one"), relay.allocated("bob", "cv_two")
    alice.permit(bob.relayed).accepted()
    bob.permit(alice.relayed).accepted()
    assert isinstance(alice.send(bob.relayed, b"x")[0], Deliver)


def test_a_permission_is_for_every_allocation_of_a_leg_and_for_no_other_leg() -> None:
    """All relayed addresses share an IP, so one for an IP would admit the whole relay."""
    relay = wide()
    alice, bob = relay.allocated("alice", "cv_one"), relay.allocated("bob", "cv_two")
    restarted, carol = relay.allocated("bob", "cv_two"), relay.allocated("carol", "cv_two")
    alice.permit(bob.relayed).accepted()
    for client in (restarted, carol):
        client.permit(alice.relayed).accepted()
    assert isinstance(restarted.send(alice.relayed, b"x")[0], Deliver)
    assert isinstance(alice.send(restarted.relayed, b"x")[0], Deliver)
    assert carol.send(alice.relayed, b"x") == [Count(DropReason.NO_PERMISSION, carol.leg)]


def test_a_channel_does_not_lead_to_whoever_gets_the_port_later() -> None:
    relay = wide(ports=range(50000, 50002))
    alice, bob = bound_across(relay)
    bob.refresh(0).accepted()
    relay.advance(61)
    carol = relay.allocated("carol", "cv_two")
    assert carol.relayed == bob.relayed
    carol.bind(0x4002, alice.relayed).accepted()
    assert relay.forwarding.routes == {}
    assert alice.channel_data(0x4001, b"x") == [Count(DropReason.EXPIRED, alice.leg)]
    alice.bind(0x4001, carol.relayed).accepted()
    assert len(relay.forwarding.live(relay.clock.now)) == 2


def test_what_was_permitted_before_the_call_was_closed_holds_for_siblings_alone() -> None:
    relay = wide()
    alice, bob = relay.pair("cv_one")
    stranger = relay.allocated("carol", "cv_two")
    for client, other in ((alice, bob), (bob, alice), (alice, stranger), (stranger, alice)):
        client.permit(other.relayed).accepted()
    assert relay.change(call="cv_one", asked=("alice", "bob")) == [CallChanged("cv_one")]
    assert isinstance(alice.send(bob.relayed, b"x")[0], Deliver)
    assert alice.send(stranger.relayed, b"x") == [Count(DropReason.NOT_A_SIBLING, alice.leg)]
    assert isinstance(stranger.send(alice.relayed, b"x")[0], Count)


def test_a_channel_into_a_call_that_is_closed_later_leads_nowhere() -> None:
    """Though the call's own permissions are for the IP that all relayed addresses share."""
    relay = wide()
    stranger, bob = bound_across(relay)
    assert relay.change(call="cv_two", asked=("bob", "carol")) == [
        DropRoute(bob.five_tuple, 0x4002),
        DropRoute(stranger.five_tuple, 0x4001),
        CallChanged("cv_two"),
    ]
    carol = relay.allocated("carol", "cv_two")
    bob.permit(carol.relayed).accepted()
    carol.permit(bob.relayed).accepted()
    assert isinstance(carol.send(bob.relayed, b"x")[0], Deliver)
    refused = [Count(DropReason.NO_PERMISSION, stranger.leg)]
    assert stranger.channel_data(0x4001, b"x") == refused
    assert relay.forwarding.live(relay.clock.now) == []


def test_a_leg_of_a_closed_call_that_rings_binds_no_channel_to_a_stranger() -> None:
    """While it rings it may name every port of the relay; what it names must not come to life."""
    relay = wide()
    relay.create("cv_two", ring=True)
    stranger, bob = bound_across(relay)
    relay.change(call="cv_two", asked=("bob",))
    bob.bind(0x4003, stranger.relayed).accepted()
    relay.accept("cv_two")
    stranger.refresh(600).accepted()
    assert relay.forwarding.live(relay.clock.now) == []
    for effects in stranger.channel_data(0x4001, b"x"), bob.channel_data(0x4003, b"x"):
        assert not any(isinstance(effect, Deliver | SetRoute) for effect in effects)


def test_legs_of_two_calls_are_routed() -> None:
    relay = wide()
    alice, bob = bound_across(relay)
    expires_ns = (5000 + 600) * 10**9
    assert set(relay.forwarding.live(relay.clock.now)) == {
        SetRoute(alice.five_tuple, 0x4001, bob.five_tuple, 0x4002, alice.leg, expires_ns),
        SetRoute(bob.five_tuple, 0x4002, alice.five_tuple, 0x4001, bob.leg, expires_ns),
    }


def test_route_across_calls_ends_with_either_of_them() -> None:
    for call in ("cv_one", "cv_two"):
        relay = wide()
        alice, bob = bound_across(relay)
        first, other = ((alice, 0x4001), (bob, 0x4002))[:: 1 if call == "cv_one" else -1]
        assert relay.end(call) == [
            DropRoute(first[0].five_tuple, first[1]),
            DropRoute(other[0].five_tuple, other[1]),
            LegIdle(first[0].leg),
            CallEnded(call, EndReason.ENDED, 0.0, (first[0].leg,)),
            DropLeg(first[0].leg),
        ]


def test_route_across_calls_expires_with_the_call_that_ends_first() -> None:
    relay = wide()
    relay.create("cv_two", max_duration_s=30)
    bound_across(relay)
    expiries = [route.expires_ns for route in relay.forwarding.live(relay.clock.now)]
    assert expiries == [5030 * 10**9] * 2


def test_nothing_crosses_into_or_out_of_a_ringing_call() -> None:
    relay = wide()
    relay.create("cv_two", ring=True)
    alice, bob = bound_across(relay)
    assert relay.forwarding.live(relay.clock.now) == []
    assert alice.channel_data(0x4001, b"x") == [Count(DropReason.RINGING, alice.leg)]
    assert bob.channel_data(0x4002, b"x") == [Count(DropReason.RINGING, bob.leg)]
    relay.accept("cv_two")
    assert len(relay.forwarding.live(relay.clock.now)) == 2


def test_what_comes_when_one_call_is_accepted_runs_out_with_the_channel_of_the_other() -> None:
    relay = wide()
    relay.create("cv_two", ring=True)
    alice, bob = relay.client("alice", "cv_one"), relay.client("bob", "cv_two")
    for client in (alice, bob):
        client.allocate(wire.lifetime(3600)).accepted()
    alice.bind(0x4001, bob.relayed).accepted()
    relay.advance(100)
    bob.bind(0x4002, alice.relayed).accepted()
    relay.accept("cv_two")
    assert len(relay.forwarding.routes) == 2
    relay.advance(500)
    assert relay.forwarding.routes == {}


def test_leg_of_a_closed_call_cannot_be_reached_from_another_call() -> None:
    relay = wide()
    alice, bob = relay.allocated("alice", "cv_one"), relay.allocated("bob", "cv_closed")
    assert alice.permit(bob.relayed).code == 403
    assert alice.bind(0x4001, bob.relayed).code == 403


def test_leg_of_a_closed_call_reaches_its_siblings_only() -> None:
    relay = wide()
    alice, bob = relay.pair("cv_closed")
    stranger = relay.allocated("carol", "cv_one")
    assert alice.permit(stranger.relayed).code == 403
    assert alice.bind(0x4001, stranger.relayed).code == 403
    alice.permit(bob.relayed).accepted()


def test_own_relayed_address_and_the_world_are_403() -> None:
    relay = wide()
    alice = relay.allocated("alice", "cv_one")
    free = PeerAddress(RELAY_IPV4, 50000 if alice.relayed.port != 50000 else 50001)
    for address in (alice.relayed, SINK, free, PeerAddress(bytes((127, 0, 0, 1)), 22)):
        assert alice.permit(address).code == 403
        assert alice.bind(0x4001, address).code == 403


def test_leg_that_is_gone_is_403() -> None:
    relay = wide()
    alice, bob = relay.allocated("alice", "cv_one"), relay.allocated("bob", "cv_two")
    bob.refresh(0).accepted()
    assert alice.permit(bob.relayed).code == 403
    assert alice.bind(0x4001, bob.relayed).code == 403


def test_ports_are_unique_on_the_whole_relay() -> None:
    relay = wide(ports=range(50000, 50002))
    ports = {relay.allocated("alice", call).relayed.port for call in ("cv_one", "cv_two")}
    assert ports == {50000, 50001}
    assert relay.client("alice", "cv_closed").allocate().code == 508


def test_released_port_rests_for_sixty_seconds() -> None:
    relay = wide(ports=range(50000, 50001))
    alice = relay.allocated("alice", "cv_one")
    alice.refresh(0).accepted()
    for _ in range(2):
        assert relay.client("bob", "cv_two").allocate().code == 508
        relay.advance(29.9)
    assert relay.client("alice", "cv_one").allocate().code == 508
    relay.advance(0.5)
    relay.allocated("bob", "cv_two")


def test_port_of_an_expired_allocation_and_of_an_ended_call_rests_too() -> None:
    relay = wide(ports=range(50000, 50001))
    relay.allocated("alice", "cv_one")
    relay.advance(600.5)
    assert relay.client("bob", "cv_two").allocate().code == 508
    relay.advance(61)
    relay.allocated("bob", "cv_two")
    relay.end("cv_two")
    assert relay.client("alice", "cv_one").allocate().code == 508
    relay.advance(61)
    relay.allocated("alice", "cv_one")


def test_users_whose_credentials_carry_no_call_reach_each_other() -> None:
    relay = wide()
    alice, bob = user(relay, "alice"), user(relay, "bob")
    for client in (alice, bob):
        client.allocate().accepted()
    alice.permit(bob.relayed).accepted()
    bob.permit(alice.relayed).accepted()
    assert isinstance(alice.send(bob.relayed, b"x")[0], Deliver)


def test_username_without_a_leg_is_401_where_peers_are_calls() -> None:
    assert user(Relay(), "alice").allocate().code == 401
