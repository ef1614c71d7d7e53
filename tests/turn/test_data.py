"""Data that the core carries itself: RFC 8656 sections 11.2, 11.3, 12.6 and 12.7."""

import pytest

from relay.address import Transport
from relay.effects import Count, Deliver, Effect
from relay.errors import DropReason
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method
from tests.kit import wire
from tests.turn.client import Client, Relay


def permitted_pair(relay: Relay) -> tuple[Client, Client]:
    """Two legs with permissions both ways and no channels."""
    alice, bob = relay.pair()
    alice.permit(bob.relayed).accepted()
    bob.permit(alice.relayed).accepted()
    return alice, bob


def indication(effects: list[Effect], sender: Client, receiver: Client) -> bytes:
    """The DATA of the Data indication that is the one effect, all else about it checked."""
    (deliver,) = effects
    assert isinstance(deliver, Deliver)
    assert (deliver.leg, deliver.client) == (sender.leg, receiver.five_tuple)
    message = wire.parse(deliver.datagram)
    assert (message.method, message.cls) == (Method.DATA, Class.INDICATION)
    assert sorted(message.kinds) == [Attribute.XOR_PEER_ADDRESS, Attribute.DATA]
    named = message.address(Attribute.XOR_PEER_ADDRESS)
    assert named == (sender.relayed.packed, sender.relayed.port)
    data = message.value(Attribute.DATA)
    assert deliver.payload == len(data)
    return data


def is_dropped(effects: list[Effect]) -> bool:
    """Whether the data was counted and went nowhere; routes may end on the way."""
    kinds = [type(effect) for effect in effects]
    return Deliver not in kinds and kinds.count(Count) == 1


def test_send_becomes_a_data_indication_from_the_senders_relayed_address() -> None:
    alice, bob = permitted_pair(Relay())
    assert indication(alice.send(bob.relayed, b"hello"), alice, bob) == b"hello"
    assert indication(bob.send(alice.relayed, b"back"), bob, alice) == b"back"


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 1200, 9000])
def test_data_of_any_length_arrives_unchanged(length: int) -> None:
    alice, bob = permitted_pair(Relay())
    data = bytes(range(256)) * (length // 256 + 1)
    assert indication(alice.send(bob.relayed, data[:length]), alice, bob) == data[:length]


def test_data_indications_have_their_own_transaction_ids() -> None:
    alice, bob = permitted_pair(Relay())
    transaction_id = bytes(12)
    attributes = [wire.peer(bob.relayed, transaction_id), (int(Attribute.DATA), b"x")]
    (deliver,) = alice.indicate(Method.SEND, attributes, transaction_id)
    assert isinstance(deliver, Deliver)
    assert wire.parse(deliver.datagram).transaction_id != transaction_id


def test_send_reaches_a_receiver_with_a_channel_as_channel_data() -> None:
    relay = Relay()
    alice, bob = permitted_pair(relay)
    bob.bind(0x4007, alice.relayed).accepted()
    assert alice.send(bob.relayed, b"hello") == [
        Deliver(alice.leg, bob.five_tuple, wire.channel_data(0x4007, b"hello"), 5)
    ]


def test_channel_data_reaches_a_receiver_without_a_channel_as_an_indication() -> None:
    relay = Relay()
    alice, bob = permitted_pair(relay)
    alice.bind(0x4001, bob.relayed).accepted()
    assert indication(alice.channel_data(0x4001, b"hello"), alice, bob) == b"hello"


def test_channel_data_between_two_channels_is_carried_where_no_route_took_it() -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    assert alice.channel_data(0x4001, b"hello") == [
        Deliver(alice.leg, bob.five_tuple, wire.channel_data(0x4002, b"hello"), 5)
    ]


def test_empty_channel_data_is_carried() -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    assert alice.channel_data(0x4001, b"") == [
        Deliver(alice.leg, bob.five_tuple, wire.channel_data(0x4002, b""), 0)
    ]


@pytest.mark.parametrize("padding", [1, 2, 3])
def test_padding_after_channel_data_is_not_payload(padding: int) -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    padded = wire.channel_data(0x4001, b"hello") + bytes(padding)
    assert relay.receive(padded, alice.five_tuple) == [
        Deliver(alice.leg, bob.five_tuple, wire.channel_data(0x4002, b"hello"), 5)
    ]


def test_delivery_to_a_stream_is_not_padded_by_the_core() -> None:
    relay = Relay()
    alice = relay.allocated("alice")
    bob = relay.client("bob", transport=Transport.TCP)
    bob.allocate().accepted()
    alice.bind(0x4001, bob.relayed).accepted()
    bob.bind(0x4002, alice.relayed).accepted()
    assert alice.channel_data(0x4001, b"hello") == [
        Deliver(alice.leg, bob.five_tuple, wire.channel_data(0x4002, b"hello"), 5)
    ]


@pytest.mark.parametrize("length", [6, 7, 1000, 65535])
def test_channel_data_longer_than_its_datagram_is_dropped(length: int) -> None:
    relay = Relay()
    alice, _ = relay.bound_pair()
    datagram = b"\x40\x01" + length.to_bytes(2, "big") + b"hello"
    (effect,) = relay.receive(datagram, alice.five_tuple)
    assert isinstance(effect, Count)


def test_channel_of_the_reserved_range_is_dropped() -> None:
    relay = Relay()
    alice, _ = relay.bound_pair()
    for channel in (0x8000, 0xBFFF, 0xFFFF):
        (effect,) = alice.channel_data(channel, b"hello")
        assert isinstance(effect, Count)


def test_unbound_channel_is_dropped() -> None:
    relay = Relay()
    alice, _ = relay.bound_pair()
    assert alice.channel_data(0x4002, b"x") == [Count(DropReason.NO_CHANNEL, alice.leg)]


def test_send_without_permission_is_dropped() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    bob.permit(alice.relayed).accepted()
    assert alice.send(bob.relayed, b"x") == [Count(DropReason.NO_PERMISSION, alice.leg)]


def test_data_that_the_receiver_did_not_permit_is_dropped_and_counted_for_the_sender() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    alice.bind(0x4001, bob.relayed).accepted()
    expected = [Count(DropReason.NO_PERMISSION, alice.leg)]
    assert alice.send(bob.relayed, b"x") == expected
    assert alice.channel_data(0x4001, b"x") == expected


def test_receivers_permission_for_another_sibling_is_for_all_on_its_ip() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    carol = relay.allocated("carol")
    bob.permit(carol.relayed).accepted()
    alice.permit(bob.relayed).accepted()
    assert indication(alice.send(bob.relayed, b"x"), alice, bob) == b"x"


def test_data_goes_to_the_addressed_allocation_of_a_leg() -> None:
    relay = Relay()
    alice, bob = permitted_pair(relay)
    second = relay.allocated("bob")
    second.permit(alice.relayed).accepted()
    alice.permit(second.relayed).accepted()
    assert indication(alice.send(second.relayed, b"2"), alice, second) == b"2"
    assert indication(alice.send(bob.relayed, b"1"), alice, bob) == b"1"


def test_send_without_data_or_peer_is_dropped() -> None:
    relay = Relay()
    alice, bob = permitted_pair(relay)
    transaction_id = bytes(12)
    for attributes in (
        [wire.peer(bob.relayed, transaction_id)],
        [(int(Attribute.DATA), b"x")],
        [(int(Attribute.DATA), b"x"), (int(Attribute.XOR_PEER_ADDRESS), b"\0\x01")],
        [],
    ):
        (effect,) = alice.indicate(Method.SEND, attributes, transaction_id)
        assert isinstance(effect, Count)


def test_send_with_dont_fragment_is_carried() -> None:
    alice, bob = permitted_pair(Relay())
    effects = alice.send(bob.relayed, b"x", (int(Attribute.DONT_FRAGMENT), b""))
    assert indication(effects, alice, bob) == b"x"


def test_send_with_an_unknown_comprehension_required_attribute_is_dropped() -> None:
    alice, bob = permitted_pair(Relay())
    (effect,) = alice.send(bob.relayed, b"x", (0x7F01, b"?"))
    assert isinstance(effect, Count)


def test_send_request_is_not_an_indication() -> None:
    alice, bob = permitted_pair(Relay())
    transaction_id = alice.transaction()
    named = wire.peer(bob.relayed, transaction_id)
    exchange = alice.request(
        Method.SEND, named, (Attribute.DATA, b"x"), transaction_id=transaction_id
    )
    assert not any(isinstance(effect, Deliver) for effect in exchange.effects)


def test_data_indication_from_a_client_is_dropped() -> None:
    alice, bob = permitted_pair(Relay())
    attributes = [wire.peer(bob.relayed, bytes(12)), (int(Attribute.DATA), b"x")]
    (effect,) = alice.indicate(Method.DATA, attributes, bytes(12))
    assert isinstance(effect, Count)


def test_expired_sender_is_silent_even_before_the_timeout_is_handled() -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    bob.refresh(3600).accepted()
    relay.clock.advance(601)
    for effects in (alice.channel_data(0x4001, b"x"), alice.send(bob.relayed, b"x")):
        assert is_dropped(effects)


def test_expired_receiver_gets_nothing_even_before_the_timeout_is_handled() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    alice.refresh(3600).accepted()
    relay.clock.advance(590)
    alice.bind(0x4001, bob.relayed).accepted()
    bob.bind(0x4002, alice.relayed).accepted()
    relay.clock.advance(20)
    for effects in (alice.channel_data(0x4001, b"x"), alice.send(bob.relayed, b"x")):
        assert is_dropped(effects)
