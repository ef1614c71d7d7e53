"""A relayed port that the doing side could not open: another takes its place, or the call ends."""

import pytest

from relay.address import FiveTuple, ServerAddress, Transport
from relay.calls.call import CallState
from relay.effects import (
    NO_CHANNEL,
    CallEnded,
    ClosePort,
    Count,
    Deliver,
    DropLeg,
    DropRoute,
    Effect,
    EndReason,
    LegConnected,
    LegIdle,
    OpenPort,
)
from relay.errors import DropReason
from relay.ice.access import Access
from relay.ice.routes import RENEWAL_S
from tests.ice.stage import (
    ALICE,
    AT_ALICE,
    AT_BOB,
    BOB,
    CALL,
    NOMINATING,
    PORTS,
    RTP,
    Doing,
    Leg,
    Stage,
    asked_in,
    few,
    route,
)

TRIES = 16


def declared(stage: Stage) -> tuple[Leg, Leg]:
    """Both legs of an active call, at declared addresses."""
    return stage.call(Access(address=AT_ALICE), Access(address=AT_BOB))


def other_of(effects: list[Effect]) -> ServerAddress:
    """The one port that takes another's place."""
    (opened,) = [effect.address for effect in effects if isinstance(effect, OpenPort)]
    return opened


def test_another_port_takes_its_place_with_routes_anew() -> None:
    stage = Stage()
    alice, bob = declared(stage)
    failed = alice.port
    effects = stage.fail(failed)
    alice.port = other_of(effects)
    assert effects == [
        DropRoute(FiveTuple(Transport.UDP, AT_ALICE, failed), NO_CHANNEL),
        DropRoute(bob.from_(AT_BOB), NO_CHANNEL),
        LegIdle(ALICE),
        OpenPort(alice.port),
        LegConnected(ALICE, Transport.UDP),
        route(alice, AT_ALICE, bob, AT_BOB),
        route(bob, AT_BOB, alice, AT_ALICE),
    ]
    assert alice.port != failed
    assert alice.endpoint.address.port == alice.port.port
    assert stage.doing.ports == {alice.port, bob.port}
    assert bob.receive(RTP, AT_BOB) == [Deliver(BOB, alice.from_(AT_ALICE), RTP, len(RTP))]
    at_failed = Leg(stage, ALICE, failed)
    assert at_failed.receive(RTP, AT_ALICE) == [Count(DropReason.NO_ALLOCATION)]


def test_of_a_party_that_is_not_known_yet_there_is_only_the_port() -> None:
    stage = Stage()
    alice, bob = stage.pair()
    effects = stage.fail(bob.port)
    bob.port = other_of(effects)
    assert effects == [OpenPort(bob.port)]
    alice.is_heard_at(AT_ALICE)
    bob.is_heard_at(AT_BOB, NOMINATING)
    assert set(stage.doing.routes) == {alice.from_(AT_ALICE), bob.from_(AT_BOB)}


def test_while_it_rings_it_gets_another_port_and_no_routes() -> None:
    stage = Stage()
    alice, _ = stage.call(Access(address=AT_ALICE), Access(address=AT_BOB), rings=True)
    effects = stage.fail(alice.port)
    assert effects == [
        LegIdle(ALICE),
        OpenPort(other_of(effects)),
        LegConnected(ALICE, Transport.UDP),
    ]


def test_both_ports_of_a_call_may_fail() -> None:
    stage = Stage()
    legs = declared(stage)
    for leg in legs:
        leg.port = other_of(stage.fail(leg.port))
    alice, bob = legs
    assert stage.doing.ports == {alice.port, bob.port}
    assert stage.doing.routes == {
        alice.from_(AT_ALICE): route(alice, AT_ALICE, bob, AT_BOB),
        bob.from_(AT_BOB): route(bob, AT_BOB, alice, AT_ALICE),
    }


def test_a_port_that_could_not_be_opened_rests() -> None:
    stage = Stage(ports=few(3))
    alice, _ = stage.pair()
    ports = {alice.port, other_of(stage.fail(alice.port))}
    assert len(ports) == 2
    assert stage.server.ports_free == 0


def test_sixteen_ports_are_tried_for_a_leg_and_each_once() -> None:
    stage = Stage()
    alice, bob = stage.pair()
    tried = [alice.port]
    for _ in range(TRIES - 1):
        tried.append(other_of(stage.fail(tried[-1])))
    assert len(set(tried)) == TRIES
    other = other_of(stage.fail(bob.port))  # whose tries are its own
    assert stage.fail(tried[-1]) == ended(ClosePort(other))
    assert_nothing_is_left(stage, TRIES + 2)


def ended(*before: Effect) -> list[Effect]:
    """The end of a call for which no port is left, as it follows upon this."""
    return [
        *before,
        CallEnded(CALL, EndReason.OUT_OF_PORTS, 0.0, (ALICE, BOB)),
        DropLeg(ALICE),
        DropLeg(BOB),
    ]


def assert_nothing_is_left(stage: Stage, resting: int) -> None:
    assert stage.doing == Doing()
    assert stage.server.has_media() is False
    assert stage.server.next_timeout() is None
    assert stage.server.page(0, 10) == []
    assert stage.server.ports_free == len(PORTS) - resting
    call = stage.server.call(CALL, stage.now)
    assert (call.state, call.legs) == (CallState.ENDED, [])


@pytest.mark.parametrize("which", [0, 1])
def test_a_fault_of_another_kind_ends_the_call_at_once(which: int) -> None:
    stage = Stage()
    legs = stage.pair()
    failed, other = legs[which].port, legs[1 - which].port
    assert stage.fail(failed, is_taken=False) == ended(ClosePort(other))
    assert_nothing_is_left(stage, 2)


def test_the_end_of_a_call_whose_parties_were_known_takes_its_routes_first() -> None:
    stage = Stage()
    alice, bob = declared(stage)
    assert stage.fail(alice.port, is_taken=False) == ended(
        DropRoute(alice.from_(AT_ALICE), NO_CHANNEL),
        DropRoute(bob.from_(AT_BOB), NO_CHANNEL),
        LegIdle(ALICE),
        ClosePort(bob.port),
        LegIdle(BOB),
    )
    assert_nothing_is_left(stage, 2)


def test_a_call_ends_where_no_other_port_is_free() -> None:
    stage = Stage(ports=few(2))
    alice, bob = stage.pair()
    assert stage.fail(alice.port) == ended(ClosePort(bob.port))
    assert stage.doing == Doing()


def test_a_port_of_nobody_or_of_an_ended_call_is_nothing_to_anybody() -> None:
    stage = Stage()
    alice, bob = stage.pair()
    unheard = ServerAddress(alice.port.packed, 49_000)
    for is_taken in (True, False):
        assert stage.server.port_failed(unheard, is_taken=is_taken, now=stage.now) == []
    stage.fail(alice.port, is_taken=False)
    # The other one had failed in the same list of effects.
    assert stage.server.port_failed(bob.port, is_taken=True, now=stage.now) == []


def test_the_relays_credentials_are_those_of_the_port_that_could_be_opened() -> None:
    stage = Stage()
    alice, _ = stage.pair()
    before = alice.ice
    alice.port = other_of(stage.fail(alice.port))
    assert alice.ice != before
    old = alice.check(username=f"{before.ufrag}:alice", pwd=before.pwd)
    assert asked_in(alice.receive(old, AT_ALICE)) == []
    assert alice.is_heard_at(AT_ALICE) == [LegConnected(ALICE, Transport.UDP)]


def test_what_was_declared_is_renewed_for_the_port_that_could_be_opened_only() -> None:
    stage = Stage()
    alice, bob = declared(stage)
    alice.port = other_of(stage.fail(alice.port))
    stage.advance(RENEWAL_S)
    assert stage.tick() == [
        route(bob, AT_BOB, alice, AT_ALICE),
        route(alice, AT_ALICE, bob, AT_BOB),
    ]
