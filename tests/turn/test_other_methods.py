"""Everything that is not TURN over UDP allocations: Binding, RFC 6062, and what is no request."""

import pytest

from relay.address import Transport
from relay.effects import Answered, Count, Effect, Send
from relay.errors import DropReason
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method
from tests.kit import wire
from tests.turn.client import Exchange, Relay

TRANSACTION = bytes(range(12))
BINDING = wire.build(Method.BINDING, Class.REQUEST, TRANSACTION, [])
TCP_METHODS = [Method.CONNECT, Method.CONNECTION_BIND]


def is_silent(effects: list[Effect]) -> bool:
    """Dropped and counted once, with nothing sent."""
    return [type(effect) for effect in effects] == [Count]


@pytest.mark.parametrize("transport", Transport)
def test_binding_request_is_refused_and_the_answer_tells_nothing(transport: Transport) -> None:
    """libwebrtc sends one to each TURN server and waits for any answer; silence costs it 15 s."""
    client = Relay().client(transport=transport)
    exchange = Exchange(client, client.relay.receive(BINDING, client.five_tuple))
    assert exchange.effects == [
        Send(client.five_tuple, exchange.datagram),
        Answered(Method.BINDING, 403),
    ]
    assert exchange.answer.transaction_id == TRANSACTION
    assert exchange.answer.kinds == [Attribute.ERROR_CODE]


def test_binding_request_of_an_authenticated_client_is_refused_too() -> None:
    client = Relay().allocated()
    exchange = Exchange(client, client.relay.receive(BINDING, client.five_tuple))
    assert (exchange.code, exchange.answer.kinds) == (403, [Attribute.ERROR_CODE.number])


def test_refused_binding_requests_are_within_the_rate_of_strangers() -> None:
    relay = Relay(unauthenticated_per_s=1)
    client = relay.client()
    effects = [relay.receive(BINDING, client.five_tuple) for _ in range(50)]
    assert sum(not is_silent(each) for each in effects) == 10
    assert effects[-1] == [Count(DropReason.UNAUTHENTICATED_RATE)]


def test_binding_request_is_answered_where_the_setting_is_on() -> None:
    client = Relay(stun_binding=True).client()
    exchange = Exchange(client, client.relay.receive(BINDING, client.five_tuple))
    assert exchange.effects == [
        Send(client.five_tuple, exchange.datagram),
        Answered(Method.BINDING, 0),
    ]
    answer = exchange.answer
    assert answer.transaction_id == TRANSACTION
    mapped = answer.address(Attribute.XOR_MAPPED_ADDRESS)
    assert mapped == (client.five_tuple.client.packed, client.five_tuple.client.port)
    assert Attribute.SOFTWARE not in answer.kinds


def test_binding_request_with_an_unknown_required_attribute_is_420() -> None:
    client = Relay(stun_binding=True).client()
    datagram = wire.build(Method.BINDING, Class.REQUEST, TRANSACTION, [(0x7F01, b"")])
    assert Exchange(client, client.relay.receive(datagram, client.five_tuple)).code == 420


def test_binding_indication_keeps_a_mapping_alive_and_is_not_answered() -> None:
    client = Relay(stun_binding=True).allocated()
    effects = client.indicate(Method.BINDING, [], TRANSACTION)
    assert not any(isinstance(effect, Send | Answered) for effect in effects)


@pytest.mark.parametrize("transport", Transport)
def test_tcp_allocation_is_442(transport: Transport) -> None:
    assert Relay().client(transport=transport).allocate(protocol=6).code == 442


@pytest.mark.parametrize("method", [*TCP_METHODS, 0x00D, 0x080, 0xFFF])
def test_methods_that_the_relay_does_not_have_never_succeed(method: int) -> None:
    relay = Relay()
    alice, bob = relay.pair()
    transaction_id = alice.transaction()
    named = wire.peer(bob.relayed, transaction_id)
    exchange = alice.request(method, named, transaction_id=transaction_id)
    if not is_silent(exchange.effects):
        assert 400 <= exchange.code < 500


@pytest.mark.parametrize("method", TCP_METHODS)
def test_methods_of_rfc_6062_without_credentials_never_succeed(method: Method) -> None:
    client = Relay().client(transport=Transport.TCP)
    datagram = wire.build(method, Class.REQUEST, TRANSACTION, [])
    effects = client.relay.receive(datagram, client.five_tuple)
    assert is_silent(effects) or Exchange(client, effects).code == 401


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("cls", [Class.SUCCESS, Class.ERROR])
def test_responses_from_a_client_are_dropped(method: Method, cls: Class) -> None:
    relay = Relay()
    alice, _ = relay.bound_pair()
    datagram = wire.build(method, cls, TRANSACTION, [wire.lifetime(0)], key=alice.key)
    assert is_silent(relay.receive(datagram, alice.five_tuple))
    alice.refresh().accepted()


@pytest.mark.parametrize(
    "method", [method for method in Method if method not in (Method.SEND, Method.BINDING)]
)
def test_indications_other_than_send_are_dropped(method: Method) -> None:
    relay = Relay()
    alice, bob = relay.bound_pair()
    attributes = [
        wire.lifetime(0),
        wire.peer(bob.relayed, TRANSACTION),
        (int(Attribute.DATA), b"x"),
    ]
    assert is_silent(alice.indicate(method, attributes, TRANSACTION))
    alice.refresh().accepted()
