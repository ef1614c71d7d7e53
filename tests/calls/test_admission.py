"""Who may allocate, under which caps, and what is kept for whom."""

import pytest

from relay.calls.rules import Rules
from relay.effects import CallCreated, DropLeg, EndReason, LegConnected, LegIdle, LegKey, SetLeg
from relay.errors import CallError
from relay.stun.message import Method
from tests.calls.stage import Stage, end_of
from tests.kit import wire


def test_a_leg_of_a_ringing_call_may_allocate_but_not_talk() -> None:
    stage = Stage()
    call = stage.create(ring=True, max_bitrate_bps=500_000)
    leg = call.legs[0]
    client = stage.client(call.id, leg.id)
    assert client.allocate() == 0
    assert SetLeg(leg.key, 500_000, 4_000) in client.done
    assert (leg.masked, call.closed, call.half_relayed) == (True, True, False)
    assert not call.carries(stage.mono)
    stage.accept(call.id)
    assert call.carries(stage.mono)
    assert not call.carries(call.expires)
    assert stage.client(call.id, leg.id).allocate() == 0


def test_a_leg_that_a_registered_call_does_not_have_is_rejected_with_403() -> None:
    stage = Stage()
    call = stage.create()
    assert stage.allocate(call.id, "alice") == 403
    assert stage.allocate(call.id, "") in (401, 403)  # nobody is named by that
    assert [leg.held for leg in call.legs] == [(), ()]


def test_a_call_named_as_the_api_names_them_is_rejected_with_403_unless_it_did() -> None:
    stage = Stage()
    assert stage.allocate("cv_0000000000000000000009", "leg") == 403
    assert stage.server.page(0, 10) == []


def test_a_leg_in_ports_mode_is_rejected_with_403() -> None:
    stage = Stage()
    call = stage.create(ports=True)
    assert stage.allocate(call.id, call.legs[0].id) == 403


def test_another_call_begins_when_a_credential_names_it() -> None:
    stage = Stage()
    one = stage.client("room", "one")
    assert one.allocate() == 0
    assert one.done[:3] == [
        CallCreated("room", is_ringing=False),
        SetLeg(LegKey("room", "one"), 8_000_000, 4_000),
        LegConnected(LegKey("room", "one"), one.five_tuple.transport),
    ]
    call, expires = stage.call("room"), stage.mono + 14_400
    assert (call.is_active, call.closed, call.half_relayed) == (True, True, False)
    assert (call.expires, call.legs[0].masked) == (expires, True)
    stage.advance(10)
    two = stage.client("room", "two")
    assert two.allocate() == 0
    assert two.done[0] == SetLeg(LegKey("room", "two"), 8_000_000, 4_000)
    assert stage.call("room") is call
    assert (call.expires, [leg.name for leg in call.legs]) == (expires, ["one", "two"])


def test_with_registered_calls_required_no_other_call_begins() -> None:
    stage = Stage(Rules(require_registered_call=True))
    call = stage.create()
    assert stage.allocate("room", "one") == 403
    assert stage.allocate(call.id, call.legs[1].id) == 0


def test_one_leg_too_many_is_rejected_with_486_and_those_inside_stay_welcome() -> None:
    stage = Stage(Rules(legs_per_call=2))
    assert [stage.allocate("room", leg) for leg in ("one", "two")] == [0, 0]
    assert stage.allocate("room", "three") == 486
    assert stage.client("room", "one").allocate() == 0


def test_a_released_leg_makes_room() -> None:
    stage = Stage(Rules(legs_per_call=2))
    assert [stage.allocate("room", leg) for leg in ("one", "two")] == [0, 0]
    one = LegKey("room", "one")
    assert stage.leave("room", "one") == [LegIdle(one), DropLeg(one)]
    assert stage.allocate("room", "three") == 0
    assert stage.allocate("room", "one") == 486


@pytest.mark.parametrize("name", ["cv", "room"])
def test_no_leg_of_an_ended_call_comes_back(name: str) -> None:
    stage = Stage()
    if name == "cv":
        call = stage.create()
        name, leg = call.id, call.legs[0].id
    else:
        leg = "one"
    assert stage.allocate(name, leg) == 0
    stage.end(name)
    assert stage.allocate(name, leg) == 403
    stage.advance(stage.rules.credential_ttl_s - 1)
    assert stage.allocate(name, leg) == 403


def test_a_call_whose_time_is_over_admits_nobody_even_before_the_timer_ran() -> None:
    stage = Stage()
    call = stage.create(max_duration_s=10)
    leg = call.legs[0].id
    stage.mono += 10
    assert stage.allocate(call.id, leg) == 403


def test_a_call_that_only_credentials_named_may_begin_anew_when_its_time_is_up() -> None:
    stage = Stage(Rules(call_duration_s=1_000))
    assert stage.allocate("room", "one") == 0
    one = LegKey("room", "one")
    assert stage.advance(1_000) == [
        LegIdle(one),
        end_of("room", EndReason.EXPIRED, 1_000.0, one),
        DropLeg(one),
    ]
    assert stage.allocate("room", "one") == 0


def test_a_call_that_only_credentials_named_stays_ended_for_a_day_once_it_was_ended() -> None:
    stage = Stage()
    stage.allocate("room", "one")
    one = LegKey("room", "one")
    assert stage.end("room") == [
        LegIdle(one),
        end_of("room", EndReason.ENDED, 0.0, one),
        DropLeg(one),
    ]
    stage.advance(86_399)
    assert stage.allocate("room", "one") == 403
    stage.advance(1)
    assert stage.allocate("room", "one") == 0


def test_a_call_that_only_credentials_named_is_forgotten_with_its_last_leg() -> None:
    stage = Stage(peers="call")
    one, two = LegKey("room", "one"), LegKey("room", "two")
    assert [stage.allocate("room", leg) for leg in ("one", "two")] == [0, 0]
    assert stage.leave("room", "one") == [LegIdle(one), DropLeg(one)]
    assert [leg.id for leg in stage.call("room").legs] == ["two"]
    stage.advance(5)
    assert stage.leave("room", "two") == [
        LegIdle(two),
        end_of("room", EndReason.LEFT, 5.0, two),
        DropLeg(two),
    ]
    with pytest.raises(CallError):
        stage.call("room")
    assert stage.server.next_timeout() is None
    assert stage.allocate("room", "one") == 0


def test_a_leg_whose_allocation_runs_out_leaves_as_one_that_deletes_it() -> None:
    stage = Stage()
    stage.allocate("room", "one")
    one = LegKey("room", "one")
    assert stage.advance(3_600) == [
        LegIdle(one),
        end_of("room", EndReason.LEFT, 3_600.0, one),
        DropLeg(one),
    ]
    assert stage.server.next_timeout() is None


def test_a_registered_call_outlives_its_allocations() -> None:
    stage = Stage()
    call = stage.create()
    for leg in call.legs:
        assert stage.allocate(call.id, leg.id) == 0
        assert stage.leave(call.id, leg.id) == [LegIdle(leg.key)]
    assert len(call.legs) == 2
    assert stage.allocate(call.id, call.legs[0].id) == 0


def test_who_was_never_admitted_leaves_nothing_changed() -> None:
    stage = Stage()
    stage.allocate("room", "one")
    for call, leg in (("room", "two"), ("elsewhere", "one")):
        answer = stage.client(call, leg).request(Method.REFRESH, wire.lifetime(0))
        assert answer is not None
        assert answer.code == 437
    assert not stage.is_live("elsewhere")
    assert [leg.id for leg in stage.call("room").legs] == ["one"]


def test_a_leg_that_gets_no_port_is_heard_of_by_nobody() -> None:
    stage = Stage(ports=range(50000, 50001))
    assert stage.allocate("room", "one") == 0
    answer = stage.client("hall", "two").request(Method.ALLOCATE, wire.even_port(reserve=True))
    assert answer is not None
    assert answer.code == 508
    assert not stage.is_live("hall")
    assert stage.allocate("room", "two") == 508
    assert [leg.id for leg in stage.call("room").legs] == ["one"]


def test_a_draining_relay_begins_no_call_and_lets_those_inside_go_on() -> None:
    stage = Stage()
    call = stage.create()
    stage.allocate("room", "one")
    stage.server.drain()
    assert stage.allocate("hall", "one") == 508
    assert stage.allocate("room", "two") == stage.allocate(call.id, call.legs[0].id) == 0
    with pytest.raises(CallError) as fault:
        stage.create()
    assert fault.value.kind == "draining"
