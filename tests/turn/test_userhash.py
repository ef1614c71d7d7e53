"""USERHASH in place of USERNAME: RFC 8489 sections 9.2.3 to 9.2.5 and 14.4.

A name cannot be found from its hash, so it works for names that the relay knows: those that it has
minted itself, and static users. The challenge asks for a hash only where those are all there are.
"""

import tracemalloc

import pytest

from relay.address import Transport
from relay.clock import Now
from relay.effects import Answered, Count, Effect
from relay.errors import DropReason
from relay.stun.message import Method
from relay.turn.userhash import MINTED, KnownNames
from tests.kit import rfc8489, turn, wire
from tests.kit.rfc8489 import PASSWORD_ALGORITHMS, USERNAME_ANONYMITY
from tests.kit.wire import Attribute
from tests.turn.client import CALL, PARTIES, SECRET, Relay
from tests.turn.talking import Talk

_USERS = {"front desk": "a static password", "1:2:3": "another"}


def _minted(relay: Relay, leg: str = "alice", *, ttl_s: int = 3600) -> turn.Credential:
    """What the API gives a party of the call, which the relay hears of."""
    if CALL not in relay.created:
        relay.create()
    expiry = int(relay.clock.now.wall) + ttl_s
    username = f"{expiry}:{CALL}:{leg}"
    relay.server.minted(username, expiry, relay.clock.now)
    return turn.Credential(username, wire.rest_password(SECRET, username))


def test_a_name_that_the_relay_has_minted_is_known_by_its_hash() -> None:
    relay = Relay(mints_alone=True)
    talk = Talk(relay, _minted(relay))
    answer = talk.allocate()
    assert answer.code == 0
    features = rfc8489.features_of(talk.answers[0].value(Attribute.NONCE))
    assert features == {PASSWORD_ALGORITHMS, USERNAME_ANONYMITY}
    assert talk.client.is_anonymous
    assert talk.client.is_genuine(answer)
    assert talk.run(talk.client.refresh(600)).code == 0


def test_no_request_and_no_answer_spells_the_name() -> None:
    relay = Relay(mints_alone=True)
    credential = _minted(relay)
    talk = Talk(relay, credential)
    talk.allocate()
    talk.run(talk.client.refresh(0))
    spelled = (credential.username.encode(), b"alice", CALL.encode())
    for datagram in (*talk.requests, *(answer.raw for answer in talk.answers)):
        assert not any(name in datagram for name in spelled)


def test_where_others_can_mint_clients_are_asked_for_their_names() -> None:
    relay = Relay(mints_alone=False)
    talk = Talk(relay, _minted(relay))
    assert talk.allocate().code == 0
    assert not talk.client.is_anonymous


def test_a_hash_of_a_name_that_others_have_minted_is_401() -> None:
    relay = Relay(mints_alone=False)
    talk = Talk(relay, _minted(relay))
    talk.client.take_challenge(talk.challenge())
    assert talk.ask(_with_userhash(talk)).code == 401


def _with_userhash(talk: Talk, hashed: bytes | None = None) -> bytes:
    """An Allocate with USERHASH, whatever the cookie says."""
    client = talk.client
    hashed = hashed or wire.userhash(client.credential.username, client.realm.decode())
    attributes = [
        wire.transport(wire.UDP),
        (Attribute.USERHASH, hashed),
        (Attribute.REALM, client.realm),
        (Attribute.NONCE, client.nonce),
    ]
    return wire.build(
        Method.ALLOCATE, wire.Class.REQUEST, bytes(12), attributes, key=_md5(client), sha256=False
    )


def _md5(client: rfc8489.Client) -> bytes:
    username, password = client.credential
    return wire.long_term_key(username, client.realm.decode(), password)


def test_static_users_are_known_by_their_hashes() -> None:
    for username, password in _USERS.items():
        relay = Relay(mints_alone=True, peers="relay", users=_USERS)
        talk = Talk(relay, turn.Credential(username, password))
        assert talk.allocate().code == 0
        assert talk.client.is_anonymous


def test_static_users_may_use_hashes_where_others_can_mint_too() -> None:
    relay = Relay(mints_alone=False, peers="relay", users=_USERS)
    talk = Talk(relay, turn.Credential("front desk", _USERS["front desk"]))
    talk.client.take_challenge(talk.challenge())
    assert talk.ask(_with_userhash(talk)).code == 0


def test_a_static_user_that_is_taken_away_is_known_no_longer() -> None:
    relay = Relay(mints_alone=True, peers="relay", users=_USERS)
    talk = Talk(relay, turn.Credential("front desk", _USERS["front desk"]))
    relay.server.replace_secrets((SECRET,), {}, mints_alone=True)
    assert talk.allocate().code == 401


def test_the_name_of_the_allocation_is_known_whatever_has_been_forgotten() -> None:
    relay = Relay(mints_alone=True)
    talk = Talk(relay, _minted(relay))
    assert talk.allocate().code == 0
    relay.server.replace_secrets(("another secret",), {}, mints_alone=False)
    assert talk.ask(next(talk.client.refresh(600))).code == 0


@pytest.mark.parametrize("hashed", [bytes(32), b"\xff" * 32])
def test_an_invented_hash_is_401_with_a_new_challenge(hashed: bytes) -> None:
    relay = Relay(mints_alone=True)
    talk = Talk(relay, _minted(relay))
    talk.client.take_challenge(talk.challenge())
    answer = talk.ask(_with_userhash(talk, hashed))
    assert answer.code == 401
    assert answer.values(Attribute.NONCE)
    assert answer.values(Attribute.PASSWORD_ALGORITHMS)


@pytest.mark.parametrize("size", [0, 4, 31, 33, 64])
def test_a_hash_of_another_size_is_dropped(size: int) -> None:
    relay = Relay(mints_alone=True)
    talk = Talk(relay, _minted(relay))
    talk.client.take_challenge(talk.challenge())
    request = _with_userhash(talk, bytes(size) or b"\0")
    effects = relay.receive(request, talk.five_tuple)
    expected: list[Effect] = [Count(DropReason.BAD_ATTRIBUTE)]
    assert effects == expected


def test_the_hash_of_one_leg_is_not_anothers() -> None:
    relay = Relay(mints_alone=True)
    alice, bob = (_minted(relay, leg) for leg in PARTIES[:2])
    talk = Talk(relay, alice)
    talk.client.credential = turn.Credential(bob.username, alice.password)
    assert talk.allocate().code == 401


def test_a_hash_of_an_expired_name_is_401() -> None:
    relay = Relay(mints_alone=True)
    talk = Talk(relay, _minted(relay, ttl_s=60))
    relay.clock.advance(61)
    assert talk.allocate().code == 401


def _at(wall: float) -> Now:
    return Now(0.0, wall)


def test_what_has_expired_is_forgotten_as_more_is_minted() -> None:
    names = KnownNames("r", (), is_alone=True)
    for number in range(1000):
        names.add(f"{number + 10}:call:{number}", number + 10, float(number))
    assert len(names) <= 11
    assert names.are_all(1000.0)


def test_where_a_name_had_to_be_forgotten_clients_are_asked_for_names_until_it_expires() -> None:
    names = KnownNames("r", ("static",), is_alone=True)
    for number in range(MINTED):
        names.add(f"{number}", 100, 0.0)
    assert names.are_all(0.0)
    names.add("one more", 200, 0.0)
    assert len(names) == MINTED + 1
    assert names.find(wire.userhash("0", "r")) is None
    assert names.find(wire.userhash("one more", "r")) == "one more"
    assert names.find(wire.userhash("static", "r")) == "static"
    assert not names.are_all(99.0)
    assert names.are_all(100.0)


def test_a_name_that_is_known_costs_some_hundred_bytes() -> None:
    names = KnownNames("callveil", (), is_alone=True)
    call, leg = "cv_" + "c" * 22, "l" * 22
    tracemalloc.start()
    for number in range(10_000):
        names.add(f"1800003600:{call}:{leg}{number:05}", 1_800_003_600, 0.0)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 10_000 * 400, f"{kept / 10_000} bytes each"


def test_a_name_is_not_kept_where_it_would_not_be_asked_for() -> None:
    names = KnownNames("r", (), is_alone=False)
    names.add("100:call:leg", 100, 0.0)
    assert len(names) == 0
    assert not names.are_all(0.0)


def test_over_a_stream_too() -> None:
    relay = Relay(mints_alone=True)
    talk = Talk(relay, _minted(relay), transport=Transport.TLS, software=b"")
    assert talk.allocate().code == 0
    assert talk.client.is_anonymous


def test_both_names_at_once_the_plain_one_counts() -> None:
    relay = Relay(mints_alone=True)
    talk = Talk(relay, _minted(relay))
    talk.client.take_challenge(talk.challenge())
    client = talk.client
    attributes = [
        wire.transport(wire.UDP),
        (Attribute.USERHASH, bytes(32)),
        (Attribute.USERNAME, client.credential.username.encode()),
        (Attribute.REALM, client.realm),
        (Attribute.NONCE, client.nonce),
    ]
    request = wire.build(
        Method.ALLOCATE, wire.Class.REQUEST, bytes(12), attributes, key=_md5(client)
    )
    assert Answered(Method.ALLOCATE, 0) in relay.receive(request, talk.five_tuple)


def test_known_names_are_those_of_one_realm() -> None:
    relay = Relay(mints_alone=True, realm="elsewhere")
    talk = Talk(relay, _minted(relay))
    assert talk.allocate().code == 0
    assert talk.client.is_anonymous
