"""Routes that end soon after their daemon, and in no running call before their call."""

import gc

from relay.calls.call import RING_TIMEOUT_S
from relay.effects import Count, Deliver, SetRoute
from relay.errors import DropReason
from relay.ice.access import Access
from relay.ice.consent import CONSENT_S
from relay.ice.port import RelayedPort
from relay.ice.routes import RENEWAL_S, ROUTE_LIFETIME_S
from tests.ice.stage import ALICE, AT_ALICE, AT_BOB, CALL, RTP, Leg, Stage, ice, route


def declared(stage: Stage, call: str = CALL, expires: float = 1e9) -> tuple[Leg, Leg]:
    """Both legs of an active call, at declared addresses."""
    alice, bob = Access(address=AT_ALICE), Access(address=AT_BOB)
    return stage.call(alice, bob, name=call, expires=expires)


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
        assert stage.tick() == []
        stage.advance(0.5)
        assert stage.tick() == [
            route(alice, AT_ALICE, bob, AT_BOB),
            route(bob, AT_BOB, alice, AT_ALICE),
        ]


def test_a_renewal_goes_no_further_than_the_call() -> None:
    stage = Stage()
    alice, bob = declared(stage, expires=5000.0 + RENEWAL_S + 100)
    stage.advance(RENEWAL_S)
    assert stage.tick() == [
        route(alice, AT_ALICE, bob, AT_BOB, 5000.0 + RENEWAL_S + 100),
        route(bob, AT_BOB, alice, AT_ALICE, 5000.0 + RENEWAL_S + 100),
    ]


def test_a_call_that_rings_or_has_ended_has_nothing_to_renew() -> None:
    stage = Stage()
    declared(stage, "cv_another")
    stage.end("cv_another")
    stage.advance(RENEWAL_S - RING_TIMEOUT_S + 1)
    stage.call(Access(address=AT_ALICE), Access(address=AT_BOB), rings=True)
    stage.advance(RING_TIMEOUT_S - 1)
    assert stage.tick() == []
    stage.advance(1)
    assert not any(isinstance(effect, SetRoute) for effect in stage.tick())


def test_what_was_declared_between_two_renewals_is_renewed_as_well() -> None:
    stage = Stage()
    alice, bob = stage.call(Access(address=AT_ALICE))
    stage.advance(RENEWAL_S - 1)
    bob.set_access(Access(address=AT_BOB))
    stage.advance(1)
    assert stage.tick() == [route(alice, AT_ALICE, bob, AT_BOB)]
    stage.advance(RENEWAL_S - 1)
    assert stage.tick() == [route(bob, AT_BOB, alice, AT_ALICE)]


def test_many_calls_are_renewed_in_turns_of_bounded_length() -> None:
    stage, calls = many_calls()
    stage.advance(RENEWAL_S)
    turns = [stage.tick()]
    while sum(map(len, turns)) < 2 * len(calls):
        due = stage.server.next_timeout()
        assert due is not None
        assert stage.now.mono < due < stage.now.mono + 0.01
        stage.advance(due - stage.now.mono)
        turns.append(stage.tick())
    assert [len(turn) for turn in turns] == [100, 100, 40]
    legs = {e.leg.call for turn in turns for e in turn if isinstance(e, SetRoute)}
    assert legs == set(calls)
    assert stage.tick() == []


def many_calls() -> tuple[Stage, dict[str, tuple[Leg, Leg]]]:
    """More of them than are attended to in one turn."""
    stage = Stage(ports=range(50000, 51000))
    names = [f"cv_{number}" for number in range(120)]
    return stage, {name: declared(stage, name) for name in names}


def test_a_call_that_ends_before_its_turn_is_attended_to_no_more() -> None:
    stage, calls = many_calls()
    stage.advance(RENEWAL_S)
    stage.tick()
    for name in calls:
        stage.end(name)
    stage.advance(1)
    assert (stage.tick(), stage.server.next_timeout()) == ([], None)


def test_what_has_run_out_has_run_out_before_its_turn_comes() -> None:
    stage, calls = many_calls()
    for alice, _ in calls.values():
        alice.set_access(Access(ice=ice("alice")))
        alice.is_heard_at(AT_ALICE)
    stage.advance(CONSENT_S)
    for alice, bob in calls.values():  # all within the same instant
        assert alice.receive(RTP, AT_ALICE)[-1] == Count(DropReason.UNKNOWN_SOURCE)
        assert bob.receive(RTP, AT_BOB)[-1] == Count(DropReason.NO_CONSENT, bob.key)


def test_data_crosses_by_the_core_where_a_renewal_is_too_late() -> None:
    stage = Stage()
    alice, bob = declared(stage)
    stage.advance(ROUTE_LIFETIME_S + 1)
    *renewed, delivered = alice.receive(RTP, AT_ALICE)
    assert delivered == Deliver(ALICE, bob.from_(AT_BOB), RTP, len(RTP))
    assert renewed == [
        route(alice, AT_ALICE, bob, AT_BOB),
        route(bob, AT_BOB, alice, AT_ALICE),
    ]


def test_an_ended_call_is_freed_before_its_turn_in_the_queue_comes() -> None:
    stage = Stage()
    gc.collect()
    before = legs_in_memory()
    gc.disable()
    try:
        declared(stage)
        assert legs_in_memory() == before + 2
        stage.end()
        assert legs_in_memory() == before
    finally:
        gc.enable()


def legs_in_memory() -> int:
    return sum(isinstance(each, RelayedPort) for each in gc.get_objects())
