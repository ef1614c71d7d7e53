"""Any datagram, from a stranger or from a leg, gives a list of effects and never an exception."""

import gc
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.effects import Answered, Deliver, Effect, Send, SetLeg, SetRoute
from relay.stun.attributes import Attribute, AttributeType
from relay.stun.message import Class, Method
from tests.kit import wire
from tests.turn.client import UDP_RELAYED, Client, Relay

KINDS = get_args(Effect)
TRANSACTION = bytes(range(12))
GRANTED = (SetLeg, SetRoute)
"""What only an authenticated request may bring about."""


def requests_of(client: Client, other: Client) -> dict[str, bytes]:
    """One valid signed request of every method, none of them sent yet."""
    peer = wire.peer(other.relayed, TRANSACTION)
    return {
        "refresh": client.signed(Method.REFRESH, [wire.lifetime(1200)], TRANSACTION),
        "delete": client.signed(Method.REFRESH, [wire.lifetime(0)], TRANSACTION),
        "permission": client.signed(Method.CREATE_PERMISSION, [peer], TRANSACTION),
        "channel": client.signed(
            Method.CHANNEL_BIND, [wire.channel_number(0x4003), peer], TRANSACTION
        ),
    }


def check(effects: list[Effect]) -> None:
    """What holds for every list of effects, whatever brought it about."""
    assert isinstance(effects, list)
    assert all(isinstance(effect, KINDS) for effect in effects)
    sends = [effect for effect in effects if isinstance(effect, Send)]
    answered = [effect for effect in effects if isinstance(effect, Answered)]
    assert len(sends) == len(answered) <= 1
    if sends:
        assert effects[-2:] == [sends[0], answered[0]]
        assert wire.parse(sends[0].datagram).code == answered[0].code


def is_success(effects: list[Effect]) -> bool:
    """Whether a request was granted."""
    return any(isinstance(effect, Answered) and effect.code == 0 for effect in effects)


NUMBERS = [each.number for each in vars(Attribute).values() if isinstance(each, AttributeType)]
VALUES = st.one_of(
    st.binary(max_size=24),
    st.sampled_from([b"", bytes(4), b"\x11\0\0\0", b"\0\x01" + bytes(6), b"\0\x02" + bytes(18)]),
)
ATTRIBUTES = st.lists(
    st.tuples(st.one_of(st.sampled_from(NUMBERS), st.integers(0, 65535)), VALUES),
    max_size=8,
)
METHODS = st.one_of(st.sampled_from(list(map(int, Method))), st.integers(0, 0xFFF))


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_arbitrary_bytes_give_effects(datagrams: list[bytes]) -> None:
    relay = Relay()
    alice, _ = relay.bound_pair()
    stranger = relay.client("mallory")
    for datagram in datagrams:
        for client in (alice, stranger):
            effects = relay.receive(datagram, client.five_tuple)
            check(effects)
            assert not is_success(effects)
            assert not any(isinstance(effect, GRANTED) for effect in effects)


@given(METHODS, st.sampled_from(list(Class)), ATTRIBUTES, st.booleans())
def test_any_message_of_a_stranger_is_refused_or_dropped(
    method: int, cls: Class, attributes: wire.Attributes, fingerprint: bool
) -> None:
    relay = Relay()
    stranger = relay.client(call="call")
    datagram = wire.build(method, cls, TRANSACTION, attributes, fingerprint=fingerprint)
    effects = relay.receive(datagram, stranger.five_tuple)
    check(effects)
    assert not is_success(effects)
    assert relay.server.next_timeout() is None
    assert relay.live() == []


@given(METHODS, ATTRIBUTES)
def test_any_signed_request_of_a_leg_is_answered_or_dropped(
    method: int, attributes: wire.Attributes
) -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    check(alice.request(method, *attributes).effects)
    newcomer = relay.client("carol")
    check(newcomer.request(method, *attributes).effects)
    assert isinstance(bob.send(alice.relayed, b"x")[0], Deliver) or method == Method.REFRESH


@given(METHODS, ATTRIBUTES)
def test_any_indication_of_a_leg_only_ever_reaches_its_siblings(
    method: int, attributes: wire.Attributes
) -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    relay.bound_pair("other")
    effects = alice.indicate(method, attributes, TRANSACTION)
    check(effects)
    delivered = [effect.client for effect in effects if isinstance(effect, Deliver)]
    assert delivered in ([], [bob.five_tuple])


@given(st.data())
@settings(max_examples=200)
def test_signed_request_with_any_byte_changed_is_never_granted(data: st.DataObject) -> None:
    relay = Relay()
    alice, bob = relay.pair()
    request = data.draw(st.sampled_from(sorted(requests_of(alice, bob).items())))[1]
    index = data.draw(st.integers(0, len(request) - 1))
    change = data.draw(st.integers(1, 255))
    changed = request[:index] + bytes((request[index] ^ change,)) + request[index + 1 :]
    effects = relay.receive(changed, alice.five_tuple)
    check(effects)
    assert not is_success(effects)
    alice.refresh().accepted()


@pytest.mark.parametrize("name", ["refresh", "delete", "permission", "channel"])
def test_no_truncation_of_a_signed_request_is_granted(name: str) -> None:
    relay = Relay()
    alice, bob = relay.pair()
    request = requests_of(alice, bob)[name]
    for length in range(len(request)):
        effects = relay.receive(request[:length], alice.five_tuple)
        check(effects)
        assert not is_success(effects)
    assert is_success(relay.receive(request, alice.five_tuple))


@given(st.binary(min_size=1, max_size=40))
def test_signed_request_with_bytes_after_it_is_never_granted(trailer: bytes) -> None:
    relay = Relay()
    alice, bob = relay.pair()
    for request in requests_of(alice, bob).values():
        effects = relay.receive(request + trailer, alice.five_tuple)
        check(effects)
        assert not is_success(effects)


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary(max_size=40))
def test_any_channel_data_is_delivered_to_the_sibling_or_dropped(
    channel: int, length: int, payload: bytes
) -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    datagram = channel.to_bytes(2, "big") + length.to_bytes(2, "big") + payload
    effects = relay.receive(datagram, alice.five_tuple)
    check(effects)
    for effect in effects:
        if isinstance(effect, Deliver):
            assert (channel, effect.client) == (0x4001, bob.five_tuple)
            assert effect.datagram == wire.channel_data(0x4002, payload[:length])


def test_requests_that_fail_leave_nothing_behind() -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    refused = [
        alice.signed(Method.ALLOCATE, [wire.transport(UDP_RELAYED)], TRANSACTION),
        alice.signed(Method.ALLOCATE, [], TRANSACTION),
        alice.signed(Method.CHANNEL_BIND, [wire.channel_number(0x4009)], TRANSACTION),
        alice.signed(Method.CREATE_PERMISSION, [], TRANSACTION),
        alice.signed(Method.REFRESH, [(0x7F01, b"")], TRANSACTION),
        *(wire.channel_data(channel, b"x") for channel in (0x4003, 0x4FFF)),
    ]
    for datagram in refused:
        assert not is_success(relay.receive(datagram, alice.five_tuple))
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(200):
        for datagram in refused:
            relay.receive(datagram, alice.five_tuple)
    gc.collect()
    assert len(gc.get_objects()) - before < 50
    assert isinstance(bob.channel_data(0x4002, b"x")[0], Deliver)


def test_wrong_passwords_leave_nothing_behind() -> None:
    relay = Relay(unauthenticated_per_s=10_000)
    strangers = [relay.client(str(number), "call") for number in range(50)]
    for stranger in strangers:
        stranger.challenge()
        stranger.key = bytes(16)
        stranger.allocate()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(20):
        for stranger in strangers:
            assert stranger.allocate().code == 401
    gc.collect()
    assert len(gc.get_objects()) - before < 50
    assert relay.server.next_timeout() is None
    assert relay.live() == []
