"""Allocate: the checks of RFC 8656 section 7.2 in their order, and the success response."""

from dataclasses import replace

import pytest

from relay.address import ClientAddress, Transport
from relay.effects import Answered, CallCreated, LegConnected, LegKey, Send, SetLeg
from relay.stun.attributes import Attribute
from relay.stun.message import Method
from relay.turn.settings import port_of_nobody
from tests.kit import wire
from tests.turn.client import CALL, PARTIES, RELAY_IPV4, RULES, Relay

UNKNOWN_REQUIRED = 0x7F01
UNKNOWN_OPTIONAL = 0xFF01


def test_allocation_sets_the_leg_before_it_answers() -> None:
    relay = Relay()
    relay.create(max_bitrate_bps=1_234_567)
    client = relay.client("alice")
    exchange = client.allocate()
    assert exchange.effects == [
        SetLeg(LegKey(CALL, "alice"), 1_234_567, 2_000),
        LegConnected(LegKey(CALL, "alice"), Transport.UDP),
        Send(client.five_tuple, exchange.datagram),
        Answered(Method.ALLOCATE, 0),
    ]


def test_allocation_that_begins_a_call_says_so_first() -> None:
    relay = Relay()
    client = relay.client("alice", "call")
    exchange = client.allocate()
    assert exchange.effects == [
        CallCreated("call", is_ringing=False),
        SetLeg(LegKey("call", "alice"), 4_000_000, 2_000),
        LegConnected(LegKey("call", "alice"), Transport.UDP),
        Send(client.five_tuple, exchange.datagram),
        Answered(Method.ALLOCATE, 0),
    ]
    bob = relay.client("bob", "call").allocate()
    assert bob.before_answer() == [
        SetLeg(LegKey("call", "bob"), 4_000_000, 2_000),
        LegConnected(LegKey("call", "bob"), Transport.UDP),
    ]


def test_second_allocation_of_a_leg_sets_the_caps_of_the_moment() -> None:
    relay = Relay()
    relay.allocated("alice")
    relay.server.set_rules(replace(RULES, packets_per_s=321))
    exchange = relay.client("alice", transport=Transport.TLS).allocate()
    assert exchange.code == 0
    assert exchange.before_answer() == [
        SetLeg(LegKey(CALL, "alice"), 4_000_000, 321),
        LegConnected(LegKey(CALL, "alice"), Transport.TLS),
    ]


def test_success_carries_relayed_address_lifetime_and_mapped_address() -> None:
    relay = Relay()
    client = relay.client()
    answer = client.allocate().accepted()
    packed, port = answer.address(Attribute.XOR_RELAYED_ADDRESS)
    assert packed == RELAY_IPV4
    assert port in relay.settings.ports
    assert answer.lifetime_s == 600
    mapped = answer.address(Attribute.XOR_MAPPED_ADDRESS)
    assert mapped == (client.five_tuple.client.packed, client.five_tuple.client.port)
    assert set(answer.kinds) == {
        Attribute.XOR_RELAYED_ADDRESS,
        Attribute.LIFETIME,
        Attribute.XOR_MAPPED_ADDRESS,
        Attribute.MESSAGE_INTEGRITY,
    }


def test_masked_leg_is_told_an_address_of_the_relay_that_no_leg_can_hold() -> None:
    relay = Relay()
    relay.create(asked=PARTIES)
    answers = [relay.client(leg).allocate().accepted() for leg in ("alice", "alice", "bob")]
    relayed = {answer.address(Attribute.XOR_RELAYED_ADDRESS) for answer in answers}
    (mapped,) = {answer.address(Attribute.XOR_MAPPED_ADDRESS) for answer in answers}
    assert mapped[0] == RELAY_IPV4
    assert mapped[1] not in relay.settings.ports
    assert mapped not in relayed  # libnice has no use for a candidate that is there twice


@pytest.mark.parametrize(
    ("ports", "listeners", "port"),
    [
        (range(49152, 65536), {3478, 5349}, 49151),
        (range(3479, 65536), {3478}, 3477),
        (range(1024, 60000), {3478}, 60000),
        (range(1024, 60000), {60000, 60001}, 60002),
        (range(1024, 65536), set(), 9),
    ],
)
def test_the_masked_port_is_no_relayed_one_no_listeners_and_one_that_clients_take(
    ports: range, listeners: set[int], port: int
) -> None:
    assert port_of_nobody(ports, listeners) == port


def test_masked_leg_is_told_its_own_address_where_the_setting_is_off() -> None:
    relay = Relay(mask_mapped_address=False)
    relay.create(asked=PARTIES)
    client = relay.client()
    answer = client.allocate().accepted()
    packed, _ = answer.address(Attribute.XOR_MAPPED_ADDRESS)
    assert packed == client.five_tuple.client.packed


def test_masked_client_on_ipv6_is_told_an_address_of_the_relay() -> None:
    relay = Relay()
    relay.create(asked=PARTIES)
    client = relay.client()
    seen = ClientAddress(bytes.fromhex("20010db8cafe") + bytes(10), 4444)
    client.five_tuple = client.five_tuple._replace(client=seen)
    answer = client.allocate().accepted()
    assert answer.address(Attribute.XOR_MAPPED_ADDRESS)[0] == RELAY_IPV4


@pytest.mark.parametrize(
    ("asked", "given"),
    [(0, 600), (1, 600), (599, 600), (601, 601), (3600, 3600), (3601, 3600), (2**32 - 1, 3600)],
)
def test_lifetime_is_between_the_default_and_the_maximum(asked: int, given: int) -> None:
    assert Relay().client().allocate(wire.lifetime(asked)).accepted().lifetime_s == given


def test_retransmission_is_answered_with_the_same_values() -> None:
    client = Relay().client()
    transaction_id = client.transaction()
    first = client.allocate(transaction_id=transaction_id).accepted()
    second = client.allocate(transaction_id=transaction_id)
    assert second.code == 0
    assert second.before_answer() == []
    assert second.accepted().attributes == first.attributes


def test_retransmission_does_not_ask_the_calls_again_or_use_up_the_quota() -> None:
    relay = Relay(allocations_per_leg=2)
    client = relay.client()
    transaction_id = client.transaction()
    for _ in range(9):
        exchange = client.allocate(transaction_id=transaction_id)
        exchange.accepted()
    assert exchange.before_answer() == []  # not even the caps, which admission brings along
    relay.client().allocate().accepted()
    client.refresh().accepted()  # of two, so it did not have to give way


def test_retransmission_is_answered_though_its_credential_has_run_out_since() -> None:
    relay = Relay()
    client = relay.client(ttl_s=60)
    transaction_id = client.transaction()
    first = client.allocate(transaction_id=transaction_id).accepted()
    relay.clock.advance(61)
    again = client.allocate(transaction_id=transaction_id).accepted()
    kinds = Attribute.XOR_RELAYED_ADDRESS, Attribute.XOR_MAPPED_ADDRESS
    assert [again.address(kind) for kind in kinds] == [first.address(kind) for kind in kinds]
    assert relay.client(ttl_s=-1).allocate().code == 401


def test_second_allocate_on_the_five_tuple_is_437() -> None:
    client = Relay().allocated()
    exchange = client.allocate()
    assert exchange.effects == [
        Send(client.five_tuple, exchange.datagram),
        Answered(Method.ALLOCATE, 437),
    ]
    client.refresh().accepted()


def test_missing_requested_transport_is_400() -> None:
    assert Relay().client().request(Method.ALLOCATE).code == 400


def test_malformed_requested_transport_is_400() -> None:
    short = (int(Attribute.REQUESTED_TRANSPORT), b"\x11")
    assert Relay().client().request(Method.ALLOCATE, short).code == 400


def test_malformed_lifetime_is_400_and_leaves_nothing_behind() -> None:
    relay = Relay(peers="relay")
    client, free = relay.client(call="user"), relay.server.ports_free
    assert client.allocate((Attribute.LIFETIME, b"\0\0")).code == 400
    assert relay.server.ports_free == free
    assert relay.live() == []


@pytest.mark.parametrize("protocol", [6, 0, 1, 132, 255])
def test_any_transport_but_udp_is_442(protocol: int) -> None:
    assert Relay().client().allocate(protocol=protocol).code == 442


def test_used_five_tuple_is_noticed_before_the_transport() -> None:
    client = Relay().allocated()
    assert client.allocate(protocol=6).code == 437
    assert client.request(Method.ALLOCATE).code == 437


def test_unknown_comprehension_required_attribute_is_420_and_named() -> None:
    exchange = Relay().client().allocate((UNKNOWN_REQUIRED, b"?"), (0x7F02, b""))
    assert exchange.code == 420
    named = exchange.answer.value(Attribute.UNKNOWN_ATTRIBUTES)
    assert named == UNKNOWN_REQUIRED.to_bytes(2, "big") + (0x7F02).to_bytes(2, "big")


def test_unknown_comprehension_optional_attribute_is_ignored() -> None:
    Relay().client().allocate((UNKNOWN_OPTIONAL, b"?"), (Attribute.SOFTWARE, b"x")).accepted()


@pytest.mark.parametrize("method", [Method.REFRESH, Method.CREATE_PERMISSION, Method.CHANNEL_BIND])
def test_unknown_comprehension_required_attribute_is_420_in_every_method(method: Method) -> None:
    """RFC 8489 section 6.3.1: before any check of the method itself."""
    client = Relay().allocated()
    assert client.request(method, (UNKNOWN_REQUIRED, b"?")).code == 420


def test_unknown_attribute_is_noticed_before_the_method_is_looked_at() -> None:
    """RFC 8489 section 6.3.1: 420 comes before what the usage checks, here 437 and 400."""
    client = Relay().allocated()
    assert client.request(Method.ALLOCATE, (UNKNOWN_REQUIRED, b"?")).code == 420


def test_dont_fragment_is_understood() -> None:
    Relay().client().allocate((Attribute.DONT_FRAGMENT, b"")).accepted()


def test_relay_wide_cap_is_508() -> None:
    relay = Relay(allocations=3)
    for call in ("a", "b", "c"):
        relay.allocated("alice", call)
    assert relay.client("alice", "d").allocate().code == 508
    assert relay.client("alice", "d").allocate(protocol=6).code == 442
