"""Of which family a relayed address is: RFC 8656 section 7.2, and what is done differently."""

import pytest

from relay.address import IPV4, IPV6, ServerAddress
from relay.stun.attributes import Attribute
from tests.kit import wire
from tests.turn.client import LISTENER, LISTENER_IPV6, RELAY_IPV4, RELAY_IPV6, Client, Relay

BOTH = (RELAY_IPV4, RELAY_IPV6)
IP_OF = {LISTENER: RELAY_IPV4, LISTENER_IPV6: RELAY_IPV6}


def allocated(
    relay: Relay, leg: str, listener: ServerAddress, *asked: wire.Pair, call: str = "cv_call"
) -> Client:
    """A client of that listener, with its allocation."""
    client = relay.client(leg, call, listener=listener)
    client.allocate(*asked).accepted()
    return client


def test_requested_family_ipv6_is_given_where_the_relay_has_it() -> None:
    relay = Relay(relayed_ips=BOTH)
    client = relay.client()
    client.allocate(wire.requested_family(IPV6)).accepted()
    assert client.relayed.packed == RELAY_IPV6


@pytest.mark.parametrize("family", [IPV6, 0, 3, 255])
def test_unsupported_requested_family_is_440(family: int) -> None:
    assert Relay().client().allocate(wire.requested_family(family)).code == 440


def test_requested_ipv4_on_a_relay_without_it_is_440() -> None:
    relay = Relay(relayed_ips=(RELAY_IPV6,))
    assert relay.client().allocate(wire.requested_family(IPV4)).code == 440


@pytest.mark.parametrize("relayed_ip", BOTH)
@pytest.mark.parametrize("listener", [LISTENER, LISTENER_IPV6])
def test_without_a_family_the_relays_own_is_given(
    relayed_ip: bytes, listener: ServerAddress
) -> None:
    client = allocated(Relay(relayed_ips=(relayed_ip,)), "alice", listener)
    assert client.relayed.packed == relayed_ip


@pytest.mark.parametrize("relayed_ips", [BOTH, BOTH[::-1]])
@pytest.mark.parametrize("peers", ["call", "relay"])
@pytest.mark.parametrize("listener", [LISTENER, LISTENER_IPV6])
def test_without_a_family_the_listeners_is_given_where_the_relay_has_both(
    relayed_ips: tuple[bytes, ...], peers: str, listener: ServerAddress
) -> None:
    relay = Relay(relayed_ips=relayed_ips, peers=peers)
    for call in ("cv_call", "begun"):
        client = allocated(relay, "alice", listener, call=call)
        assert client.relayed.packed == IP_OF[listener]


@pytest.mark.parametrize("first", [LISTENER, LISTENER_IPV6])
@pytest.mark.parametrize("call", ["cv_call", "begun"])
def test_siblings_at_listeners_of_two_families_meet_in_that_of_the_first(
    first: ServerAddress, call: str
) -> None:
    relay = Relay(relayed_ips=BOTH)
    second = LISTENER if first is LISTENER_IPV6 else LISTENER_IPV6
    alice = allocated(relay, "alice", first, call=call)
    bob = allocated(relay, "bob", second, call=call)
    assert alice.relayed.packed == bob.relayed.packed == IP_OF[first]
    alice.bind(0x4001, bob.relayed).accepted()
    bob.bind(0x4002, alice.relayed).accepted()
    assert len(relay.forwarding.live(relay.clock.now)) == 2


def test_siblings_of_a_call_that_is_not_closed_meet_too() -> None:
    relay = Relay(relayed_ips=BOTH, peers="relay")
    alice = allocated(relay, "alice", LISTENER_IPV6)
    bob = allocated(relay, "bob", LISTENER)
    assert alice.relayed.packed == bob.relayed.packed == RELAY_IPV6


def test_a_user_gets_the_listeners_family_each_time() -> None:
    relay = Relay(relayed_ips=BOTH, peers="relay")
    for listener in (LISTENER_IPV6, LISTENER, LISTENER_IPV6):
        client = allocated(relay, "home", listener, call="user")
        assert client.relayed.packed == IP_OF[listener]


def test_a_call_whose_allocations_are_gone_begins_with_any_family() -> None:
    relay = Relay(relayed_ips=BOTH)
    for listener in (LISTENER_IPV6, LISTENER):
        client = allocated(relay, "alice", listener)
        assert client.relayed.packed == IP_OF[listener]
        client.refresh(0).accepted()


@pytest.mark.parametrize("callee", [None, LISTENER, LISTENER_IPV6])
@pytest.mark.parametrize("caller", [LISTENER, LISTENER_IPV6])
def test_while_the_call_rings_no_family_tells_that_the_callee_is_there(
    caller: ServerAddress, callee: ServerAddress | None
) -> None:
    relay = Relay(relayed_ips=BOTH)
    relay.create(ring=True)
    if callee is not None:
        allocated(relay, "bob", callee)
        allocated(relay, "bob", callee, wire.requested_family(IPV6))
    assert allocated(relay, "alice", caller).relayed.packed == RELAY_IPV4


def test_what_was_allocated_while_it_rang_is_met_by_those_who_come_later() -> None:
    relay = Relay(relayed_ips=BOTH)
    relay.create(ring=True)
    allocated(relay, "alice", LISTENER_IPV6)
    relay.accept()
    assert allocated(relay, "bob", LISTENER_IPV6).relayed.packed == RELAY_IPV4


def test_a_reserved_port_is_of_the_family_of_its_pair() -> None:
    relay = Relay(relayed_ips=BOTH)
    alice = relay.client("alice", listener=LISTENER_IPV6)
    token = (
        alice.allocate(wire.even_port(reserve=True)).accepted().value(Attribute.RESERVATION_TOKEN)
    )
    second = allocated(relay, "alice", LISTENER, (Attribute.RESERVATION_TOKEN, token))
    assert second.relayed.packed == alice.relayed.packed == RELAY_IPV6
    assert second.relayed.port == alice.relayed.port + 1


def test_both_family_attributes_are_400() -> None:
    exchange = Relay().client().allocate(wire.requested_family(IPV4), wire.additional_family(IPV6))
    assert exchange.code == 400


def test_additional_family_ipv4_is_400() -> None:
    assert Relay().client().allocate(wire.additional_family(IPV4)).code == 400
