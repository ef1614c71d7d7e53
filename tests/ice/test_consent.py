"""Who is sent data: only an address that answers the relay's own checks, and as long as it does.

RFC 8445 section 7.3.1.4 (triggered checks), RFC 7675 (consent).
"""

import itertools

import pytest

from relay.address import ClientAddress, Transport
from relay.effects import (
    NO_CHANNEL,
    Answered,
    Count,
    Deliver,
    DropRoute,
    Effect,
    Fault,
    LegConnected,
    LegIdle,
    Send,
    SetRoute,
)
from relay.errors import DropReason
from relay.ice.access import Access
from relay.ice.consent import ANSWERS, CONSENT_S, TRIES
from relay.ice.port import UNPROVEN, UNPROVEN_S
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method
from tests.ice.stage import (
    ALICE,
    ANOTHER_OF_THE_HOST,
    AT_ALICE,
    AT_BOB,
    BOB,
    ELSEWHERE,
    LOCAL_V4,
    NOMINATING,
    PUBLIC_V4,
    RTP,
    Leg,
    Stage,
    answer,
    asked_in,
    consented,
    ice,
    requests_in,
    route,
)
from tests.kit import wire


class _Broken(Exception):
    """What a fault of the relay's own raises."""


SILENT = [Count(DropReason.NO_CONSENT)]


def met() -> tuple[Leg, Leg]:
    """Both parties of an open call, where they have shown to be."""
    alice, bob = Stage().pair()
    alice.is_heard_at(AT_ALICE, NOMINATING)
    bob.is_heard_at(AT_BOB, NOMINATING)
    return alice, bob


def ticks(stage: Stage, seconds: float, *answering: Leg) -> list[Effect]:
    """Let time pass as the daemon does, a quarter of a second at a time; these parties answer
    every check, from where it went. All that the relay has done.
    """
    by_port = {leg.port: leg for leg in answering}
    done: list[Effect] = []
    for _ in range(int(seconds * 4)):
        stage.advance(0.25)
        effects = stage.tick()
        done += effects
        for effect in effects:
            leg = by_port.get(effect.client.server) if isinstance(effect, Send) else None
            if leg is not None and isinstance(effect, Send):
                done += leg.receive(leg.answer(wire.parse(effect.datagram)), effect.client.client)
    return done


def next_check(leg: Leg, *answering: Leg) -> wire.Stun:
    """The next check that this leg's party is sent, while the others answer theirs."""
    for _ in range(30):
        for effect in ticks(leg.stage, 0.25, *answering):
            if isinstance(effect, Send) and effect.client.server == leg.port:
                return wire.parse(effect.datagram)
    raise AssertionError("it is not asked")


# Asking back


def test_the_relays_check_is_signed_for_the_party_and_neither_nominates_nor_controls() -> None:
    alice, _ = Stage().pair()
    (asked,) = asked_in(alice.receive(alice.check(NOMINATING), AT_ALICE))
    assert (asked.method, asked.cls) == (Method.BINDING, Class.REQUEST)
    assert asked.kinds == [
        Attribute.USERNAME,
        Attribute.PRIORITY,
        Attribute.ICE_CONTROLLED,
        Attribute.MESSAGE_INTEGRITY,
        Attribute.FINGERPRINT,
    ]
    assert asked.value(Attribute.USERNAME) == f"alice:{alice.ice.ufrag}".encode()
    assert asked.value(Attribute.PRIORITY) == (110 << 24 | 0xFFFFFF).to_bytes(4)
    assert asked.value(Attribute.ICE_CONTROLLED) == bytes(8)
    assert asked.is_signed_with(ice("alice").pwd.encode())


def test_a_right_check_with_a_forged_source_aims_nothing_there() -> None:
    """What a party, or whoever holds its credentials, can do to a host that it names."""
    alice, bob = met()
    before = dict(alice.stage.doing.routes)
    for _ in range(50):
        effects = alice.receive(alice.check(NOMINATING), ELSEWHERE)
        assert not [e for e in effects if isinstance(e, SetRoute | DropRoute | LegConnected)]
        assert alice.receive(RTP, ELSEWHERE) == [Count(DropReason.UNKNOWN_SOURCE)]
    assert alice.stage.doing.routes == before
    assert bob.receive(RTP, AT_BOB) == [Deliver(BOB, alice.from_(AT_ALICE), RTP, len(RTP))]


def test_a_forged_source_before_any_other_connects_nobody() -> None:
    alice, bob = Stage().pair()
    bob.is_heard_at(AT_BOB)
    alice.receive(alice.check(NOMINATING), ELSEWHERE)
    assert alice.stage.connected() == {"alice": False, "bob": True}
    assert bob.receive(RTP, AT_BOB) == [Count(DropReason.UNKNOWN_TARGET, BOB)]
    assert alice.stage.doing.routes == {}


def test_an_answer_makes_a_source_and_a_target() -> None:
    alice, bob = Stage().pair()
    bob.is_heard_at(AT_BOB)
    (asked,) = asked_in(alice.receive(alice.check(NOMINATING), AT_ALICE))
    assert alice.receive(alice.answer(asked), AT_ALICE) == [
        LegConnected(ALICE, Transport.UDP),
        route(alice, AT_ALICE, bob, AT_BOB, consented(alice)),
        route(bob, AT_BOB, alice, AT_ALICE, consented(alice)),
    ]
    assert alice.receive(alice.answer(asked), AT_ALICE) == [Count(DropReason.NOT_A_REQUEST)]


def test_no_other_answer_makes_any() -> None:
    alice, bob = Stage().pair()
    bob.is_heard_at(AT_BOB)
    (asked,) = asked_in(alice.receive(alice.check(), AT_ALICE))
    unknown = [Count(DropReason.NOT_A_REQUEST)]
    unsigned = [Count(DropReason.UNAUTHENTICATED)]
    right = alice.answer(asked)
    assert alice.receive(right, ELSEWHERE) == unknown  # not from where it was asked
    assert bob.receive(right, AT_ALICE) == unknown  # nor where it was
    for pwd in ("", "wrong", alice.ice.pwd, ice("bob").pwd):
        assert alice.receive(alice.answer(asked, pwd=pwd), AT_ALICE) == unsigned
    bare = wire.build(Method.BINDING, Class.SUCCESS, asked.transaction_id, [])
    assert alice.receive(bare, AT_ALICE) == unsigned
    other = wire.build(Method.BINDING, Class.SUCCESS, bytes(12), [], key=ice("alice").pwd.encode())
    assert alice.receive(other, AT_ALICE) == unknown
    for code in (400, 401, 487):
        error = alice.answer(asked, error_code(code), cls=Class.ERROR)
        assert alice.receive(error, AT_ALICE) == unknown
    assert alice.stage.connected()["alice"] is False
    assert alice.receive(right, AT_ALICE)[0] == LegConnected(ALICE, Transport.UDP)


def error_code(code: int) -> wire.Pair:
    """ERROR-CODE without a reason phrase: RFC 8489 section 14.8."""
    return Attribute.ERROR_CODE, bytes((0, 0, code // 100, code % 100))


def test_transactions_cannot_be_guessed_from_each_other() -> None:
    alice, _ = met()
    asked = asked_in(ticks(alice.stage, 60, alice))
    assert len({each.transaction_id for each in asked}) == len(asked) > 10


def test_a_nomination_before_the_answer_holds_from_the_answer_on() -> None:
    alice, bob = met()
    (asked,) = asked_in(alice.receive(alice.check(), ELSEWHERE))
    assert asked_in(alice.receive(alice.check(NOMINATING), ELSEWHERE)) == []
    alice.receive(alice.answer(asked), ELSEWHERE)
    alice.is_heard_at(AT_ALICE)
    assert bob.receive(RTP, AT_BOB) == [Deliver(BOB, alice.from_(ELSEWHERE), RTP, len(RTP))]


# What a forged source can draw


def test_an_address_that_does_not_answer_is_sent_three_checks_and_eight_answers() -> None:
    alice, _ = Stage().pair()
    check = alice.check((Attribute.PRIORITY, bytes(4)), (Attribute.ICE_CONTROLLING, bytes(8)))
    first = alice.receive(check, ELSEWHERE)
    later = [alice.receive(alice.check(), ELSEWHERE) for _ in range(100)]
    assert [len(effects) for effects in later[: ANSWERS - 1]] == [2] * (ANSWERS - 1)
    assert later[ANSWERS - 1 :] == [SILENT] * (101 - ANSWERS)
    again = ticks(alice.stage, UNPROVEN_S - 1)
    (asked,) = asked_in(first)
    sent = [asked, *asked_in(again)]
    assert [each.raw for each in sent] == [asked.raw] * TRIES  # one transaction
    assert len(again) == TRIES - 1
    assert (TRIES, ANSWERS) == (3, 8)
    assert len(asked.raw) <= len(check)
    assert len(answer(first).raw) < len(check)


def test_it_is_asked_again_after_half_a_second_and_after_one_more() -> None:
    alice, _ = Stage().pair()
    alice.receive(alice.check(), ELSEWHERE)
    asked = [len(asked_in(ticks(alice.stage, 0.25))) for _ in range(12)]
    assert asked == [0, 1, 0, 0, 0, 1, *[0] * 6]


def test_few_addresses_are_asked_at_once_and_then_one_in_thirty_seconds() -> None:
    alice, _ = Stage().pair()
    victims = [ClientAddress(ELSEWHERE.packed, port) for port in range(10_000, 12_400)]
    asked = 0
    for second, victim in enumerate(victims):
        asked += len(asked_in(alice.receive(alice.check(NOMINATING), victim)))
        asked += len(asked_in(ticks(alice.stage, 0.25)))
        assert asked <= TRIES * (UNPROVEN + 1 + second / 4 / UNPROVEN_S)
    assert asked > TRIES * UNPROVEN


def test_a_forger_does_not_keep_the_party_from_moving_for_long() -> None:
    alice, bob = met()
    for port in range(10_000, 10_100):
        alice.receive(alice.check(), ClientAddress(ELSEWHERE.packed, port))
    moved = ClientAddress(AT_ALICE.packed, 4444)
    assert alice.receive(alice.check(NOMINATING), moved) == SILENT
    ticks(alice.stage, UNPROVEN_S, alice, bob)
    alice.is_heard_at(moved, NOMINATING)
    assert moved in {each.target.client for each in alice.stage.doing.routes.values()}


def test_addresses_that_answer_are_not_counted() -> None:
    alice, bob = met()
    for port in range(4001, 4040):
        at = ClientAddress(AT_ALICE.packed, port)
        alice.is_heard_at(at, NOMINATING)
        assert bob.receive(RTP, AT_BOB) == [Deliver(BOB, alice.from_(at), RTP, len(RTP))]


@pytest.mark.parametrize("host", [PUBLIC_V4, LOCAL_V4, ANOTHER_OF_THE_HOST])
def test_a_check_that_seems_to_come_from_this_host_draws_nothing(host: str) -> None:
    alice, _ = Stage().pair()
    for check in (alice.check(NOMINATING), alice.check(pwd="wrong")):
        effects = alice.receive(check, ClientAddress.parse(host, 161))
        assert effects == [Count(DropReason.OWN_SOURCE)]


@pytest.mark.parametrize(
    "host", ["10.0.0.9", "127.0.0.1", "169.254.169.254", "192.168.0.1", "100.64.0.1", "224.0.0.1"]
)
def test_a_check_that_seems_to_come_from_a_denied_range_draws_nothing(host: str) -> None:
    alice, _ = Stage().pair()
    for check in (alice.check(NOMINATING), alice.check(pwd="wrong")):
        effects = alice.receive(check, ClientAddress.parse(host, 161))
        assert effects == [Count(DropReason.UNKNOWN_SOURCE)]


# Consent


def test_the_target_is_asked_every_five_seconds_more_or_less_and_nobody_else() -> None:
    alice, bob = met()
    alice.is_heard_at(ELSEWHERE)
    at: list[float] = []
    for _ in range(1200):
        asked = [to for _, to in requests_in(ticks(alice.stage, 0.25, alice, bob))]
        assert set(asked) <= {AT_ALICE, AT_BOB}
        at += [alice.stage.now.mono for to in asked if to == AT_ALICE]
    between = [later - sooner for sooner, later in itertools.pairwise(at)]
    assert 4.0 <= min(between) < 4.6
    assert 5.6 < max(between) <= 6.25


def test_an_answer_renews_the_routes_from_and_to_its_party() -> None:
    stage = Stage()
    alice, bob = stage.call(Access(ice=ice("alice")), Access(address=AT_BOB))
    alice.is_heard_at(AT_ALICE)
    request = next_check(alice)
    assert alice.receive(alice.answer(request), AT_ALICE) == [
        route(alice, AT_ALICE, bob, AT_BOB, consented(alice)),
        route(bob, AT_BOB, alice, AT_ALICE, consented(alice)),
    ]


def test_no_route_outlives_the_consent_of_its_target_or_its_source() -> None:
    stage = Stage()
    alice, bob = stage.call(Access(ice=ice("alice")), Access(address=AT_BOB))
    alice.is_heard_at(AT_ALICE)
    until = int((stage.now.mono + CONSENT_S) * 1e9)
    assert {each.expires_ns for each in stage.doing.routes.values()} == {until}
    assert CONSENT_S == 30
    assert {each.target.client for each in stage.doing.routes.values()} == {AT_ALICE, AT_BOB}
    assert bob.receive(RTP, AT_BOB) == [Deliver(BOB, alice.from_(AT_ALICE), RTP, len(RTP))]


def test_a_party_that_answers_keeps_its_call_for_hours() -> None:
    alice, bob = met()
    for _ in range(30):
        ticks(alice.stage, 60, alice, bob)
        now_ns = int(alice.stage.now.mono * 1e9)
        assert all(each.expires_ns > now_ns for each in alice.stage.doing.routes.values())
        assert len(alice.stage.doing.routes) == 2
    assert bob.receive(RTP, AT_BOB) == [Deliver(BOB, alice.from_(AT_ALICE), RTP, len(RTP))]


def test_a_party_that_stops_answering_is_not_sent_to_after_thirty_seconds() -> None:
    """Even if its checks and its media go on: they may be somebody else's, its answers are not."""
    alice, bob = met()
    started = alice.stage.now.mono
    while alice.stage.now.mono < started + CONSENT_S - 0.25:
        ticks(alice.stage, 0.25, bob)
        alice.receive(alice.check(), AT_ALICE)
        assert bob.receive(RTP, AT_BOB) == [Deliver(BOB, alice.from_(AT_ALICE), RTP, len(RTP))]
    alice.stage.advance(0.25)  # the server does not wait for a tick
    effects = bob.receive(RTP, AT_BOB)
    assert [e for e in effects if not isinstance(e, Send)] == [
        DropRoute(alice.from_(AT_ALICE), NO_CHANNEL),
        DropRoute(bob.from_(AT_BOB), NO_CHANNEL),
        LegIdle(ALICE),
        Count(DropReason.NO_CONSENT, BOB),
    ]
    assert alice.receive(RTP, AT_ALICE) == [Count(DropReason.UNKNOWN_SOURCE)]
    assert alice.stage.tick() == []
    assert alice.stage.doing.routes == {}
    assert bob.receive(RTP, AT_BOB) == [Count(DropReason.NO_CONSENT, BOB)]
    assert alice.stage.connected() == {"alice": False, "bob": True}


def test_it_comes_back_when_it_answers_again() -> None:
    alice, bob = met()
    ticks(alice.stage, CONSENT_S + 1, bob)
    assert alice.stage.doing.routes == {}
    assert alice.is_heard_at(AT_ALICE)[0] == LegConnected(ALICE, Transport.UDP)
    assert len(alice.stage.doing.routes) == 2


def test_a_late_answer_to_any_check_of_the_last_thirty_seconds_counts() -> None:
    alice, bob = met()
    asked = [m for m, to in requests_in(ticks(alice.stage, 20, bob)) if to == AT_ALICE]
    assert len(asked) >= 3
    alice.receive(alice.answer(asked[0]), AT_ALICE)
    ticks(alice.stage, CONSENT_S - 1, bob)
    assert len(alice.stage.doing.routes) == 2


def test_a_party_that_forbids_it_is_sent_nothing_at_once() -> None:
    """RFC 7675 section 5.2: a signed 403."""
    alice, bob = met()
    request = next_check(alice, bob)
    unsigned = alice.answer(request, error_code(403), cls=Class.ERROR, pwd="forged")
    assert alice.receive(unsigned, AT_ALICE) == [Count(DropReason.UNAUTHENTICATED)]
    forbidden = alice.answer(request, error_code(403), cls=Class.ERROR)
    assert alice.receive(forbidden, AT_ALICE) == [
        DropRoute(alice.from_(AT_ALICE), NO_CHANNEL),
        DropRoute(bob.from_(AT_BOB), NO_CHANNEL),
        LegIdle(ALICE),
    ]


def test_a_source_that_is_no_target_is_one_as_long_as_it_answers_when_it_checks() -> None:
    alice, bob = met()
    alice.is_heard_at(ELSEWHERE)
    for _ in range(12):
        ticks(alice.stage, 10, alice, bob)
        alice.is_heard_at(AT_ALICE, NOMINATING)
        (asked,) = asked_in(alice.receive(alice.check(), ELSEWHERE))
        assert asked_in(alice.receive(alice.check(), ELSEWHERE)) == []  # not more often
        alice.receive(alice.answer(asked), ELSEWHERE)
    assert alice.from_(ELSEWHERE) in alice.stage.doing.routes
    ticks(alice.stage, CONSENT_S, alice, bob)
    assert set(alice.stage.doing.routes) == {alice.from_(AT_ALICE), bob.from_(AT_BOB)}


def test_while_it_rings_both_are_asked_and_nothing_crosses() -> None:
    alice, bob = Stage().pair(rings=True)
    alice.is_heard_at(AT_ALICE)
    bob.is_heard_at(AT_BOB)
    effects = ticks(alice.stage, 60, alice, bob)
    assert {to for _, to in requests_in(effects)} == {AT_ALICE, AT_BOB}
    assert not [e for e in effects if isinstance(e, SetRoute | Deliver)]
    assert alice.receive(RTP, AT_ALICE) == [Count(DropReason.RINGING, ALICE)]
    alice.stage.accept()
    assert len(alice.stage.doing.routes) == 2


def test_after_an_ice_restart_the_old_target_is_asked_with_the_old_credentials() -> None:
    alice, bob = met()
    before = alice.ice
    alice.set_access(Access(ice=ice("again")))
    effects = ticks(alice.stage, 60, alice, bob)
    names = {m.value(Attribute.USERNAME) for m, to in requests_in(effects) if to == AT_ALICE}
    assert names == {f"alice:{before.ufrag}".encode()}
    assert len(alice.stage.doing.routes) == 2
    check = alice.check(username=f"{alice.ice.ufrag}:again")
    (asked,) = asked_in(alice.receive(check, AT_ALICE))
    assert asked.value(Attribute.USERNAME) == f"again:{alice.ice.ufrag}".encode()
    alice.receive(alice.answer(asked), AT_ALICE)
    names = {
        m.value(Attribute.USERNAME)
        for m, to in requests_in(ticks(alice.stage, 10, alice, bob))
        if to == AT_ALICE
    }
    assert names == {f"again:{alice.ice.ufrag}".encode()}


def test_a_check_under_the_old_credentials_from_elsewhere_draws_nothing() -> None:
    alice, _ = met()
    old = alice.check()
    alice.set_access(Access(ice=ice("again")))
    assert alice.receive(old, ELSEWHERE) == SILENT


def test_another_password_alone_is_an_ice_restart_as_well() -> None:
    alice, _ = met()
    before = alice.ice
    alice.set_access(Access(ice=type(before)("alice", "another/password/of/hers")))
    assert alice.ice != before


def test_an_answer_to_a_check_before_an_ice_restart_teaches_nothing() -> None:
    alice, _ = met()
    (asked,) = asked_in(alice.receive(alice.check(), ELSEWHERE))
    alice.set_access(Access(ice=ice("again")))
    assert alice.receive(alice.answer(asked), ELSEWHERE) == [Count(DropReason.NOT_A_REQUEST)]


def test_a_party_that_is_declared_is_asked_nothing() -> None:
    alice, bob = met()
    alice.set_access(Access(address=AT_ALICE))
    effects = ticks(alice.stage, 60, alice, bob)
    assert {to for _, to in requests_in(effects)} == {AT_BOB}
    assert len(alice.stage.doing.routes) == 2


def test_an_ended_call_is_asked_nothing() -> None:
    alice, bob = met()
    alice.stage.end()
    assert ticks(alice.stage, 60, alice, bob) == []


def test_the_partys_password_is_not_printed() -> None:
    access = Access(ice=ice("alice"))
    alice, _ = met()
    (asked,) = [e for e in alice.receive(alice.check(), ELSEWHERE) if isinstance(e, Send)][:1]
    assert ice("alice").pwd not in f"{access!r} {asked!r} {Answered(1, 0)!r}"


def test_a_fault_of_the_relay_keeps_nothing_else_from_being_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alice, _ = met()
    stage = alice.stage
    stage.call(name="cv_short", expires=stage.now.mono + 3)
    fault = _Broken()

    def build_check(*_: object) -> None:
        raise fault

    monkeypatch.setattr("relay.ice.consent.build_check", build_check)
    stage.advance(20)
    effects = stage.tick()
    assert [effect for effect in effects if isinstance(effect, Fault)] == [Fault(fault)] * 2
    assert "cv_short" not in {leg.call for leg in stage.doing.legs}
    expires = [route.expires_ns for route in stage.doing.routes.values()]
    assert max(expires) <= (stage.now.mono + CONSENT_S) * 1e9
