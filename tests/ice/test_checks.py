"""ICE checks of a party on its relayed port: RFC 8445 section 7.3, RFC 8489 section 9.1.3."""

import pytest

from relay.address import ClientAddress, Transport
from relay.effects import Answered, Count, DropRoute, LegConnected, Send, SetRoute
from relay.errors import DropReason
from relay.ice.port import NOMINATED_S
from relay.stun.attributes import Attribute, AttributeType
from relay.stun.message import Class, Method
from tests.ice.stage import (
    AT_ALICE,
    AT_BOB,
    BOB,
    ELSEWHERE,
    NOMINATING,
    RTP,
    Leg,
    Stage,
    answer,
    asked_in,
    consented,
    route,
)
from tests.kit import wire

REQUIRED_UNKNOWN, OPTIONAL_UNKNOWN = 0x7FFF, 0xC057


def test_a_verified_check_is_answered_and_asked_back_before() -> None:
    alice, _ = Stage().pair(masked=False)
    check = alice.check((Attribute.PRIORITY, bytes(4)), (Attribute.ICE_CONTROLLING, bytes(8)))
    effects = alice.receive(check, AT_ALICE)
    told, (asked,) = answer(effects), asked_in(effects)
    assert effects == [
        Send(alice.from_(AT_ALICE), asked.raw),
        Send(alice.from_(AT_ALICE), told.raw),
        Answered(Method.BINDING, 0),
    ]
    assert (told.method, told.cls) == (Method.BINDING, Class.SUCCESS)
    assert told.transaction_id == check[8:20]
    assert told.kinds == [
        Attribute.XOR_MAPPED_ADDRESS,
        Attribute.MESSAGE_INTEGRITY,
        Attribute.FINGERPRINT,
    ]
    assert told.address(Attribute.XOR_MAPPED_ADDRESS) == (AT_ALICE.packed, AT_ALICE.port)
    assert told.is_signed_with(alice.ice.pwd.encode())


def test_a_masked_leg_is_told_its_relayed_port_as_its_mapped_address() -> None:
    alice, _ = Stage().pair(masked=True)
    told = answer(alice.receive(alice.check(), AT_ALICE))
    relayed = alice.endpoint.address
    assert told.address(Attribute.XOR_MAPPED_ADDRESS) == (relayed.packed, relayed.port)


def test_a_check_signed_with_sha256_verifies() -> None:
    alice, _ = Stage().pair()
    assert answer(alice.receive(alice.check(sha256=True), AT_ALICE)).code == 0


@pytest.mark.parametrize("role", [Attribute.ICE_CONTROLLING, Attribute.ICE_CONTROLLED])
def test_neither_role_is_a_conflict(role: AttributeType[int]) -> None:
    """The relay never controls, and so never sends 487."""
    alice, _ = Stage().pair()
    assert answer(alice.receive(alice.check((role, bytes(8))), AT_ALICE)).code == 0


@pytest.mark.parametrize(
    "username",
    ["", "x", ":", "{own}", "{own}:", "{own}:bob", "x:alice", "alice:{own}", "{own}:alicex"],
)
def test_a_wrong_half_of_the_username_is_401_and_teaches_nothing(username: str) -> None:
    alice, _ = Stage().pair()
    check = alice.check(username=username.format(own=alice.ice.ufrag))
    assert_refused(alice, check, 401)


@pytest.mark.parametrize("pwd", ["", "x" * 24])
def test_a_wrong_mac_is_401_and_teaches_nothing(pwd: str) -> None:
    alice, bob = Stage().pair()
    assert_refused(alice, alice.check(pwd=pwd), 401)
    assert_refused(alice, alice.check(pwd=bob.ice.pwd), 401)


def test_the_password_of_the_other_leg_opens_nothing() -> None:
    alice, bob = Stage().pair()
    check = bob.check()
    assert_refused(alice, check, 401)


@pytest.mark.parametrize("missing", ["username", "integrity"])
def test_a_check_without_username_or_mac_is_400(missing: str) -> None:
    alice, _ = Stage().pair()
    name = (int(Attribute.USERNAME), f"{alice.ice.ufrag}:alice".encode())
    body = [] if missing == "username" else [name]
    key = alice.ice.pwd.encode() if missing == "username" else None
    assert_refused(alice, wire.build(Method.BINDING, Class.REQUEST, bytes(12), body, key=key), 400)


def assert_refused(leg: Leg, check: bytes, code: int) -> None:
    """An unsigned error, no larger than what drew it; nothing is learned."""
    effects = leg.receive(check, ELSEWHERE)
    told = answer(effects)
    assert effects == [
        Send(leg.from_(ELSEWHERE), told.raw),
        Answered(Method.BINDING, code),
    ]
    assert told.kinds == [Attribute.ERROR_CODE, Attribute.FINGERPRINT]
    assert leg.receive(RTP, ELSEWHERE) == [Count(DropReason.UNKNOWN_SOURCE)]
    assert leg.stage.connected()[leg.key.leg] is False


def test_refusals_to_one_source_are_bounded() -> None:
    alice, _ = Stage().pair()
    effects = [alice.receive(alice.check(pwd="x"), ELSEWHERE) for _ in range(200)]
    silent = [Count(DropReason.UNAUTHENTICATED_RATE)]
    assert effects[100:] == [silent] * 100
    assert effects[0] != silent
    alice.is_heard_at(AT_ALICE)


def test_what_must_be_understood_and_is_not_is_420_signed() -> None:
    alice, _ = Stage().pair()
    effects = alice.receive(alice.check((REQUIRED_UNKNOWN, b"")), AT_ALICE)
    told = answer(effects)
    assert told.code == 420
    assert asked_in(effects) == []
    assert told.value(Attribute.UNKNOWN_ATTRIBUTES) == REQUIRED_UNKNOWN.to_bytes(2)
    assert told.is_signed_with(alice.ice.pwd.encode())
    assert alice.receive(RTP, AT_ALICE) == [Count(DropReason.UNKNOWN_SOURCE)]
    assert answer(alice.receive(alice.check((OPTIONAL_UNKNOWN, b"abcd")), AT_ALICE)).code == 0


@pytest.mark.parametrize(
    ("method", "cls", "reason"),
    [
        (Method.BINDING, Class.INDICATION, DropReason.NOT_A_REQUEST),
        (Method.BINDING, Class.SUCCESS, DropReason.NOT_A_REQUEST),
        (Method.BINDING, Class.ERROR, DropReason.NOT_A_REQUEST),
        (Method.ALLOCATE, Class.REQUEST, DropReason.NOT_A_REQUEST),
    ],
)
def test_other_stun_messages_are_dropped(method: int, cls: int, reason: DropReason) -> None:
    alice, _ = Stage().pair()
    message = wire.build(method, cls, bytes(12), [], key=alice.ice.pwd.encode())
    assert alice.receive(message, AT_ALICE) == [Count(reason)]


@pytest.mark.parametrize("first", range(4))
def test_what_begins_like_stun_never_crosses(first: int) -> None:
    alice, bob = Stage().pair()
    alice.is_heard_at(AT_ALICE)
    bob.is_heard_at(AT_BOB)
    for size in (1, 19, 20, 1200):
        (effect,) = alice.receive(bytes([first]) + bytes(size - 1), AT_ALICE)
        assert isinstance(effect, Count)


def test_a_check_before_the_partys_ufrag_is_known_gets_silence() -> None:
    """An error would end the client's pair; it sends a check again."""
    alice, _ = Stage().call()
    assert alice.receive(alice.check(), AT_ALICE) == [Count(DropReason.UNAUTHENTICATED)]


def test_a_recorded_check_from_another_address_is_not_believed() -> None:
    alice, bob = Stage().pair()
    bob.is_heard_at(AT_BOB)
    check = alice.check(NOMINATING)
    (asked,) = asked_in(alice.receive(check, AT_ALICE))
    assert alice.receive(check, ELSEWHERE) == [Count(DropReason.UNAUTHENTICATED)]
    alice.receive(alice.answer(asked), AT_ALICE)
    assert answer(alice.receive(check, AT_ALICE)).code == 0  # the client's own retransmission
    assert alice.stage.doing.routes[bob.from_(AT_BOB)].target.client == AT_ALICE
    assert alice.receive(RTP, ELSEWHERE) == [Count(DropReason.UNKNOWN_SOURCE)]


def test_a_check_from_a_port_of_the_relay_is_dropped() -> None:
    alice, bob = Stage().pair()
    for own in (bob.port, bob.endpoint.address):
        source = ClientAddress(own.packed, own.port)
        assert alice.receive(alice.check(), source) == [Count(DropReason.OWN_SOURCE)]


# Where data goes follows the checks.


def test_routes_exist_as_soon_as_both_parties_have_answered() -> None:
    alice, bob = Stage().pair()
    alice.is_heard_at(AT_ALICE)
    assert alice.stage.doing.routes == {}
    assert bob.is_heard_at(AT_BOB) == [
        LegConnected(BOB, Transport.UDP),
        route(bob, AT_BOB, alice, AT_ALICE, consented(bob)),
        route(alice, AT_ALICE, bob, AT_BOB, consented(bob)),
    ]


def test_a_party_that_moves_is_followed_by_its_next_check() -> None:
    alice, bob = Stage().pair()
    alice.is_heard_at(AT_ALICE)
    bob.is_heard_at(AT_BOB)
    assert alice.is_heard_at(ELSEWHERE) == [
        route(alice, ELSEWHERE, bob, AT_BOB, consented(bob)),
        route(bob, AT_BOB, alice, ELSEWHERE, consented(alice)),
    ]


def test_a_check_again_sets_no_route() -> None:
    alice, bob = Stage().pair()
    alice.is_heard_at(AT_ALICE)
    bob.is_heard_at(AT_BOB)
    assert not [e for e in alice.is_heard_at(AT_ALICE) if isinstance(e, SetRoute | DropRoute)]


def test_checks_of_other_interfaces_do_not_draw_a_nominated_call_to_themselves() -> None:
    alice, bob = Stage().pair()
    bob.is_heard_at(AT_BOB)
    alice.is_heard_at(AT_ALICE, NOMINATING)
    alice.is_heard_at(ELSEWHERE)
    assert target_of(bob) == AT_ALICE
    alice.stage.advance(NOMINATED_S - 1)
    alice.is_heard_at(AT_ALICE)  # a consent check: no nomination, still there
    alice.stage.advance(NOMINATED_S - 1)
    alice.is_heard_at(ELSEWHERE)
    assert target_of(bob) == AT_ALICE
    alice.is_heard_at(ELSEWHERE, NOMINATING)
    assert target_of(bob) == ELSEWHERE


def test_a_nominated_source_that_falls_silent_gives_way() -> None:
    alice, bob = Stage().pair()
    bob.is_heard_at(AT_BOB)
    alice.is_heard_at(AT_ALICE, NOMINATING)
    alice.stage.advance(NOMINATED_S)
    alice.is_heard_at(ELSEWHERE)
    assert target_of(bob) == ELSEWHERE


def test_data_is_taken_from_every_verified_source_of_a_few() -> None:
    alice, bob = Stage().pair()
    bob.is_heard_at(AT_BOB)
    alice.is_heard_at(AT_ALICE, NOMINATING)
    places = [ClientAddress(AT_ALICE.packed, 5000 + number) for number in range(20)]
    for place in places:
        alice.is_heard_at(place)
    sources = [source.client for source in alice.stage.doing.routes if source.server == alice.port]
    assert set(sources) == {AT_ALICE, *places[-7:]}
    assert alice.receive(RTP, places[0]) == [Count(DropReason.UNKNOWN_SOURCE)]


def target_of(leg: Leg) -> ClientAddress:
    """Where what this leg's party sends goes to."""
    (target,) = {
        route.target.client
        for source, route in leg.stage.doing.routes.items()
        if source.server == leg.port
    }
    return target
