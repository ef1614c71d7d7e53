"""Ringing, active, ended: who moves a call on and what follows."""

import pytest

from relay.calls.call import RING_TIMEOUT_S, TRANSITIONS, CallState
from relay.calls.making import Party
from relay.calls.rules import Rules
from relay.effects import CallAccepted, EndReason, SetLeg
from relay.errors import CallError
from tests.calls.stage import WALL_AHEAD_S, Stage, end_of


def test_a_new_call_has_opaque_names_and_the_whole_time() -> None:
    stage = Stage()
    call = stage.create()
    assert call.id == "cv_0000000000000000000001"
    assert [(leg.id, leg.party) for leg in call.legs] == [
        ("0000000000000000000002", "alice"),
        ("0000000000000000000003", "bob"),
    ]
    assert (call.state, call.expires, call.expires_at, call.bitrate_bps) == (
        CallState.ACTIVE,
        15_400.0,
        15_400.0 + WALL_AHEAD_S,
        8_000_000,
    )


def test_a_call_rings_until_it_is_accepted() -> None:
    stage = Stage()
    call = stage.create(ring=True)
    assert call.state is CallState.RINGING
    assert stage.server.counts() == {CallState.RINGING: 1, CallState.ACTIVE: 0}
    assert stage.accept(call.id) == [CallAccepted(call.id)]
    assert (stage.call(call.id), call.state) == (call, CallState.ACTIVE)
    assert stage.server.counts() == {CallState.RINGING: 0, CallState.ACTIVE: 1}


def test_an_active_call_is_not_accepted_again() -> None:
    stage = Stage()
    call = stage.create(ring=True)
    stage.accept(call.id)
    with pytest.raises(CallError) as fault:
        stage.accept(call.id)
    assert (fault.value.kind, fault.value.call) == ("wrong_state", call.id)


def test_an_ended_call_is_not_accepted() -> None:
    stage = Stage()
    call = stage.create(ring=True)
    stage.end(call.id)
    with pytest.raises(CallError) as fault:
        stage.accept(call.id)
    assert fault.value.kind == "wrong_state"
    assert stage.call(call.id).state is CallState.ENDED


def test_a_call_whose_ringing_is_over_is_not_accepted_even_before_the_timer_ran() -> None:
    stage = Stage()
    call = stage.create(ring=True)
    stage.mono += RING_TIMEOUT_S
    with pytest.raises(CallError) as fault:
        stage.accept(call.id)
    assert fault.value.kind == "wrong_state"


def test_a_call_that_nobody_accepts_ends_after_three_minutes() -> None:
    stage = Stage()
    call = stage.create(ring=True)
    assert stage.server.next_timeout() == stage.mono + RING_TIMEOUT_S
    assert stage.advance(RING_TIMEOUT_S - 1) == []
    assert stage.advance(1) == [end_of(call.id, EndReason.NOT_ACCEPTED, RING_TIMEOUT_S)]
    assert stage.server.counts() == {CallState.RINGING: 0, CallState.ACTIVE: 0}


def test_a_ringing_call_ends_with_its_duration_where_that_is_shorter() -> None:
    stage = Stage()
    call = stage.create(ring=True, max_duration_s=60)
    assert stage.advance(60) == [end_of(call.id, EndReason.NOT_ACCEPTED, 60.0)]


def test_an_accepted_call_ends_with_its_duration() -> None:
    stage = Stage()
    call = stage.create(ring=True, max_duration_s=600)
    stage.advance(100)
    stage.accept(call.id)
    assert stage.advance(RING_TIMEOUT_S) == []
    assert stage.server.next_timeout() == call.expires
    assert stage.advance(499 - RING_TIMEOUT_S) == []
    assert stage.advance(1) == [end_of(call.id, EndReason.EXPIRED, 600.0)]
    assert stage.server.next_timeout() is None


def test_calls_end_in_the_order_of_their_deadlines() -> None:
    stage = Stage()
    calls = [stage.create(max_duration_s=seconds) for seconds in (30, 10, 20)]
    assert stage.advance(30) == [
        end_of(calls[which].id, EndReason.EXPIRED, 30.0) for which in (1, 2, 0)
    ]


def test_ending_twice_says_that_the_second_changed_nothing() -> None:
    stage = Stage()
    call = stage.create()
    assert stage.end(call.id) == [end_of(call.id, EndReason.ENDED, 0.0)]
    assert stage.end(call.id) == []
    assert stage.advance(20_000) == []


def test_an_ended_call_is_known_without_its_parties_and_later_not_at_all() -> None:
    stage = Stage()
    call = stage.create()
    stage.advance(5)
    stage.end(call.id)
    ended = stage.call(call.id)
    assert (ended.state, ended.legs, ended.masked) == (CallState.ENDED, [], [])
    assert ended.expires_at == stage.now.wall
    stage.advance(stage.rules.credential_ttl_s)
    with pytest.raises(CallError):
        stage.call(call.id)


def test_an_unknown_call_is_not_named_in_the_fault() -> None:
    stage = Stage()
    with pytest.raises(CallError) as fault:
        stage.call("192.0.2.77")
    assert (fault.value.kind, fault.value.call) == ("unknown_call", "")
    assert "192.0.2.77" not in fault.value.detail


@pytest.mark.parametrize(
    ("field", "asked", "limit"),
    [("max_duration_s", 14_400, 14_400), ("max_bitrate_bps", 8_000_000, 8_000_000)],
)
def test_a_call_may_ask_for_as_much_as_the_operator_allows(
    field: str, asked: int, limit: int
) -> None:
    stage = Stage()
    stage.create(**{field: limit})  # type: ignore[arg-type]  # one of two integers, by name
    for wrong in (asked + 1, 0, -1):
        with pytest.raises(CallError) as fault:
            stage.create(**{field: wrong})  # type: ignore[arg-type]  # as above
        assert fault.value.detail == f"{field}: give a number from 1 to {limit}."


@pytest.mark.parametrize("ids", [[], ["a"], ["a", "b", "c", "d"], ["a", "a"]])
def test_a_call_has_two_parties_or_more_and_each_once(ids: list[str]) -> None:
    stage = Stage(Rules(legs_per_call=3))
    with pytest.raises(CallError) as fault:
        stage.create(*(Party(each) for each in ids or ["lonely"]))
    assert fault.value.kind == "invalid_request"
    assert fault.value.detail.startswith("parties: ")
    assert len(stage.server.page(0, 100_000)) == 0


def test_a_lower_bit_rate_holds_for_every_leg() -> None:
    stage = Stage()
    call = stage.create(max_bitrate_bps=64_000)
    for leg in call.legs:
        client = stage.client(call.id, leg.id)
        assert client.allocate() == 0
        assert client.done[0] == SetLeg(leg.key, 64_000, 4_000)


def test_a_list_goes_on_where_it_stopped_though_calls_ended_in_between() -> None:
    stage = Stage()
    calls = [stage.create() for _ in range(5)]
    first = stage.server.page(0, 2)
    assert first == calls[:2]
    stage.end(calls[1].id)
    assert stage.server.page(first[-1].number, 2) == calls[2:4]
    assert stage.server.page(calls[4].number, 2) == []


def test_nothing_follows_the_end() -> None:
    assert TRANSITIONS[CallState.ENDED] == frozenset()
    assert set(TRANSITIONS) == set(CallState)
