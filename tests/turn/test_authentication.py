"""Long-term credentials (RFC 8489 section 9.2.4) with REST usernames and a stateless nonce."""

from dataclasses import replace

import pytest

from relay.address import Transport
from relay.effects import Answered, Count, Effect, Send
from relay.errors import DropReason
from relay.stun.attributes import Attribute, AttributeType
from relay.stun.message import Class, Method
from tests.kit import wire
from tests.turn.client import (
    CALL,
    LISTENER,
    OLD_SECRET,
    PARTIES,
    REALM,
    RULES,
    UDP_RELAYED,
    Client,
    Exchange,
    Relay,
)

TRANSACTION = bytes(range(12))


def unsigned(
    client: Client, method: int, *attributes: wire.Pair, key: bytes | None = None
) -> Exchange:
    """A request with exactly these attributes, signed only when a key is given."""
    datagram = wire.build(method, Class.REQUEST, TRANSACTION, list(attributes), key=key)
    return Exchange(client, client.relay.receive(datagram, client.five_tuple))


def test_allocate_without_integrity_is_challenged_with_the_smallest_401() -> None:
    client = Relay().client()
    exchange = client.challenge()
    assert exchange.effects == [
        Send(client.five_tuple, exchange.datagram),
        Answered(Method.ALLOCATE, 401),
    ]
    answer = exchange.answer
    assert sorted(answer.kinds) == [Attribute.ERROR_CODE, Attribute.REALM, Attribute.NONCE]
    assert answer.value(Attribute.ERROR_CODE) == bytes((0, 0, 4, 1))
    assert answer.value(Attribute.REALM) == REALM.encode()
    assert 1 <= len(answer.value(Attribute.NONCE)) <= 128 * 6


@pytest.mark.parametrize("method", [Method.REFRESH, Method.CREATE_PERMISSION, Method.CHANNEL_BIND])
@pytest.mark.parametrize("transport", Transport)
def test_every_other_method_without_integrity_gets_silence(
    method: Method, transport: Transport
) -> None:
    """Every client begins with an Allocate, and the answer would be larger than such a request."""
    client = Relay().client(transport=transport)
    datagram = wire.build(method, Class.REQUEST, TRANSACTION, [])
    effects = client.relay.receive(datagram, client.five_tuple)
    assert effects == [Count(DropReason.UNAUTHENTICATED)]


def test_the_same_of_a_client_with_an_allocation_gets_silence() -> None:
    client = Relay().allocated()
    datagram = wire.build(Method.REFRESH, Class.REQUEST, TRANSACTION, [wire.lifetime(0)])
    effects = client.relay.receive(datagram, client.five_tuple)
    assert effects == [Count(DropReason.UNAUTHENTICATED)]
    client.refresh().accepted()


def test_allocate_without_integrity_and_without_transport_gets_silence() -> None:
    client = Relay().client()
    datagram = wire.build(Method.ALLOCATE, Class.REQUEST, TRANSACTION, [])
    effects = client.relay.receive(datagram, client.five_tuple)
    assert effects == [Count(DropReason.UNAUTHENTICATED)]


def test_challenged_client_is_let_in() -> None:
    relay = Relay()
    client = relay.client("alice", "c")
    client.challenge()
    client.allocate().accepted()
    assert relay.live() == ["c"]


def test_older_secret_still_verifies() -> None:
    Relay().client(secret=OLD_SECRET).allocate().accepted()


def test_unknown_secret_is_401() -> None:
    relay = Relay()
    exchange = relay.client(call="call", secret="guessed").allocate()
    assert exchange.code == 401
    assert exchange.answer.values(Attribute.NONCE)
    assert relay.live() == []


def test_expired_credential_is_401() -> None:
    relay = Relay()
    client = relay.client(call="call", ttl_s=60)
    relay.clock.advance(61)
    assert client.allocate().code == 401
    assert relay.live() == []


def test_allocation_outlives_the_credential_it_was_made_with() -> None:
    relay = Relay()
    client = relay.client(ttl_s=60)
    client.allocate().accepted()
    relay.clock.advance(120)
    client.refresh().accepted()


@pytest.mark.parametrize(
    "username",
    [
        "",
        "alice",
        ":call:alice",
        "soon:call:alice",
        "-1:call:alice",
        "9999999999",
        "9999999999::alice",
        "9999999999:call:",
        "9999999999:call",
        "1e99:call:alice",
    ],
)
def test_username_of_another_shape_is_never_let_in(username: str) -> None:
    relay = Relay()
    client = relay.client(call="call")
    client.username = username
    password = wire.rest_password(relay.settings.secrets[0], username)
    client.key = wire.long_term_key(username, REALM, password)
    assert client.allocate().code in (400, 401)
    assert relay.live() == []


def test_username_that_is_not_utf8_is_refused() -> None:
    client = Relay().client()
    client.challenge()
    exchange = unsigned(
        client,
        Method.ALLOCATE,
        wire.transport(UDP_RELAYED),
        (Attribute.USERNAME, b"9999999999:\xff\xfe:alice"),
        (Attribute.REALM, client.realm),
        (Attribute.NONCE, client.nonce),
        key=client.key,
    )
    assert Answered(Method.ALLOCATE, 0) not in exchange.effects


def test_key_of_another_realm_is_401() -> None:
    client = Relay().client()
    password = wire.rest_password(client.relay.settings.secrets[0], client.username)
    client.key = wire.long_term_key(client.username, "elsewhere", password)
    client.realm = b"elsewhere"
    assert client.allocate().code == 401


@pytest.mark.parametrize("missing", [Attribute.USERNAME, Attribute.REALM, Attribute.NONCE])
def test_signed_request_without_username_realm_or_nonce_is_400(missing: AttributeType[str]) -> None:
    client = Relay().client()
    client.challenge()
    attributes = [
        wire.transport(UDP_RELAYED),
        (int(Attribute.USERNAME), client.username.encode()),
        (int(Attribute.REALM), client.realm),
        (int(Attribute.NONCE), client.nonce),
    ]
    present = [pair for pair in attributes if pair[0] != missing]
    assert unsigned(client, Method.ALLOCATE, *present, key=client.key).code == 400


def test_sha256_integrity_is_verified_and_answered_with_sha1() -> None:
    """RFC 8489 section 9.2.4: SHA-1 is the answer where no password algorithm was chosen."""
    client = Relay().client(transport=Transport.TCP)
    client.sha256 = True
    answer = client.allocate().accepted()
    assert len(answer.value(Attribute.MESSAGE_INTEGRITY)) == 20
    assert answer.values(Attribute.MESSAGE_INTEGRITY_SHA256) == []


def test_wrong_sha256_integrity_is_401() -> None:
    client = Relay().client()
    client.sha256 = True
    client.key = bytes(16)
    assert client.allocate().code == 401


def test_error_after_authentication_is_signed() -> None:
    client = Relay().client()
    exchange = client.refresh()
    assert exchange.code == 437
    assert exchange.answer.is_signed_with(client.key)


@pytest.mark.parametrize("issued_s", range(0, 1200, 150))
def test_nonce_is_good_for_forty_minutes_at_least(issued_s: float) -> None:
    relay = Relay()
    relay.clock.advance(issued_s)
    client = relay.client(ttl_s=7200)
    client.challenge()
    relay.clock.advance(2400)
    client.allocate().accepted()


@pytest.mark.parametrize("issued_s", range(0, 1200, 150))
def test_nonce_of_over_an_hour_is_438_and_the_one_in_it_works(issued_s: float) -> None:
    relay = Relay()
    relay.clock.advance(issued_s)
    client = relay.client(ttl_s=7200)
    client.challenge()
    relay.clock.advance(3601)
    exchange = client.allocate()
    assert exchange.effects == [
        Send(client.five_tuple, exchange.datagram),
        Answered(Method.ALLOCATE, 438),
    ]
    assert exchange.answer.value(Attribute.REALM) == REALM.encode()
    client.nonce = exchange.answer.value(Attribute.NONCE)
    client.allocate().accepted()


def test_stale_nonce_of_a_running_allocation_is_438_and_costs_nothing() -> None:
    relay = Relay()
    client = relay.client(ttl_s=7200)
    client.allocate(wire.lifetime(3600)).accepted()
    relay.clock.advance(3500)
    client.keep()
    relay.clock.advance(3500)
    exchange = client.refresh(0)
    assert exchange.code == 438
    client.nonce = exchange.answer.value(Attribute.NONCE)
    client.refresh().accepted()


def test_stale_nonce_with_wrong_integrity_is_401() -> None:
    """RFC 8489 section 9.2.4: the checks in the order specified, integrity before nonce."""
    relay = Relay()
    client = relay.client(ttl_s=7200)
    client.challenge()
    relay.clock.advance(3601)
    client.key = bytes(16)
    assert client.allocate().code == 401


def test_nonce_of_another_client_is_438() -> None:
    relay = Relay()
    alice, mallory = relay.client("alice"), relay.client("mallory")
    alice.challenge()
    mallory.nonce = alice.nonce
    assert mallory.allocate().code == 438


def test_nonce_of_another_port_transport_or_listener_is_438() -> None:
    relay = Relay()
    client = relay.client()
    client.challenge()
    origin = client.five_tuple
    others = [
        origin._replace(client=type(origin.client)(origin.client.packed, 40999)),
        origin._replace(transport=Transport.TCP),
        origin._replace(server=type(LISTENER)(LISTENER.packed, 5349)),
    ]
    for other in others:
        client.five_tuple = other
        assert client.allocate().code == 438


@pytest.mark.parametrize("length", range(4))
def test_the_beginning_of_a_nonce_is_none(length: int) -> None:
    """The relay itself gives shorter ones where the request is short, but none so short."""
    client = Relay().client()
    client.challenge()
    client.nonce = client.nonce[:length] or b"0"
    assert client.allocate().code == 438


@pytest.mark.parametrize("nonce", [b"x", b"0" * 64, b"obMatJos2AAAA" + b"0" * 20])
def test_invented_nonce_is_438(nonce: bytes) -> None:
    client = Relay().client()
    client.nonce = nonce
    assert client.allocate().code == 438


def test_nonce_that_is_not_text_is_not_let_in() -> None:
    client = Relay().client()
    client.nonce = b"\xff" * 24
    datagram = client.signed(Method.ALLOCATE, [wire.transport(UDP_RELAYED)], TRANSACTION)
    effects = client.relay.receive(datagram, client.five_tuple)
    assert Answered(Method.ALLOCATE, 0) not in effects


def test_every_byte_of_the_nonce_counts() -> None:
    client = Relay().client()
    client.challenge()
    good = client.nonce
    for index in range(len(good)):
        client.nonce = good[:index] + bytes((good[index] ^ 1,)) + good[index + 1 :]
        assert client.allocate().code == 438


def test_nonce_survives_a_restart_with_the_same_nonce_key() -> None:
    before, after = Relay(), Relay()
    client = before.client(call="call")
    client.challenge()
    client.relay = after
    client.allocate().accepted()


def test_nonce_of_another_nonce_key_is_438() -> None:
    before, after = Relay(), Relay(nonce_key=bytes(32))
    client = before.client(call="call")
    client.challenge()
    client.relay = after
    assert client.allocate().code == 438


def test_attributes_after_the_integrity_are_ignored() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    signed = alice.signed(Method.CREATE_PERMISSION, [], TRANSACTION)
    smuggled = wire.attribute(*wire.peer(bob.relayed, TRANSACTION))
    length = (len(signed) - 20 + len(smuggled)).to_bytes(2, "big")
    datagram = signed[:2] + length + signed[4:] + smuggled
    exchange = Exchange(alice, relay.receive(datagram, alice.five_tuple))
    assert exchange.code == 400


def test_first_of_two_equal_attributes_counts() -> None:
    client = Relay().allocated()
    exchange = client.request(Method.REFRESH, wire.lifetime(1200), wire.lifetime(0))
    assert exchange.accepted().lifetime_s == 1200


def test_fingerprint_is_checked() -> None:
    client = Relay().client()
    attributes = [wire.transport(UDP_RELAYED)]
    good = wire.build(Method.ALLOCATE, Class.REQUEST, TRANSACTION, attributes, fingerprint=True)
    assert Exchange(client, client.relay.receive(good, client.five_tuple)).code == 401
    bad = good[:-1] + bytes((good[-1] ^ 1,))
    expected: list[Effect] = [Count(DropReason.BAD_FINGERPRINT)]
    assert client.relay.receive(bad, client.five_tuple) == expected


@pytest.mark.parametrize(("call", "code"), [(CALL, 403), ("full", 486), ("new", 508)])
def test_refusal_by_the_calls_is_passed_on_and_nothing_is_allocated(call: str, code: int) -> None:
    relay = Relay()
    relay.server.set_rules(replace(RULES, legs_per_call=len(PARTIES)))
    for leg in PARTIES:
        relay.allocated(leg, "full")
    client = relay.client("mallory", call)
    relay.server.drain()
    exchange = client.allocate()
    assert exchange.effects == [
        Send(client.five_tuple, exchange.datagram),
        Answered(Method.ALLOCATE, code),
    ]
    assert client.refresh().code == 437
