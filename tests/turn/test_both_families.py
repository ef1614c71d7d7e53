"""An allocation with a relayed address of each family: ADDITIONAL-ADDRESS-FAMILY, RFC 8656 7.2."""

import pytest

from relay.address import IPV4, IPV6, FiveTuple, Transport
from relay.effects import (
    Answered,
    ClosePort,
    Count,
    Deliver,
    DropRoute,
    Effect,
    LegConnected,
    LegIdle,
    LegKey,
    OpenPort,
    Send,
    SetLeg,
    SetRoute,
    Via,
)
from relay.errors import DropReason
from relay.stun.attributes import Attribute
from relay.stun.message import Method
from tests.kit import wire
from tests.turn.client import (
    CALL,
    LISTENER_IPV6,
    LOCAL_IPV4,
    RELAY_IPV4,
    RELAY_IPV6,
    Client,
    Relay,
)

LOCAL_IPV6 = bytes.fromhex("fd00000000000000000000000000000a")
BOTH = wire.additional_family(IPV6)
ONLY_IPV4, ONLY_IPV6 = wire.requested_family(IPV4), wire.requested_family(IPV6)


def dual(**overrides: object) -> Relay:
    """A relay with an address of each family."""
    return Relay(relayed_ips=(RELAY_IPV4, RELAY_IPV6), **overrides)


def with_both(relay: Relay, leg: str = "alice") -> Client:
    """A client with a relayed address of each family."""
    client = relay.client(leg)
    client.allocate(BOTH).accepted()
    return client


def bound(relay: Relay) -> tuple[Client, Client]:
    """Alice with both, and bob with both; channels 0x4004 over IPv4, 0x4006 over IPv6."""
    alice, bob = with_both(relay), with_both(relay, "bob")
    for one, other in ((alice, bob), (bob, alice)):
        one.bind(0x4004, other.relayed).accepted()
        one.bind(0x4006, other.second).accepted()
    return alice, bob


def faults(answer: wire.Stun) -> list[tuple[int, int]]:
    """Families that were not given, and why: RFC 8656 section 18.12."""
    values = answer.values(Attribute.ADDRESS_ERROR_CODE)
    return [(value[0], value[2] * 100 + value[3]) for value in values]


def is_there(client: Client, *family: wire.Pair) -> bool:
    """Whether the client has its allocation, or that side of it."""
    return client.refresh(None, *family).code == 0


# Allocate


@pytest.mark.parametrize("relayed_ips", [(RELAY_IPV4, RELAY_IPV6), (RELAY_IPV6, RELAY_IPV4)])
def test_ipv4_then_ipv6_are_given_each_with_a_port_of_its_own(
    relayed_ips: tuple[bytes, ...],
) -> None:
    relay = Relay(relayed_ips=relayed_ips)
    relay.create()
    client = relay.client("alice", listener=LISTENER_IPV6)
    exchange = client.allocate(BOTH)
    assert exchange.effects == [
        SetLeg(LegKey(CALL, "alice"), 4_000_000, 2_000),
        LegConnected(LegKey(CALL, "alice"), Transport.UDP),
        Send(client.five_tuple, exchange.datagram),
        Answered(Method.ALLOCATE, 0),
    ]
    given = exchange.accepted().addresses(Attribute.XOR_RELAYED_ADDRESS)
    assert [packed for packed, _ in given] == [RELAY_IPV4, RELAY_IPV6]
    assert len({port for _, port in given}) == 2
    assert faults(exchange.answer) == []


@pytest.mark.parametrize(
    ("there", "missing"), [(RELAY_IPV4, IPV6), (RELAY_IPV6, IPV4)], ids=["IPv4", "IPv6"]
)
def test_where_one_family_is_missing_the_other_is_given_and_440_for_it(
    there: bytes, missing: int
) -> None:
    answer = Relay(relayed_ips=(there,)).client().allocate(BOTH).accepted()
    assert answer.address(Attribute.XOR_RELAYED_ADDRESS)[0] == there
    assert faults(answer) == [(missing, 440)]


def test_where_one_port_is_left_ipv4_is_given_and_508_for_ipv6() -> None:
    relay = dual(ports=range(50000, 50001))
    client = relay.client()
    answer = client.allocate(BOTH).accepted()
    assert answer.address(Attribute.XOR_RELAYED_ADDRESS)[0] == RELAY_IPV4
    assert faults(answer) == [(IPV6, 508)]
    assert relay.client("bob").allocate(BOTH).code == 508


def test_retransmission_is_answered_with_both_again() -> None:
    client = dual().client()
    transaction_id = client.transaction()
    first = client.allocate(BOTH, transaction_id=transaction_id).accepted()
    again = client.allocate(BOTH, transaction_id=transaction_id)
    assert again.before_answer() == []
    assert again.accepted().attributes == first.attributes
    assert client.allocate(BOTH).code == 437


def test_an_even_port_of_each_family_but_no_reservation() -> None:
    relay = dual()
    for leg in "abcdef":
        client = relay.client(leg, "call")
        client.allocate(BOTH, wire.even_port(reserve=False)).accepted()
        assert (client.relayed.port % 2, client.second.port % 2) == (0, 0)
        assert client.relayed != client.second
    assert relay.client().allocate(BOTH, wire.even_port(reserve=True)).code == 400


@pytest.mark.parametrize("peers", ["call", "relay"])
def test_both_ports_are_given_back(peers: str) -> None:
    relay = dual(peers=peers, ports=range(50000, 50002))
    for _ in range(3):
        client = relay.client(call="call")
        client.allocate(BOTH).accepted()
        assert {client.relayed.port, client.second.port} == {50000, 50001}
        client.refresh(0).accepted()
        relay.advance(61)


# Quotas: it is one allocation, and takes two ports


def test_it_is_one_allocation_of_its_leg_and_of_the_relay() -> None:
    relay = dual(allocations_per_leg=2, allocations=3)
    clients = [with_both(relay) for _ in range(2)]
    assert [is_there(client) for client in clients] == [True, True]
    assert sum(relay.server.count_allocations().values()) == 2
    with_both(relay, "bob")
    assert relay.client("carol").allocate().code == 508


def test_both_sides_of_the_oldest_that_carries_nothing_give_way() -> None:
    relay = dual(allocations_per_leg=1)
    first = with_both(relay)
    with_both(relay)
    assert first.refresh().code == 437
    (leg,) = [leg for leg in relay.server.call(CALL, relay.clock.now).legs if leg.id == "alice"]
    assert len(leg.held) == 2


@pytest.mark.parametrize("channel", [0x4004, 0x4006])
def test_it_does_not_give_way_while_either_side_carries_something(channel: int) -> None:
    relay = dual(allocations_per_leg=1)
    alice, bob = with_both(relay), with_both(relay, "bob")
    there = (bob.relayed, alice.relayed) if channel == 0x4004 else (bob.second, alice.second)
    alice.bind(channel, there[0]).accepted()
    bob.bind(channel, there[1]).accepted()
    assert relay.client().allocate(BOTH).code == 486


def test_it_takes_two_of_the_ports_that_a_user_may_use() -> None:
    relay = dual(peers="relay", allocations_per_user=1)  # so four, which rest for a minute
    for asked in ([BOTH], []):
        client = relay.client(call="call")
        client.allocate(*asked).accepted()
        client.refresh(0).accepted()
    assert relay.client(call="call").allocate(BOTH).code == 486
    relay.client(call="call").allocate().accepted()


# Peers


def test_channels_and_routes_of_both_families_are_there_at_once() -> None:
    relay = dual()
    alice, bob = with_both(relay), with_both(relay, "bob")
    alice.bind(0x4004, bob.relayed).accepted()
    alice.bind(0x4006, bob.second).accepted()
    routes = bob.bind(0x4004, alice.relayed).before_answer()
    assert _ends(routes) == _both_ways(alice, bob, 0x4004)
    routes = bob.bind(0x4006, alice.second).before_answer()
    assert _ends(routes) == _both_ways(alice, bob, 0x4006)
    for channel in (0x4004, 0x4006):
        (delivered,) = alice.channel_data(channel, b"media")
        assert isinstance(delivered, Deliver)
        assert delivered.datagram == wire.channel_data(channel, b"media")


def _ends(effects: list[Effect]) -> set[tuple[FiveTuple, Via, FiveTuple, Via]]:
    found = set()
    for effect in effects:
        assert isinstance(effect, SetRoute)
        found.add((effect.source, effect.channel, effect.target, effect.target_channel))
    return found


def _both_ways(
    one: Client, other: Client, channel: int
) -> set[tuple[FiveTuple, Via, FiveTuple, Via]]:
    ends = one.five_tuple, other.five_tuple
    return {(source, channel, target, channel) for source, target in (ends, ends[::-1])}


def test_a_channel_number_is_of_one_peer_of_either_family() -> None:
    relay = dual()
    alice, bob = bound(relay)
    assert alice.bind(0x4004, bob.second).code == 400
    assert alice.bind(0x4006, bob.relayed).code == 400
    alice.bind(0x4004, bob.relayed).accepted()


def test_a_channel_of_one_family_means_a_peer_of_the_other_when_it_has_rested() -> None:
    relay = dual()
    alice, bob = with_both(relay), with_both(relay, "bob")
    alice.bind(0x4001, bob.relayed).accepted()
    for _ in range(2):
        alice.keep()
        bob.keep()
        relay.advance(449)
    assert alice.bind(0x4001, bob.second).code == 400
    relay.advance(3)
    alice.bind(0x4001, bob.second).accepted()
    bob.permit(alice.second).accepted()
    (delivered, *_) = alice.channel_data(0x4001, b"media")
    assert isinstance(delivered, Deliver)
    named = wire.parse(delivered.datagram).address(Attribute.XOR_PEER_ADDRESS)
    assert named == (alice.second.packed, alice.second.port)


def test_one_request_permits_peers_of_both_families_or_none() -> None:
    relay = dual()
    alice, bob = with_both(relay), with_both(relay, "bob")
    bob.permit(alice.relayed, alice.second).accepted()
    unknown = type(bob.second)(RELAY_IPV6, 49999)
    assert alice.permit(bob.relayed, unknown).code == 403
    assert alice.send(bob.relayed, b"x") == [Count(DropReason.NO_PERMISSION, alice.leg)]
    alice.permit(bob.relayed, bob.second).accepted()
    for peer, source in ((bob.relayed, alice.relayed), (bob.second, alice.second)):
        (delivered,) = alice.send(peer, b"x")
        assert isinstance(delivered, Deliver)
        named = wire.parse(delivered.datagram).address(Attribute.XOR_PEER_ADDRESS)
        assert named == (source.packed, source.port)


def test_a_permission_of_one_family_is_none_for_the_other() -> None:
    relay = dual()
    alice, bob = with_both(relay), with_both(relay, "bob")
    alice.permit(bob.relayed).accepted()
    bob.permit(alice.relayed, alice.second).accepted()
    assert alice.send(bob.second, b"x") == [Count(DropReason.NO_PERMISSION, alice.leg)]


def test_it_meets_siblings_that_have_one_family() -> None:
    relay = dual()
    alice = with_both(relay)
    for leg, family, own in (
        ("bob", IPV4, alice.relayed),
        ("carol", IPV6, alice.second),
    ):
        sibling = relay.client(leg)
        sibling.allocate(wire.requested_family(family)).accepted()
        sibling.permit(own).accepted()
        alice.permit(sibling.relayed).accepted()
        assert isinstance(alice.send(sibling.relayed, b"x")[0], Deliver)
        assert isinstance(sibling.send(own, b"x")[0], Deliver)


def test_its_own_other_side_is_no_peer() -> None:
    alice = with_both(dual())
    assert alice.permit(alice.second).code == 403
    assert alice.bind(0x4001, alice.relayed).code == 403


# Refresh, and the end


def test_refresh_lengthens_both() -> None:
    relay = dual()
    alice, _ = bound(relay)
    assert alice.refresh(1200).accepted().lifetime_s == 1200
    relay.advance(1199)
    assert (is_there(alice, ONLY_IPV4), is_there(alice, ONLY_IPV6)) == (True, True)


@pytest.mark.parametrize(
    ("kept", "other"), [(ONLY_IPV4, ONLY_IPV6), (ONLY_IPV6, ONLY_IPV4)], ids=["IPv4", "IPv6"]
)
def test_refresh_with_a_family_lengthens_that_one(kept: wire.Pair, other: wire.Pair) -> None:
    relay = dual()
    alice = with_both(relay)
    assert alice.refresh(1200, kept).accepted().lifetime_s == 1200
    relay.advance(601)
    assert alice.refresh(None, other).code == 443
    alice.refresh(None, kept).accepted()
    relay.advance(601)
    assert alice.refresh().code == 437


@pytest.mark.parametrize(
    ("family", "channel", "other"),
    [(ONLY_IPV4, 0x4004, 0x4006), (ONLY_IPV6, 0x4006, 0x4004)],
    ids=["IPv4", "IPv6"],
)
def test_deletion_with_a_family_ends_that_one_and_no_other(
    family: wire.Pair, channel: int, other: int
) -> None:
    relay = dual()
    alice, bob = bound(relay)
    transaction_id = alice.transaction()
    request = (wire.lifetime(0), family)
    exchange = alice.request(Method.REFRESH, *request, transaction_id=transaction_id)
    assert exchange.accepted().lifetime_s == 0
    assert set(exchange.before_answer()) == {
        DropRoute(alice.five_tuple, channel),
        DropRoute(bob.five_tuple, channel),
    }
    again = alice.request(Method.REFRESH, *request, transaction_id=transaction_id)
    assert again.accepted().lifetime_s == 0
    assert alice.refresh(0, family).code == 443
    assert isinstance(alice.channel_data(other, b"x")[0], Deliver)
    assert alice.channel_data(channel, b"x") == [Count(DropReason.NO_CHANNEL, alice.leg)]
    assert LegIdle(alice.leg) in alice.refresh(0).before_answer()
    assert alice.refresh().code == 437
    with_both(relay)


def test_deletion_without_a_family_ends_both() -> None:
    relay = dual()
    alice, bob = bound(relay)
    gone = alice.refresh(0).before_answer()
    assert gone[-1] == LegIdle(alice.leg)
    assert set(gone[:-1]) == {
        DropRoute(client.five_tuple, channel)
        for client in (alice, bob)
        for channel in (0x4004, 0x4006)
    }
    assert sum(relay.server.count_allocations().values()) == 1


@pytest.mark.parametrize("how", ["expired", "disconnected", "left", "ended"])
def test_however_it_ends_nothing_of_it_is_left(how: str) -> None:
    relay = dual()
    alice, _ = bound(relay)
    if how == "expired":
        relay.advance(601)
    elif how == "disconnected":
        relay.disconnect(alice)
    elif how == "left":
        relay.end_party("alice")
    else:
        relay.end()
    assert relay.forwarding.live(relay.clock.now) == []
    assert alice.leg not in relay.forwarding.connected
    assert alice.refresh().code == 437


# What else is told of it


def test_the_relayed_addresses_of_a_leg_are_both() -> None:
    relay = dual()
    alice = with_both(relay)
    told = relay.server.relayed_of(relay.server.call(CALL, relay.clock.now))
    assert set(told["alice"]) == {alice.relayed.reveal(), alice.second.reveal()}


def test_a_masked_leg_of_a_half_relayed_call_gets_an_outer_port_of_each_family() -> None:
    relay = dual(local_ips=(LOCAL_IPV4, LOCAL_IPV6))
    relay.create(parties=("alice", "bob"), asked=("alice",))
    alice = relay.client("alice")
    opened = [each for each in alice.allocate(BOTH).effects if isinstance(each, OpenPort)]
    assert [(each.address.packed, each.address.port) for each in opened] == [
        (LOCAL_IPV4, alice.relayed.port),
        (LOCAL_IPV6, alice.second.port),
    ]
    bob = relay.client("bob", listener=LISTENER_IPV6)
    bob.allocate(ONLY_IPV6).accepted()
    own = type(alice.relayed)(bob.five_tuple.client.packed, 5004)
    alice.permit(own).accepted()
    assert isinstance(alice.send(own, b"x")[0], Deliver)
    closed = [each for each in alice.refresh(0).effects if isinstance(each, ClosePort)]
    assert {each.address for each in closed} == {each.address for each in opened}
