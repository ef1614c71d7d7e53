"""The TURN client of the tests: what it answers a challenge with, and when it gives up."""

from relay.address import PeerAddress
from tests.kit import wire
from tests.kit.turn import Client, Credential, Exchange
from tests.kit.wire import Attribute, Class, Method

_REALM = (int(Attribute.REALM), b"a realm")
_PEER = PeerAddress(bytes((192, 0, 2, 1)), 50000)


def _sent(request: bytes) -> wire.Stun:
    return wire.parse(request)


def _challenge(request: bytes, code: int, nonce: bytes) -> wire.Stun:
    asked = _sent(request)
    error = (int(Attribute.ERROR_CODE), bytes((0, 0, code // 100, code % 100)))
    nonces = (int(Attribute.NONCE), nonce)
    attributes = [error, _REALM, nonces]
    return wire.parse(wire.build(asked.method, Class.ERROR, asked.transaction_id, attributes))


def _success(request: bytes) -> wire.Stun:
    asked = _sent(request)
    return wire.parse(wire.build(asked.method, Class.SUCCESS, asked.transaction_id, []))


def _end(exchange: Exchange, answer: wire.Stun) -> wire.Stun:
    """The last answer of an exchange that asks for no more."""
    try:
        exchange.send(answer)
    except StopIteration as ended:
        last: wire.Stun = ended.value
        return last
    raise AssertionError("it asks again")


def test_a_challenge_is_answered_with_its_realm_and_nonce_and_a_new_transaction() -> None:
    client = Client(Credential("user", "password"))
    exchange = client.bind(0x4000, _PEER)
    first = next(exchange)
    assert _sent(first).kinds == [Attribute.XOR_PEER_ADDRESS, Attribute.CHANNEL_NUMBER]
    second = exchange.send(_challenge(first, 401, b"a nonce"))
    signed = _sent(second)
    assert signed.transaction_id != _sent(first).transaction_id
    assert signed.address(Attribute.XOR_PEER_ADDRESS) == (_PEER.packed, _PEER.port)
    assert (signed.value(_REALM[0]), signed.value(Attribute.NONCE)) == (_REALM[1], b"a nonce")
    assert signed.is_signed_with(wire.long_term_key("user", "a realm", "password"))
    assert _end(exchange, _success(second)).code == 0


def test_a_stale_nonce_is_replaced_and_kept() -> None:
    client = Client(Credential("user", "password"))
    client.realm, client.nonce = b"a realm", b"old"
    exchange = client.refresh(600)
    again = exchange.send(_challenge(next(exchange), 438, b"new"))
    assert _sent(again).value(Attribute.NONCE) == b"new"
    _end(exchange, _success(again))
    assert _sent(next(client.request(Method.REFRESH))).value(Attribute.NONCE) == b"new"


def test_a_credential_that_is_refused_is_not_tried_again() -> None:
    client = Client(Credential("user", "wrong"))
    exchange = client.allocate()
    second = exchange.send(_challenge(next(exchange), 401, b"a nonce"))
    assert _end(exchange, _challenge(second, 401, b"another")).code == 401
    client.nonce = b"a nonce"
    exchange = client.refresh(600)
    assert _end(exchange, _challenge(next(exchange), 401, b"a nonce")).code == 401
