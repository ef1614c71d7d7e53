"""300 with ALTERNATE-SERVER, while the relay drains: RFC 8489 sections 10, 14.15 and 14.16."""

from dataclasses import replace

import pytest

from relay.address import ServerAddress, Transport
from relay.calls.rules import Alternate
from relay.effects import Count
from relay.errors import DropReason
from tests.kit import wire
from tests.kit.wire import Attribute, Method
from tests.turn.client import CALL, RULES, UDP_RELAYED, Relay

_V4 = ServerAddress.parse("198.51.100.7", 3478)
_V6 = ServerAddress.parse("2001:db8::7", 3478)
_TLS = ServerAddress.parse("198.51.100.7", 5349)
_NAME = "turn-2.example.org"
_ALTERNATES = (
    Alternate(Transport.UDP, _V6, ""),
    Alternate(Transport.UDP, _V4, ""),
    Alternate(Transport.TLS, _TLS, _NAME),
)


def _relay(alternates: tuple[Alternate, ...] = _ALTERNATES, **settings: object) -> Relay:
    """One that does not drain yet."""
    relay = Relay(**settings)
    relay.server.set_rules(replace(RULES, alternates=alternates))
    return relay


def _plain(address: ServerAddress) -> bytes:
    """RFC 8489 section 14.1: the format of MAPPED-ADDRESS."""
    family = wire.IPV4 if len(address.packed) == 4 else wire.IPV6
    return bytes((0, family)) + address.port.to_bytes(2) + address.packed


def test_who_would_begin_a_call_is_sent_away_once_the_relay_drains() -> None:
    relay = _relay()
    relay.client(call="before").allocate().accepted()
    relay.server.drain()
    client = relay.client(call="later")
    exchange = client.allocate()
    assert exchange.code == 300
    assert exchange.before_answer() == []
    answer = exchange.answer
    assert answer.kinds == [
        Attribute.ERROR_CODE,
        Attribute.ALTERNATE_SERVER,
        Attribute.MESSAGE_INTEGRITY,
    ]
    assert answer.value(Attribute.ALTERNATE_SERVER) == _plain(_V4)
    assert answer.is_signed_with(client.key)
    assert relay.live() == ["before"]


def test_over_tls_the_name_of_the_certificate_is_told() -> None:
    relay = _relay()
    relay.server.drain()
    answer = relay.client(call="later", transport=Transport.TLS).allocate().answer
    assert answer.value(Attribute.ALTERNATE_SERVER) == _plain(_TLS)
    assert answer.value(Attribute.ALTERNATE_DOMAIN) == _NAME.encode()


def test_a_client_over_ipv6_is_sent_to_ipv6() -> None:
    relay = _relay()
    relay.server.drain()
    client = relay.client(call="later")
    origin = client.five_tuple
    address = type(origin.client)(bytes.fromhex("20010db8") + bytes(11) + b"\x09", 40000)
    client.five_tuple = origin._replace(client=address)
    assert client.allocate().answer.value(Attribute.ALTERNATE_SERVER) == _plain(_V6)


@pytest.mark.parametrize("alternates", [(), _ALTERNATES[:1], _ALTERNATES[2:]])
def test_without_another_relay_of_its_kind_a_client_gets_508(
    alternates: tuple[Alternate, ...],
) -> None:
    relay = _relay(alternates)
    relay.server.drain()
    exchange = relay.client(call="later").allocate()
    assert exchange.code == 508
    assert exchange.answer.values(Attribute.ALTERNATE_SERVER) == []


def test_calls_and_allocations_that_are_there_go_on() -> None:
    relay = _relay()
    alice = relay.allocated("alice")
    relay.server.drain()
    alice.refresh().accepted()
    relay.client("bob").allocate().accepted()
    relay.client("alice").allocate().accepted()


def test_while_it_does_not_drain_nobody_is_sent_away() -> None:
    relay = _relay(allocations=1)
    relay.client(call="one").allocate().accepted()
    assert relay.client(call="two").allocate().code == 508


def test_who_has_not_authenticated_is_told_nothing() -> None:
    relay = _relay()
    relay.server.drain()
    client = relay.client(call="later")
    assert client.challenge().answer.values(Attribute.ALTERNATE_SERVER) == []
    client.key = bytes(16)
    refused = client.allocate()
    assert (refused.code, refused.answer.values(Attribute.ALTERNATE_SERVER)) == (401, [])
    client.key, client.nonce = relay.client(call="later").key, b"0123456789abcdef"
    stale = client.allocate()
    assert (stale.code, stale.answer.values(Attribute.ALTERNATE_SERVER)) == (438, [])
    bare = wire.build(Method.REFRESH, wire.Class.REQUEST, bytes(12), [])
    assert relay.receive(bare, client.five_tuple) == [Count(DropReason.UNAUTHENTICATED)]


@pytest.mark.parametrize("is_draining", [True, False])
def test_a_call_that_has_ended_does_not_begin_anew_elsewhere(*, is_draining: bool) -> None:
    relay = _relay()
    relay.client(call="ended").allocate().accepted()
    relay.end("ended")
    relay.client("alice", "left").allocate().accepted()
    relay.client("bob", "left").allocate().accepted()
    relay.end_party("bob", "left")
    relay.end("never-begun")
    if is_draining:
        relay.server.drain()
    for call, leg in (
        ("ended", "alice"),
        ("left", "bob"),
        ("never-begun", "alice"),
    ):
        assert relay.client(leg, call).allocate().code == 403


def test_a_call_of_the_api_that_this_relay_does_not_have_is_403() -> None:
    relay = _relay()
    client = relay.client(call=CALL)
    relay.end(CALL)
    relay.server.drain()
    assert client.allocate().code == 403
    client.username = client.username.replace(CALL, "cv_unknown")
    password = wire.rest_password(relay.settings.secrets[0], client.username)
    client.key = wire.long_term_key(client.username, relay.settings.realm, password)
    assert client.allocate().code == 403


def test_users_are_sent_away_unless_they_are_here_or_revoked() -> None:
    relay = _relay(peers="relay", users={"here": "a", "new": "b", "revoked": "c"})

    def allocate(user: str) -> int:
        client = relay.client(call="unused")
        client.username = user
        client.key = wire.long_term_key(user, relay.settings.realm, relay.settings.users[user])
        return client.allocate().code

    assert allocate("here") == 0
    relay.server.revoke_user("revoked", None, relay.clock.now)
    relay.server.drain()
    assert (allocate("here"), allocate("new"), allocate("revoked")) == (0, 300, 403)


def test_a_request_that_could_not_be_granted_anyway_is_not_sent_away() -> None:
    relay = _relay()
    relay.server.drain()
    client = relay.client(call="later")
    assert client.allocate(protocol=6).code == 442
    assert client.allocate(wire.requested_family(wire.IPV6)).code == 440
    assert client.allocate(protocol=UDP_RELAYED).code == 300
