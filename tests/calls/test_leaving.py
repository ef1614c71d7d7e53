"""Parties leave a call: the devices that did not answer, and whoever is ended by name."""

from collections.abc import Callable

import pytest

from relay.calls.call import Call, CallState
from relay.calls.changes import PartyChange
from relay.calls.leaving import AnsweredBy
from relay.calls.making import Party
from relay.calls.rules import Masking, Rules
from relay.effects import (
    CallAccepted,
    CallChanged,
    DropLeg,
    EndReason,
    LegEnded,
    LegIdle,
    LegKey,
)
from relay.errors import CallError
from tests.calls.stage import ALICE, BOB, CAROL, NO_ANSWER, Stage, end_of

PHONE, TABLET = Party("bob-phone"), Party("bob-tablet")
CREDENTIALS_S = 86_400  # what is remembered of calls that credentials begin


def _names(call: Call) -> list[str]:
    return [leg.name for leg in call.legs]


@pytest.mark.parametrize("by", ["party", "leg"])
def test_who_answers_stays_with_the_caller_and_the_others_never_come_back(by: str) -> None:
    stage = Stage()
    call = stage.create(ALICE, PHONE, TABLET, ring=True)
    alice, phone, tablet = (leg.id for leg in call.legs)
    stage.allocate(call.id, tablet)
    answered = AnsweredBy(party="bob-phone") if by == "party" else AnsweredBy(leg=phone)
    left = LegKey(call.id, tablet)
    assert stage.accept(call.id, answered) == [
        LegIdle(left),
        LegEnded(left),
        DropLeg(left),
        CallAccepted(call.id),
    ]
    assert (call.state, _names(call)) == (CallState.ACTIVE, ["alice", "bob-phone"])
    assert stage.allocate(call.id, tablet) == 403
    assert [stage.allocate(call.id, leg) for leg in (alice, phone)] == [0, 0]


def test_unless_somebody_is_named_everybody_stays() -> None:
    stage = Stage()
    call = stage.create(ALICE, PHONE, TABLET, ring=True)
    stage.accept(call.id)
    assert _names(call) == ["alice", "bob-phone", "bob-tablet"]


@pytest.mark.parametrize(
    ("answered", "kind"),
    [
        (AnsweredBy(party="mallory"), "unknown_party"),
        (AnsweredBy(leg="mallory"), "unknown_party"),
        (AnsweredBy(leg="bob-phone"), "unknown_party"),
        (AnsweredBy(party="alice"), "invalid_request"),
    ],
)
def test_a_wrong_answer_changes_nothing(answered: AnsweredBy, kind: str) -> None:
    stage = Stage()
    call = stage.create(ALICE, PHONE, TABLET, ring=True)
    with pytest.raises(CallError) as fault:
        stage.accept(call.id, answered)
    assert (fault.value.kind, fault.value.call) == (kind, call.id)
    assert (call.state, len(call.legs)) == (CallState.RINGING, 3)


def test_a_party_is_ended_once_and_the_others_go_on() -> None:
    stage = Stage()
    call = stage.create(ALICE, BOB, CAROL)
    carol = call.legs[2].key
    ended = [stage.end_party(call.id, "carol") for _ in range(2)]
    assert ended == [[LegEnded(carol)], []]
    assert (_names(call), call.state) == (["alice", "bob"], CallState.ACTIVE)
    assert stage.allocate(call.id, carol.leg) == 403


def test_with_the_last_but_one_the_call_ends_and_again_is_no_fault() -> None:
    stage = Stage()
    call = stage.create(ALICE, BOB)
    ended = [stage.end_party(call.id, "bob") for _ in range(2)]
    assert ended == [[end_of(call.id, EndReason.ENDED, 0.0)], []]
    assert call.state is CallState.ENDED
    assert stage.allocate(call.id, "anybody") == 403


def test_a_call_that_rings_ends_with_its_caller() -> None:
    stage = Stage()
    ringing, active = (stage.create(ALICE, PHONE, TABLET, ring=ring) for ring in (True, False))
    for call in (ringing, active):
        assert stage.end_party(call.id, "alice")
    assert (ringing.state, active.state) == (CallState.ENDED, CallState.ACTIVE)


def test_a_party_that_never_was_is_a_fault() -> None:
    stage = Stage()
    call = stage.create(ALICE, BOB, CAROL)
    with pytest.raises(CallError) as fault:
        stage.end_party(call.id, "mallory")
    assert (fault.value.kind, fault.value.call) == ("unknown_party", call.id)
    with pytest.raises(CallError) as fault:
        stage.end_party("cv_none", "alice")
    assert fault.value.kind == "unknown_call"


def test_a_party_that_joins_again_has_another_leg() -> None:
    stage = Stage()
    call = stage.create(ALICE, BOB, CAROL)
    before = call.legs[2].id
    stage.end_party(call.id, "carol")
    assert stage.change(call.id, PartyChange("carol")) == [CallChanged(call.id)]
    leg = call.legs[2]
    assert (leg.name, leg.id != before) == ("carol", True)
    assert stage.allocate(call.id, before) == 403
    assert stage.allocate(call.id, leg.id) == 0


def test_who_leaves_takes_no_privacy_of_the_others_along() -> None:
    stage = Stage(Rules(masking=Masking.OPTED_IN))
    call = stage.create(BOB, CAROL, ALICE)
    stage.end_party(call.id, "alice")  # the only one who asked
    assert call.relayed
    crowded = stage.create(ALICE, BOB, CAROL)
    assert not crowded.half_relayed  # two parties are not masked
    stage.end_party(crowded.id, "carol")
    assert (crowded.masked, crowded.half_relayed) == (["alice"], False)


def test_who_joins_again_has_the_privacy_that_was_on_before() -> None:
    stage = Stage(Rules(masking=Masking.OPTED_IN))
    call = stage.create(ALICE, BOB, CAROL)

    def change(party: PartyChange) -> None:
        stage.change(call.id, party)

    change(PartyChange("carol", enhanced_call_privacy=True))
    stage.end_party(call.id, "carol")
    with pytest.raises(CallError) as fault:
        change(PartyChange("carol", enhanced_call_privacy=False))
    assert (fault.value.kind, _names(call)) == ("only_tightens", ["alice", "bob"])
    change(PartyChange("carol"))
    assert call.masked == ["alice", "carol"]


def test_a_call_is_half_relayed_no_more_without_its_unmasked_party() -> None:
    stage = Stage(Rules(masking=Masking.OPTED_IN))
    dan = Party("dan", enhanced_call_privacy=True)
    call = stage.create(ALICE, dan, BOB)
    assert call.half_relayed
    stage.end_party(call.id, "bob")
    assert not call.half_relayed
    stage.change(call.id, PartyChange("bob"))
    assert not call.half_relayed


def test_a_leg_of_a_credentials_call_does_not_come_back_when_that_call_begins_anew() -> None:
    stage = Stage(Rules(call_duration_s=2 * CREDENTIALS_S))
    for leg in ("one", "two", "tablet"):
        assert stage.allocate("room", leg) == 0
    tablet = LegKey("room", "tablet")
    gone = [LegIdle(tablet), LegEnded(tablet), DropLeg(tablet)]
    assert stage.end_party("room", "tablet") == gone
    assert stage.end_party("room", "tablet") == []
    assert stage.allocate("room", "tablet") == 403
    for leg in ("one", "two"):
        stage.leave("room", leg)
    assert not stage.is_live("room")
    assert stage.allocate("room", "one") == 0
    assert stage.allocate("room", "tablet") == 403
    stage.advance(CREDENTIALS_S)
    assert stage.allocate("room", "tablet") == 0


def test_a_leg_that_has_not_come_yet_does_not_come_afterwards() -> None:
    stage = Stage()
    assert stage.end_party("room", "tablet") == []
    assert stage.allocate("room", "tablet") == 403
    assert stage.server.page(0, 10) == []
    assert stage.allocate("room", "one") == 0


def test_with_its_last_leg_a_credentials_call_is_forgotten() -> None:
    stage = Stage()
    stage.allocate("room", "one")
    one = LegKey("room", "one")
    assert stage.end_party("room", "one") == [
        LegIdle(one),
        end_of("room", EndReason.ENDED, 0.0, one),
        DropLeg(one),
    ]
    assert not stage.is_live("room")
    assert stage.allocate("room", "two") == 0


@pytest.mark.parametrize("room", ["room", "a/b", "+~=.-_", "..", "x" * 490, "x" * 506])
def test_a_call_that_is_ended_before_it_began_does_not_begin(room: str) -> None:
    is_short = len(room) < 500  # longer ones leave no room for a leg and a time
    stage = Stage()
    assert [stage.end(room) for _ in range(2)] == [[], []]
    assert stage.allocate(room, "one") == (403 if is_short else NO_ANSWER)
    shown = stage.call(room)
    assert (shown.state, shown.legs, shown.expires_at) == (CallState.ENDED, [], stage.now.wall)
    stage.advance(CREDENTIALS_S)
    assert stage.allocate(room, "one") == (0 if is_short else NO_ANSWER)


@pytest.mark.parametrize("name", ["cv_none", "a:b", "x" * 507, "é", "%2F", "a b", ""])
def test_what_no_credential_may_name_is_unknown(name: str) -> None:
    stage = Stage()
    ends: list[Callable[[], object]] = [
        lambda: stage.end(name),
        lambda: stage.end_party(name, "one"),
    ]
    for end in ends:
        with pytest.raises(CallError) as fault:
            end()
        assert fault.value.kind == "unknown_call"


def test_names_of_those_who_left_are_bounded_and_go_with_the_call() -> None:
    stage = Stage()
    call = stage.create(ALICE, BOB)
    for number in range(100):
        stage.change(call.id, PartyChange(f"{number}"))
        stage.end_party(call.id, f"{number}")
    assert len(call.former) == 64
    stage.end(call.id)
    assert call.former == ()
