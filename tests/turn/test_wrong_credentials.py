"""Requests on an allocation's five-tuple that is not theirs (RFC 8656 section 5)."""

from collections.abc import Callable

import pytest

from relay.effects import Answered, Count, Send
from relay.errors import DropReason
from relay.stun.attributes import Attribute
from relay.stun.message import Method
from tests.turn.client import Client, Exchange, Relay

Request = Callable[[Client, Client], Exchange]
REQUESTS: dict[str, Request] = {
    "refresh": lambda client, peer: client.refresh(),
    "delete": lambda client, peer: client.refresh(0),
    "permission": lambda client, peer: client.permit(peer.relayed),
    "channel": lambda client, peer: client.bind(0x4001, peer.relayed),
}
each_request = pytest.mark.parametrize("request_of", REQUESTS.values(), ids=REQUESTS.keys())


@each_request
def test_other_valid_username_on_the_same_five_tuple_is_441(request_of: Request) -> None:
    relay = Relay()
    alice, bob = relay.pair()
    intruder = relay.client("mallory")
    intruder.five_tuple = alice.five_tuple
    exchange = request_of(intruder, bob)
    assert exchange.code == 441
    assert exchange.answer.is_signed_with(intruder.key)
    alice.refresh().accepted()


@each_request
def test_same_leg_under_a_newer_username_is_441(request_of: Request) -> None:
    relay = Relay()
    alice, bob = relay.pair()
    renewed = relay.client("alice", ttl_s=7200)
    renewed.five_tuple = alice.five_tuple
    assert request_of(renewed, bob).code == 441


@each_request
def test_request_on_another_five_tuple_is_437(request_of: Request) -> None:
    relay = Relay()
    _, bob = relay.pair()
    moved = relay.client("alice")
    exchange = request_of(moved, bob)
    assert exchange.code == 437
    assert exchange.effects == [
        Send(moved.five_tuple, exchange.datagram),
        Answered(exchange.answer.method, 437),
    ]


def test_allocate_of_another_username_on_a_used_five_tuple_is_437() -> None:
    relay = Relay()
    alice = relay.allocated()
    intruder = relay.client("mallory")
    intruder.five_tuple = alice.five_tuple
    assert intruder.allocate().code == 437
    alice.refresh().accepted()


def test_allocate_with_the_transaction_id_of_another_username_is_no_retransmission() -> None:
    relay = Relay()
    alice = relay.client("alice")
    transaction_id = alice.transaction()
    alice.allocate(transaction_id=transaction_id).accepted()
    intruder = relay.client("mallory")
    intruder.five_tuple = alice.five_tuple
    exchange = intruder.allocate(transaction_id=transaction_id)
    assert exchange.code in (437, 441)
    assert exchange.answer.values(Attribute.XOR_RELAYED_ADDRESS) == []


def test_indications_and_channel_data_without_allocation_are_dropped() -> None:
    relay = Relay()
    _, bob = relay.pair()
    stranger = relay.client("mallory")
    assert stranger.send(bob.relayed, b"data") == [Count(DropReason.NO_ALLOCATION)]
    assert stranger.channel_data(0x4001, b"data") == [Count(DropReason.NO_ALLOCATION)]


def test_441_says_nothing_about_the_allocation() -> None:
    relay = Relay()
    alice = relay.allocated()
    intruder = relay.client("mallory")
    intruder.five_tuple = alice.five_tuple
    kinds = intruder.request(Method.REFRESH).answer.kinds
    assert set(kinds) <= {Attribute.ERROR_CODE, Attribute.MESSAGE_INTEGRITY}
