"""A live call changes: it only tightens, lengthens and grows."""

from itertools import product

import pytest

from relay.calls.call import RING_TIMEOUT_S, Call, CallState
from relay.calls.changes import PartyChange
from relay.calls.intake import Intake
from relay.calls.making import Party
from relay.calls.rules import Masking, Policy, Rules
from relay.effects import CallChanged, EndReason
from relay.errors import CallError
from relay.sdp import HeldCandidate, Rebuilt
from tests.calls.stage import ALICE, BOB, CAROL, WALL_AHEAD_S, Stage, end_of


def _change(
    stage: Stage, call: Call, *parties: PartyChange, max_duration_s: int | None = None
) -> bool:
    """Returns: whether anything has changed."""
    effects = stage.change(call.id, *parties, max_duration_s=max_duration_s)
    assert effects in ([], [CallChanged(call.id)])  # nobody has allocated
    return bool(effects)


def _refusal(
    stage: Stage, call: Call, *parties: PartyChange, max_duration_s: int | None = None
) -> CallError:
    before = _state_of(call)
    with pytest.raises(CallError) as refused:
        _change(stage, call, *parties, max_duration_s=max_duration_s)
    assert _state_of(call) == before
    return refused.value


def _state_of(call: Call) -> object:
    legs = [(leg.id, leg.party, leg.masked, leg.asked) for leg in call.legs]
    return (legs, call.relayed, call.expires, call.expires_at, call.deadline())


def on(party: str) -> PartyChange:
    return PartyChange(party, True)


@pytest.mark.parametrize(
    ("masking", "masked"), [(Masking.BOTH, ["bob", "carol"]), (Masking.OPTED_IN, ["carol"])]
)
def test_a_direct_call_is_relayed_and_masked_once_a_party_asks(
    masking: Masking, masked: list[str]
) -> None:
    stage = Stage(Rules(masking=masking), peers="relay")
    call = stage.create(BOB, CAROL)
    assert (call.relayed, call.masked) == (False, [])
    assert not call.closed
    expires, legs = call.expires, list(call.legs)
    assert _change(stage, call, on("carol"))
    assert (call.relayed, call.masked, call.closed) == (True, masked, True)
    assert (call.expires, call.legs) == (expires, legs)
    assert [leg.masked for leg in legs] == [name in masked for name in ("bob", "carol")]
    assert [stage.allocate(call.id, leg.id) for leg in legs] == [0, 0]


@pytest.mark.parametrize(("policy", "masking"), [*product(Policy, Masking)])
@pytest.mark.parametrize(("alice", "bob"), [*product((False, True), repeat=2)])
@pytest.mark.parametrize("who", ["alice", "bob"])
def test_switching_on_gives_what_a_call_created_so_would_be(
    policy: Policy, masking: Masking, alice: bool, bob: bool, who: str
) -> None:
    stage = Stage(Rules(policy=policy, masking=masking))
    call = stage.create(Party("alice", alice), Party("bob", bob))
    before = (call.relayed, call.masked)
    changed = _change(stage, call, on(who))
    fresh = stage.create(Party("alice", alice or who == "alice"), Party("bob", bob or who == "bob"))
    assert (call.relayed, call.masked) == (fresh.relayed, fresh.masked)
    assert changed == (before != (fresh.relayed, fresh.masked))


def test_switching_on_twice_tightens_once() -> None:
    stage = Stage()
    call = stage.create(BOB, CAROL)
    assert _change(stage, call, on("bob"))
    assert not _change(stage, call, on("bob"))
    assert not _change(stage, call, PartyChange("bob"))


def test_switching_off_what_is_on_is_refused() -> None:
    stage = Stage()
    call = stage.create(ALICE, BOB)
    refusal = _refusal(stage, call, PartyChange("alice", False), PartyChange("dan"))
    assert (refusal.kind, refusal.call) == ("only_tightens", call.id)


def test_saying_off_where_it_is_off_changes_nothing() -> None:
    stage = Stage()
    call = stage.create(ALICE, BOB)
    assert not _change(stage, call, PartyChange("bob", False))
    assert call.masked == ["alice", "bob"]


def test_privacy_outlives_a_laxer_configuration() -> None:
    stage = Stage(Rules(policy=Policy.ALWAYS))
    call = stage.create(BOB, CAROL)
    stage.server.set_rules(Rules(policy=Policy.ASKED, masking=Masking.OPTED_IN))
    _change(stage, call, max_duration_s=14_400)
    assert (call.relayed, call.masked) == (True, ["bob", "carol"])


def test_what_a_party_had_held_before_it_was_masked_is_not_passed_on() -> None:
    stage = Stage(Rules(masking=Masking.OPTED_IN))
    call = stage.create(ALICE, BOB, ring=True)
    candidate = HeldCandidate("candidate:1 1 udp 1 10.77.31.9 5 typ host", "0", 0)
    described = Rebuilt("v=0", ())
    for leg in call.legs:
        leg.intake = Intake(stage.mono)
        leg.intake.hold(candidate)
        leg.intake.described = described
    _change(stage, call, on("bob"))
    held = {leg.name: [*leg.intake.held, leg.intake.described] for leg in call.legs if leg.intake}
    assert held == {"alice": [candidate, described], "bob": [None]}


@pytest.mark.parametrize("change", [on("bob"), PartyChange("carol")])
def test_a_half_relayed_call_is_relayed_for_everybody_once_another_is_not_masked_or_nobody_is(
    change: PartyChange,
) -> None:
    stage = Stage(Rules(masking=Masking.OPTED_IN))
    call = stage.create(ALICE, BOB, ring=True)
    bob = call.legs[1]
    bob.intake = Intake(stage.mono)
    bob.intake.hold(HeldCandidate("candidate:1 1 udp 1 10.77.31.9 5 typ host", "0", 0))
    assert call.is_direct(bob)
    assert _change(stage, call, change)
    assert not any(call.is_direct(leg) for leg in call.legs)
    assert not bob.intake.held


def test_what_was_relayed_for_everybody_does_not_become_half_relayed() -> None:
    stage = Stage(Rules(masking=Masking.OPTED_IN))
    call = stage.create(ALICE, BOB, CAROL)
    _change(stage, call, on("bob"))
    assert (call.masked, call.half_relayed) == (["alice", "bob"], False)


def test_a_direct_call_becomes_half_relayed() -> None:
    stage = Stage(Rules(masking=Masking.OPTED_IN))
    call = stage.create(BOB, CAROL)
    assert _change(stage, call, on("carol"))
    assert [leg.name for leg in call.legs if call.is_direct(leg)] == ["bob"]


def test_a_call_is_extended_from_its_creation_on_both_clocks() -> None:
    stage = Stage()
    call = stage.create(max_duration_s=600)
    stage.advance(500)
    tightness = call.relayed, call.masked
    assert _change(stage, call, max_duration_s=900)
    assert (call.relayed, call.masked) == tightness
    assert call.expires_at == call.expires + WALL_AHEAD_S
    assert stage.advance(399) == []
    assert stage.advance(1) == [end_of(call.id, EndReason.EXPIRED, 900.0)]


def test_a_ringing_call_that_is_extended_rings_no_longer_than_any_other() -> None:
    stage = Stage()
    short = stage.create(ring=True, max_duration_s=60)
    _change(stage, short, max_duration_s=900)
    rings_until = stage.mono + RING_TIMEOUT_S
    assert stage.advance(60) == []
    assert stage.server.next_timeout() == rings_until
    stage.accept(short.id)
    assert stage.advance(RING_TIMEOUT_S - 60) == []
    assert stage.server.next_timeout() == short.expires == stage.mono + 900 - RING_TIMEOUT_S


def test_a_ringing_call_that_is_extended_ends_as_one_that_nobody_accepts() -> None:
    stage = Stage()
    call = stage.create(ring=True, max_duration_s=60)
    _change(stage, call, max_duration_s=900)
    assert stage.advance(RING_TIMEOUT_S - 1) == []
    assert stage.advance(1) == [end_of(call.id, EndReason.NOT_ACCEPTED, RING_TIMEOUT_S)]


def test_a_call_is_not_shortened_nor_extended_beyond_the_limit() -> None:
    stage = Stage(Rules(call_duration_s=1_000))
    call = stage.create(max_duration_s=600)
    for wrong in (0, 1, 599, 1_001):
        refusal = _refusal(stage, call, max_duration_s=wrong)
        assert refusal.detail == "max_duration_s: give more than 600 and at most 1000."
    assert not _change(stage, call, max_duration_s=600)
    assert _change(stage, call, max_duration_s=1_000)


def test_a_party_is_added_with_a_leg_of_its_own() -> None:
    stage = Stage()
    call = stage.create(ALICE, BOB)
    assert _change(stage, call, PartyChange("carol"))
    leg = call.legs[2]
    assert (leg.party, leg.masked, call.masked[:2]) == ("carol", True, ["alice", "bob"])
    assert stage.allocate(call.id, leg.id) == 0
    assert [each.name for each in call.legs] == ["alice", "bob", "carol"]
    assert len({each.id for each in call.legs}) == 3


def test_a_party_that_joins_with_privacy_on_tightens_the_call() -> None:
    stage = Stage(Rules(masking=Masking.OPTED_IN))
    call = stage.create(BOB, CAROL)
    assert _change(stage, call, on("alice"))
    assert (call.relayed, call.masked) == (True, ["alice"])


def test_a_party_that_joins_a_call_nobody_wants_private_may_go_direct() -> None:
    stage = Stage()
    call = stage.create(BOB, CAROL)
    assert _change(stage, call, PartyChange("dan"))
    assert (call.relayed, call.masked, len(call.legs)) == (False, [], 3)


def test_no_more_parties_join_than_a_call_may_have() -> None:
    stage = Stage(Rules(legs_per_call=3))
    call = stage.create(ALICE, BOB)
    refusal = _refusal(stage, call, PartyChange("carol"), PartyChange("dan"))
    assert (refusal.kind, refusal.detail) == (
        "invalid_request",
        "parties: a call may have 3 parties at most.",
    )
    _change(stage, call, PartyChange("carol"))
    stage.server.set_rules(Rules(legs_per_call=2))
    assert not _change(stage, call, on("carol"))


def test_a_party_named_twice_is_refused() -> None:
    stage = Stage()
    assert _refusal(stage, stage.create(), on("bob"), PartyChange("bob")).kind == "invalid_request"


def test_everything_is_checked_before_anything_is_changed() -> None:
    stage = Stage()
    call = stage.create(BOB, CAROL)
    _refusal(stage, call, on("bob"), PartyChange("dan"), max_duration_s=1_000_000)
    assert (call.relayed, len(call.legs)) == (False, 2)


def test_a_ringing_call_is_changed_and_rings_on() -> None:
    stage = Stage()
    call = stage.create(BOB, CAROL, ring=True)
    assert _change(stage, call, on("bob"))
    assert call.state is CallState.RINGING
    assert stage.allocate(call.id, call.legs[0].id) == 0
    assert not call.carries(stage.mono)


def test_an_ended_call_is_not_changed_even_before_the_timer_ran() -> None:
    stage = Stage()
    ended, ringing = stage.create(), stage.create(ring=True)
    stage.end(ended.id)
    stage.mono += RING_TIMEOUT_S
    for call in (ended, ringing):
        assert _refusal(stage, call, on("bob")).kind == "wrong_state"


def test_an_unknown_call_is_not_changed() -> None:
    stage = Stage()
    with pytest.raises(CallError) as refused:
        stage.change("cv_none")
    assert refused.value.kind == "unknown_call"


def test_a_call_that_only_a_credential_named_is_not_changed() -> None:
    stage = Stage()
    stage.allocate("room", "one")
    call = stage.call("room")
    assert _refusal(stage, call, PartyChange("two")).kind == "wrong_state"
