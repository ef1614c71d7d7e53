"""Routes that end soon after their daemon, and in no running call before their call."""

import gc
from dataclasses import replace

from relay.effects import Effect, LegKey, SetRoute
from relay.ice.access import Access
from relay.ice.leg import PortLeg
from relay.ice.routes import RENEWAL_S, ROUTE_LIFETIME_S
from tests.ice.stage import ALICE, AT_ALICE, AT_BOB, BOB, CALL, RTP, SETTINGS, Leg, Stage, route


def declared(stage: Stage, call: str = CALL, expires: float = 1e9) -> tuple[Leg, Leg]:
    """Both legs of an open call, at declared addresses."""
    legs = ((ALICE, AT_ALICE), (BOB, AT_BOB))
    alice, bob = (
        stage.open(LegKey(call, key.leg), Access(address=at), expires=expires) for key, at in legs
    )
    return alice, bob


def renewed(stage: Stage) -> list[Effect]:
    """What the daemon's tick does to the routes."""
    return stage.apply(stage.core.handle_timeout(stage.now))


def test_a_route_lasts_no_longer_than_a_channel_whatever_the_call_may() -> None:
    alice, bob = declared(Stage())
    until = {effect.expires_ns for effect in alice.stage.doing.routes.values()}
    assert until == {int((5000.0 + ROUTE_LIFETIME_S) * 1e9)}
    assert ROUTE_LIFETIME_S <= 600
    assert set(alice.stage.doing.routes) == {alice.from_(AT_ALICE), bob.from_(AT_BOB)}


def test_a_running_call_is_renewed_in_time_and_only_then() -> None:
    stage = Stage()
    alice, bob = declared(stage)
    for _ in range(20):
        stage.advance(RENEWAL_S - 0.5)
        assert renewed(stage) == []
        stage.advance(0.5)
        assert renewed(stage) == [
            route(alice, AT_ALICE, bob, AT_BOB),
            route(bob, AT_BOB, alice, AT_ALICE),
        ]


def test_a_renewal_goes_no_further_than_the_call() -> None:
    stage = Stage()
    alice, bob = declared(stage, expires=5000.0 + RENEWAL_S + 100)
    stage.advance(RENEWAL_S)
    assert renewed(stage) == [
        route(alice, AT_ALICE, bob, AT_BOB, 5000.0 + RENEWAL_S + 100),
        route(bob, AT_BOB, alice, AT_ALICE, 5000.0 + RENEWAL_S + 100),
    ]


def test_a_call_that_rings_or_has_ended_has_nothing_to_renew() -> None:
    stage = Stage()
    stage.open(ALICE, Access(address=AT_ALICE), is_open=False)
    stage.open(BOB, Access(address=AT_BOB))
    declared(stage, "another")
    stage.apply(stage.core.end_call("another", stage.now))
    stage.advance(RENEWAL_S)
    assert renewed(stage) == []


def test_what_was_declared_between_two_renewals_is_renewed_as_well() -> None:
    stage = Stage()
    alice = stage.open(ALICE, Access(address=AT_ALICE))
    bob = stage.open(BOB)
    stage.advance(RENEWAL_S - 1)
    bob.set_access(Access(address=AT_BOB))
    stage.advance(1)
    assert renewed(stage) == [route(alice, AT_ALICE, bob, AT_BOB)]
    stage.advance(RENEWAL_S - 1)
    assert renewed(stage) == [route(bob, AT_BOB, alice, AT_ALICE)]


def test_many_calls_are_renewed_in_turns_of_bounded_length() -> None:
    stage = Stage(replace(SETTINGS, ports=range(50000, 51000)))
    calls = [f"call-{number}" for number in range(120)]
    for call in calls:
        declared(stage, call)
    stage.advance(RENEWAL_S)
    turns = []
    while stage.core.is_due(stage.now):
        turns.append(renewed(stage))
    assert [len(turn) for turn in turns] == [100, 100, 40]
    legs = {e.leg.call for turn in turns for e in turn if isinstance(e, SetRoute)}
    assert legs == set(calls)
    assert renewed(stage) == []


def test_data_crosses_by_the_core_where_a_renewal_is_too_late() -> None:
    stage = Stage()
    alice, bob = declared(stage)
    stage.advance(ROUTE_LIFETIME_S + 1)
    (delivered,) = alice.receive(RTP, AT_ALICE)
    assert getattr(delivered, "client", None) == bob.from_(AT_BOB)


def test_an_ended_call_is_freed_before_its_turn_in_the_queue_comes() -> None:
    stage = Stage()
    gc.collect()
    before = legs_in_memory()
    gc.disable()
    try:
        declared(stage)
        assert legs_in_memory() == before + 2
        stage.apply(stage.core.end_call(CALL, stage.now))
        assert legs_in_memory() == before
    finally:
        gc.enable()


def legs_in_memory() -> int:
    return sum(isinstance(each, PortLeg) for each in gc.get_objects())
