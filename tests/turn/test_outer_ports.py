"""Outer ports: where an unmasked party's own address meets a masked allocation, and nobody else."""

import gc
from typing import Any

import pytest

from relay.address import ClientAddress, FiveTuple, PeerAddress, ServerAddress, Transport
from relay.effects import (
    NO_CHANNEL,
    CallChanged,
    ClosePort,
    Count,
    Deliver,
    DropRoute,
    Effect,
    OpenPort,
    SetLeg,
    SetRoute,
)
from relay.errors import DropReason
from relay.stun.attributes import Attribute
from relay.turn.outer import OuterPeer, OuterPort
from relay.turn.routes import PACKETS_FIRST
from tests.kit import wire
from tests.turn.client import CALL, LISTENER, LOCAL_IPV4, RELAY_IPV4, Client, Relay

CALLS = (CALL, "cv_another")
ELSEWHERE = PeerAddress(bytes((198, 51, 100, 7)), 5004)


def half_relayed(*, ring: bool = False, **overrides: object) -> Relay:
    """A relay with two calls, in each of which alice and dan are masked and bob is not."""
    relay = Relay(**overrides)
    for call in CALLS:
        create_half_relayed(relay, call, ring=ring)
    return relay


def create_half_relayed(relay: Relay, call: str, *, ring: bool = False) -> None:
    """A call that may last longer than it does."""
    parties, asked = ("alice", "bob", "dan"), ("alice", "dan")
    relay.create(call, parties, asked=asked, ring=ring, max_duration_s=900_000)


def own(client: Client, port: int = 5004) -> PeerAddress:
    """A port of the client's own address."""
    return PeerAddress(client.five_tuple.client.packed, port)


def outside(client: Client, relayed: PeerAddress, port: int = 5004) -> FiveTuple:
    """The same as effects name it: on the way to and from an outer port."""
    address = ClientAddress(client.five_tuple.client.packed, port)
    return FiveTuple(Transport.UDP, address, ServerAddress(LOCAL_IPV4, relayed.port))


def test_only_the_masked_leg_gets_one_and_it_is_open_before_the_client_hears() -> None:
    relay = half_relayed()
    alice, bob = relay.client("alice"), relay.client("bob")
    opened = alice.allocate().before_answer()
    assert OpenPort(ServerAddress(LOCAL_IPV4, alice.relayed.port), is_outer=True) in opened
    assert not any(isinstance(e, OpenPort) for e in bob.allocate().before_answer())


@pytest.mark.parametrize("settings", [{"local_ips": ()}, {"ports": range(50000, 50002)}])
def test_a_leg_without_one_has_the_relay_all_the_same(settings: dict[str, Any]) -> None:
    relay = half_relayed(**settings)
    for call in CALLS:  # two ports, and the first call keeps one of them to itself
        alice, bob = relay.allocated("alice", call), relay.allocated("bob", call)
        alice.permit(bob.relayed).accepted()
        bob.permit(alice.relayed).accepted()
        assert alice.send(bob.relayed, b"data")[0].leg == alice.leg  # type: ignore[union-attr]


def test_ports_are_unique_on_the_relay_and_rest_a_minute() -> None:
    relay = half_relayed(ports=range(50000, 50004))
    calls = [relay.allocated("alice", call) for call in CALLS]
    assert len(relay.forwarding.ports) == len({alice.relayed.port for alice in calls}) == 2
    for alice in calls:
        alice.refresh(0).accepted()
    assert relay.forwarding.ports == set()
    taken = {alice.relayed.port for alice in calls}
    relay.advance(59)
    assert taken.isdisjoint(relay.allocated("alice", call).relayed.port for call in CALLS)
    relay.advance(1)
    again = relay.allocated("alice").relayed.port
    assert again in taken
    assert ServerAddress(LOCAL_IPV4, again) in relay.forwarding.ports


def test_a_port_that_the_call_has_given_to_another_leg_is_drawn_by_nobody() -> None:
    for number in range(20):  # of two ports one is left; drawn blindly, half would miss it
        relay = half_relayed(ports=range(50000, 50002))
        call = f"cv_{number}"
        create_half_relayed(relay, call)
        relay.allocated("bob", call)
        alice = relay.allocated("alice", call)
        assert relay.forwarding.ports == {ServerAddress(LOCAL_IPV4, alice.relayed.port)}


def test_what_the_unmasked_party_sends_from_its_own_address_is_delivered() -> None:
    relay = half_relayed()
    alice, bob = relay.pair()
    alice.permit(own(bob)).accepted()
    (deliver,) = relay.receive_outside(b"data", own(bob), alice.relayed)
    assert isinstance(deliver, Deliver)
    assert (deliver.leg, deliver.client, deliver.payload) == (bob.leg, alice.five_tuple, 4)
    indication = wire.parse(deliver.datagram)
    assert indication.address(Attribute.XOR_PEER_ADDRESS) == (own(bob).packed, 5004)
    assert indication.value(Attribute.DATA) == b"data"


def test_what_is_sent_to_it_leaves_by_the_outer_port_as_it_is() -> None:
    relay = half_relayed()
    alice, bob = relay.pair()
    alice.permit(own(bob)).accepted()
    assert alice.send(own(bob), b"data") == [
        Deliver(alice.leg, outside(bob, alice.relayed), b"data", 4)
    ]


def test_a_permission_is_for_every_port_of_its_ip_and_lasts_five_minutes() -> None:
    relay = half_relayed()
    alice, bob = relay.pair()
    alice.permit(own(bob)).accepted()
    relay.advance(299)
    assert isinstance(relay.receive_outside(b"x", own(bob, 9), alice.relayed)[0], Deliver)
    relay.advance(1)
    refused = [Count(DropReason.NO_PERMISSION, bob.leg)]
    assert relay.receive_outside(b"x", own(bob, 9), alice.relayed) == refused
    assert alice.send(own(bob), b"x") == [Count(DropReason.NO_PERMISSION, alice.leg)]


def test_a_channel_gets_routes_both_ways_at_once() -> None:
    relay = half_relayed()
    alice, bob = relay.pair()
    there = outside(bob, alice.relayed)
    expires_ns = int((relay.clock.now.mono + 600) * 1e9)
    assert alice.bind(0x4001, own(bob)).before_answer() == [
        SetRoute(alice.five_tuple, 0x4001, there, NO_CHANNEL, alice.leg, expires_ns),
        SetRoute(there, NO_CHANNEL, alice.five_tuple, 0x4001, bob.leg, expires_ns),
    ]
    (deliver,) = relay.receive_outside(b"\x01stun", own(bob), alice.relayed)
    assert isinstance(deliver, Deliver)
    assert deliver.datagram == wire.channel_data(0x4001, b"\x01stun")
    assert alice.channel_data(0x4001, b"x") == [Deliver(alice.leg, there, b"x", 1)]


def test_a_channel_that_runs_out_loses_its_routes() -> None:
    relay = half_relayed()
    alice, bob = relay.pair()
    alice.keep()
    alice.bind(0x4001, own(bob)).accepted()
    relay.advance(600)
    assert relay.forwarding.routes == {}
    assert alice.channel_data(0x4001, b"x") == [Count(DropReason.EXPIRED, alice.leg)]
    relay.advance(301)
    alice.keep()
    alice.bind(0x4002, own(bob)).accepted()  # the peer may have another channel now


@pytest.mark.parametrize(
    "address",
    [
        ELSEWHERE,
        PeerAddress(RELAY_IPV4, 5004),
        PeerAddress(LOCAL_IPV4, 5004),
        PeerAddress(LISTENER.packed, LISTENER.port),
        PeerAddress(bytes((127, 0, 0, 1)), 53),
    ],
)
def test_an_address_that_no_party_authenticated_from_is_nobodys(address: PeerAddress) -> None:
    relay = half_relayed()
    alice, bob = relay.pair()
    assert alice.permit(address).code == 403
    assert alice.permit(own(bob), address).code == 403
    assert alice.bind(0x4001, address).code == 403
    assert alice.send(address, b"x") == [Count(DropReason.NOT_A_SIBLING, alice.leg)]
    assert relay.receive_outside(b"x", address, alice.relayed) == [Count(DropReason.UNKNOWN_SOURCE)]
    assert alice.send(own(bob), b"x") == [Count(DropReason.NO_PERMISSION, alice.leg)]


def test_an_address_of_the_other_family_is_443() -> None:
    relay = half_relayed()
    alice, _ = relay.pair()
    assert alice.permit(PeerAddress(bytes(16), 5004)).code == 443


@pytest.mark.parametrize(
    "who", ["alice", "bob-where-he-was-not-yet", "another-call", "unmasked-leg"]
)
def test_whose_address_it_is_not(who: str) -> None:
    relay = half_relayed()
    alice = relay.allocated("alice")
    if who == "alice":  # masked herself: her own address is nobody's either
        relay.allocated("bob")
        assert alice.permit(own(alice)).code == 403
    elif who == "bob-where-he-was-not-yet":
        relay.allocated("bob")
        bob = relay.client("bob")
        bob.challenge()
        assert alice.permit(own(bob)).code == 403
    elif who == "another-call":
        relay.allocated("bob")
        assert alice.permit(own(relay.allocated("bob", CALLS[1]))).code == 403
    else:  # bob has no outer port, so his peers are relayed addresses
        assert relay.allocated("bob").permit(own(alice)).code == 403


def test_what_may_be_the_partys_is_expected_and_nothing_crosses_until_it_shows_up() -> None:
    relay = half_relayed()
    alice, bob = relay.allocated("alice"), relay.client("bob")
    there = outside(bob, alice.relayed)
    alice.permit(ELSEWHERE).accepted()
    assert alice.bind(0x4001, own(bob)).before_answer() == []
    assert alice.channel_data(0x4001, b"x") == [Count(DropReason.EXPIRED, alice.leg)]
    assert alice.send(own(bob), b"x") == [Count(DropReason.NO_PERMISSION, alice.leg)]
    assert relay.receive_outside(b"x", own(bob), alice.relayed) == [
        Count(DropReason.UNKNOWN_SOURCE)
    ]
    routes = [e for e in bob.allocate().before_answer() if isinstance(e, SetRoute)]
    assert [(route.source, route.target) for route in routes] == [
        (there, alice.five_tuple),
        (alice.five_tuple, there),
    ]
    assert isinstance(relay.receive_outside(b"x", own(bob), alice.relayed)[0], Deliver)
    assert alice.send(ELSEWHERE, b"x") == [Count(DropReason.NO_PERMISSION, alice.leg)]
    assert relay.receive_outside(b"x", ELSEWHERE, alice.relayed) == [
        Count(DropReason.UNKNOWN_SOURCE)
    ]
    assert alice.permit(PeerAddress(ELSEWHERE.packed, 1)).code == 403


def test_expected_addresses_are_bounded_too() -> None:
    relay = half_relayed()
    alice = relay.allocated("alice")
    for port in range(1, 17):
        alice.bind(0x4000 + port, PeerAddress(ELSEWHERE.packed, port)).accepted()
    assert alice.permit(PeerAddress(ELSEWHERE.packed, 17)).code == 403


def test_what_is_expected_stays_so_when_the_call_gets_more_time() -> None:
    relay = half_relayed()
    alice, bob = relay.allocated("alice"), relay.client("bob")
    alice.bind(0x4001, own(bob)).accepted()
    assert relay.change(lasts_s=900_001) == [CallChanged(CALL)]
    routes = [e for e in bob.allocate().before_answer() if isinstance(e, SetRoute)]
    assert len(routes) == 2
    relay.change(lasts_s=900_002)
    assert len(relay.forwarding.routes) == 2


def test_routes_that_come_when_the_party_shows_up_run_out_with_the_channel() -> None:
    relay = half_relayed()
    alice, bob = relay.client("alice"), relay.client("bob")
    alice.allocate(wire.lifetime(3600)).accepted()
    alice.bind(0x4001, own(bob)).accepted()
    bob.allocate().accepted()
    assert len(relay.forwarding.routes) == 2
    relay.advance(600)
    assert relay.forwarding.routes == {}


def test_permissions_for_expected_addresses_are_bounded() -> None:
    relay = half_relayed()
    alice = relay.allocated("alice")
    for low in range(200):
        alice.permit(PeerAddress(bytes((198, 51, 100, low)), 5004)).accepted()
    gc.collect()
    outer = [each for each in gc.get_objects() if isinstance(each, OuterPort)]
    assert [len(each.permissions) for each in outer if not each.is_over] == [16]


def test_an_address_stays_its_partys_when_the_allocation_is_gone() -> None:
    relay = half_relayed()
    alice, bob = relay.pair()
    alice.bind(0x4001, own(bob)).accepted()
    bob.refresh(0).accepted()
    assert len(relay.forwarding.routes) == 2
    assert isinstance(relay.receive_outside(b"x", own(bob), alice.relayed)[0], Deliver)


def test_of_the_networks_a_party_moves_through_the_latest_eight_are_its_own() -> None:
    relay = half_relayed(allocations_per_leg=20)
    alice = relay.allocated("alice")
    places = [relay.allocated("bob") for _ in range(9)]
    assert [alice.permit(own(bob)).code for bob in places] == [403] + [0] * 8


def test_known_addresses_are_bounded_and_those_without_a_channel_make_room() -> None:
    relay = half_relayed()
    alice, bob = relay.pair()
    alice.bind(0x4001, own(bob, 1)).accepted()
    for port in range(2, 100):
        assert isinstance(relay.receive_outside(b"x", own(bob, port), alice.relayed)[0], Deliver)
    for channel in range(0x4002, 0x4011):
        alice.bind(channel, own(bob, channel)).accepted()
    assert alice.bind(0x4011, own(bob, 99)).code == 403
    assert relay.receive_outside(b"x", own(bob, 99), alice.relayed) == [
        Count(DropReason.UNKNOWN_SOURCE)
    ]
    assert isinstance(relay.receive_outside(b"x", own(bob, 1), alice.relayed)[0], Deliver)


def test_known_addresses_make_room_when_their_channel_has_run_out_and_rested() -> None:
    relay = half_relayed()
    alice, bob = relay.pair()
    for port in range(1, 17):
        alice.bind(0x4000 + port, own(bob, port)).accepted()
    for seconds, code in ((600, 403), (299, 403), (1, 0)):  # ports of before an ICE restart
        alice.keep()
        relay.advance(seconds)
        alice.keep()
        assert alice.permit(own(bob, 99)).code == code
    assert isinstance(relay.receive_outside(b"x", own(bob, 99), alice.relayed)[0], Deliver)
    for port in range(1, 16):
        alice.bind(0x4000 + port, own(bob, 99 + port)).accepted()
    assert len(relay.forwarding.routes) == 30


def test_while_the_call_rings_nothing_crosses_and_then_the_routes_are_there() -> None:
    relay = half_relayed(ring=True)
    alice, bob = relay.pair()
    assert alice.bind(0x4001, own(bob)).before_answer() == []
    assert relay.receive_outside(b"x", own(bob), alice.relayed) == [
        Count(DropReason.RINGING, bob.leg)
    ]
    assert alice.channel_data(0x4001, b"x") == [Count(DropReason.RINGING, alice.leg)]
    assert len([e for e in relay.accept() if isinstance(e, SetRoute)]) == 2


def test_when_the_party_is_masked_its_address_is_no_peer_any_more() -> None:
    relay = half_relayed()
    alice, bob = relay.pair()
    alice.bind(0x4001, own(bob)).accepted()
    effects = relay.change(asked=("bob",))
    there = outside(bob, alice.relayed)
    assert effects == [
        DropRoute(there, NO_CHANNEL),
        DropRoute(alice.five_tuple, 0x4001),
        ClosePort(there.server),
        CallChanged(CALL),
    ]
    assert relay.forwarding.routes == {}
    assert alice.permit(own(bob)).code == 403
    assert alice.channel_data(0x4001, b"x") == [Count(DropReason.EXPIRED, alice.leg)]
    assert relay.receive_outside(b"x", own(bob), alice.relayed) == [
        Count(DropReason.UNKNOWN_SOURCE)
    ]
    alice.refresh(0).accepted()  # its port is not closed a second time
    assert relay.forwarding.ports == set()


def test_when_another_is_the_unmasked_one_the_port_stays_for_that_one() -> None:
    relay = half_relayed()
    alice, bob = relay.pair()
    alice.bind(0x4001, own(bob)).accepted()
    assert relay.change("carol", asked=("bob",)) == [
        DropRoute(outside(bob, alice.relayed), NO_CHANNEL),
        DropRoute(alice.five_tuple, 0x4001),
        CallChanged(CALL),
    ]
    carol = relay.allocated("carol")
    assert alice.permit(own(bob)).code == 403
    alice.permit(own(carol)).accepted()
    assert isinstance(relay.receive_outside(b"x", own(carol), alice.relayed)[0], Deliver)


def test_a_party_that_allocated_before_the_call_was_relayed_is_known() -> None:
    relay = Relay()
    relay.create(parties=("alice", "bob"))
    bob = relay.allocated("bob")
    assert relay.change(asked=("alice",)) == [CallChanged(CALL)]
    alice = relay.allocated("alice")
    alice.permit(own(bob)).accepted()


@pytest.mark.parametrize("how", ["deleted", "expired", "disconnected", "ended"])
def test_the_port_goes_with_the_allocation(how: str) -> None:
    relay = half_relayed()
    alice, bob = relay.pair()
    alice.bind(0x4001, own(bob)).accepted()
    if how == "deleted":
        alice.refresh(0).accepted()
    elif how == "expired":
        relay.advance(600)
    elif how == "disconnected":
        relay.disconnect(alice)
    else:
        relay.end()
    assert (relay.forwarding.routes, relay.forwarding.ports) == ({}, set())
    assert relay.receive_outside(b"x", own(bob), alice.relayed) == [Count(DropReason.NO_ALLOCATION)]


def test_a_port_that_could_not_be_opened_is_done_without() -> None:
    relay = half_relayed()
    alice, bob = relay.pair()
    port = ServerAddress(LOCAL_IPV4, alice.relayed.port)
    assert lose(relay, port) == []
    assert alice.permit(own(bob)).code == 403
    alice.bind(0x4001, bob.relayed).accepted()
    bob.bind(0x4001, alice.relayed).accepted()
    assert len(relay.forwarding.routes) == 2
    relay.end()


def test_the_routes_of_a_port_that_could_not_be_opened_are_dropped() -> None:
    """The call was accepted, and the routes were there before it was known."""
    relay = half_relayed(ring=True)
    alice, bob = relay.pair()
    alice.bind(0x4001, own(bob)).accepted()
    relay.accept()
    there = outside(bob, alice.relayed)
    assert lose(relay, there.server) == [
        DropRoute(there, NO_CHANNEL),
        DropRoute(alice.five_tuple, 0x4001),
    ]
    assert alice.channel_data(0x4001, b"x") == [Count(DropReason.EXPIRED, alice.leg)]
    assert relay.receive_outside(b"x", own(bob), alice.relayed) == [
        Count(DropReason.UNKNOWN_SOURCE)
    ]
    alice.refresh(0).accepted()  # it is not closed either


def lose(relay: Relay, port: ServerAddress) -> list[Effect]:
    """It turns out that the port could not be opened."""
    relay.forwarding.ports.remove(port)
    effects = relay.server.port_failed(port, is_taken=True, now=relay.clock.now)
    return relay.forwarding.apply(effects)


@pytest.mark.parametrize("attribute", [wire.even_port(reserve=False), wire.even_port(reserve=True)])
def test_a_port_that_was_asked_for_in_particular_is_none(attribute: wire.Pair) -> None:
    relay = half_relayed()
    effects = relay.client("alice").allocate(attribute).before_answer()
    assert not any(isinstance(effect, OpenPort) for effect in effects)
    assert any(isinstance(effect, SetLeg) for effect in effects)


def test_on_loopback_the_relays_own_address_is_everybodys() -> None:
    loopback = bytes((127, 0, 0, 1))
    for ip, code in ((loopback, 0), (RELAY_IPV4, 403)):
        relay = half_relayed(relayed_ips=(ip,), local_ips=(ip,))
        bob = relay.client("bob")
        bob.five_tuple = replace_ip(bob.five_tuple, ip)
        bob.allocate().accepted()
        assert relay.allocated("alice").permit(PeerAddress(ip, 5004)).code == code


def replace_ip(five_tuple: FiveTuple, ip: bytes) -> FiveTuple:
    """The same client on another host."""
    return five_tuple._replace(client=ClientAddress(ip, five_tuple.client.port))


def test_the_call_decides_not_the_legs_mask_alone() -> None:
    relay = Relay()
    relay.create(asked=("alice",))  # three others are not masked
    effects = relay.client("alice").allocate().before_answer()
    assert not any(isinstance(effect, OpenPort) for effect in effects)


def test_what_is_over_is_freed_without_the_cyclic_collector() -> None:
    relay = half_relayed()
    alice, bob = relay.pair()
    alice.bind(0x4001, own(bob)).accepted()
    gc.collect()
    gc.disable()
    try:
        assert _is_there(OuterPort)
        relay.end()
        assert not _is_there(OuterPort)
        assert not _is_there(OuterPeer)
    finally:
        gc.enable()


def test_an_address_that_indications_were_sent_to_is_freed_with_the_allocation() -> None:
    relay = half_relayed()
    alice, bob = relay.pair()
    alice.permit(own(bob)).accepted()
    gc.collect()
    gc.disable()
    try:
        for _ in range(PACKETS_FIRST):
            alice.send(own(bob), b"media")
        assert _is_there(OuterPeer)
        alice.refresh(0).accepted()
        assert not _is_there(OuterPeer)
    finally:
        gc.enable()


def test_an_address_that_a_route_leads_to_is_not_forgotten_for_others() -> None:
    """It would stay the end of a route that nobody ends when its party leaves."""
    relay = half_relayed()
    alice, bob = relay.pair()
    alice.permit(own(bob)).accepted()
    for _ in range(PACKETS_FIRST):
        alice.send(own(bob), b"media")
    assert len(relay.forwarding.routes) == 1
    for port in range(6000, 6040):
        relay.receive_outside(b"x", own(bob, port), alice.relayed)
    relay.end_party("bob")
    assert relay.forwarding.routes == {}


def _is_there(kind: type) -> bool:
    return any(isinstance(each, kind) for each in gc.get_objects())
