"""What parties say to each other: rebuilt, held while it rings, within bounds."""

import pytest

from relay.calls.call import Call
from relay.calls.leaving import AnsweredBy
from relay.calls.rules import Masking, Rules
from relay.calls.signaling import describe, release, trickle
from relay.errors import CallError
from relay.sdp import HeldCandidate, Rebuilt, RemovedKind
from tests.calls.stage import ALICE, BOB, CAROL, Stage
from tests.sdp.samples import RELAYED, leaks, sample

OURS = "candidate:1 1 udp 50331647 192.0.2.1 50000 typ relay raddr 0.0.0.0 rport 9"
SENT = HeldCandidate(
    "candidate:34 1 udp 41885695 192.0.2.1 50000 typ relay raddr 198.51.100.213 rport 61002", "0", 0
)
HOST = HeldCandidate("candidate:1 1 udp 2122260223 10.77.31.9 5000 typ host", "0", 0)


def _relayed(call: Call) -> dict[str, list[tuple[str, int]]]:
    """The first party's relayed addresses."""
    return {call.legs[0].id: list(RELAYED)}


def test_in_a_relayed_call_a_description_is_rebuilt_for_the_leg_it_comes_from() -> None:
    stage = Stage()
    call = stage.create(ALICE, BOB)
    sdp = sample("chromium_offer")
    alices = describe(call, "alice", sdp, _relayed(call), stage.mono)
    assert "a=candidate:1 1 udp 50331647 192.0.2.1 50000" in alices.sdp
    bobs = describe(call, "bob", sdp, _relayed(call), stage.mono)
    assert "a=candidate" not in bobs.sdp
    assert leaks(alices.sdp + bobs.sdp) == []


def test_in_a_call_nobody_wants_private_everything_is_passed_on_as_it_is() -> None:
    stage = Stage()
    call = stage.create(BOB, CAROL, ring=True)
    sdp = sample("refused_plain_rtp")
    assert describe(call, "bob", sdp, {}, stage.mono) == Rebuilt(sdp, ())
    assert trickle(call, "bob", HOST, {}, stage.mono) == (HOST.candidate, False, ())


def test_the_one_unmasked_party_keeps_its_candidates_and_is_held_too() -> None:
    stage = Stage(Rules(masking=Masking.OPTED_IN))
    call = stage.create(ALICE, BOB, ring=True)
    assert trickle(call, "bob", HOST, {}, stage.mono) == (None, True, ())
    assert leaks(describe(call, "bob", sample("safari_answer"), {}, stage.mono).sdp) == []
    stage.accept(call.id)
    assert HOST in release(call)["bob"].candidates
    assert trickle(call, "bob", HOST, {}, stage.mono) == (HOST.candidate, False, ())


def test_two_unmasked_parties_tell_each_other_no_address_but_the_relays() -> None:
    stage = Stage(Rules(masking=Masking.OPTED_IN))
    call = stage.create(ALICE, BOB, CAROL)
    assert trickle(call, "bob", HOST, {}, stage.mono).candidate is None
    assert trickle(call, "carol", HOST, {}, stage.mono).candidate is None


def test_a_candidate_before_accept_is_held_once_and_passed_on_after_it() -> None:
    stage = Stage()
    call = stage.create(ALICE, BOB, ring=True)
    for _ in range(3):
        trickled = trickle(call, "alice", SENT, _relayed(call), stage.mono)
        assert (trickled.candidate, trickled.held) == (None, True)
    dropped = trickle(call, "alice", HOST, _relayed(call), stage.mono)
    assert (dropped.candidate, dropped.held) == (None, False)
    assert [each.kind for each in dropped.removed] == [RemovedKind.CANDIDATE_HOST]
    stage.accept(call.id)
    assert release(call) == {"alice": ((HeldCandidate(OURS, "0", 0),), "")}
    assert release(call) == {}
    late = trickle(call, "alice", SENT, _relayed(call), stage.mono)
    assert (late.candidate, late.held) == (OURS, False)


def test_the_end_of_candidates_waits_for_accept_too() -> None:
    stage = Stage()
    call = stage.create(ALICE, BOB, ring=True)
    end = HeldCandidate("", "0", 0)
    assert trickle(call, "alice", end, {}, stage.mono).held
    stage.accept(call.id)
    assert release(call) == {"alice": ((end,), "")}


def test_candidates_within_a_description_wait_for_accept_as_well() -> None:
    stage = Stage()
    call = stage.create(ALICE, BOB, ring=True)
    rebuilt = describe(call, "alice", sample("aiortc_offer"), _relayed(call), stage.mono)
    assert "candidate" not in rebuilt.sdp
    stage.accept(call.id)
    held = release(call)["alice"].candidates
    assert tuple(held) == rebuilt.held
    assert [each.sdp_mid for each in held] == ["0", "1"]


def test_the_latest_description_waits_for_accept_with_whatever_was_trickled() -> None:
    stage = Stage()
    call = stage.create(ALICE, BOB, ring=True)
    for name in ("aiortc_offer", "firefox_offer"):
        describe(call, "alice", sample(name), _relayed(call), stage.mono)
    late = SENT._replace(candidate=SENT.candidate.replace("192.0.2.1 50000", "192.0.2.1 50002"))
    trickle(call, "alice", late, _relayed(call), stage.mono)
    trickle(call, "bob", HOST, _relayed(call), stage.mono)
    stage.accept(call.id)
    released = release(call)
    assert list(released) == ["alice"]
    latest = describe(call, "alice", sample("firefox_offer"), _relayed(call), stage.mono).sdp
    lines = released["alice"].description.splitlines()
    assert [line for line in lines if "candidate" not in line] == [
        line for line in latest.splitlines() if "candidate" not in line
    ]
    added = [line for line in lines if line.startswith("a=candidate:2 1 udp")]
    assert added[0].endswith(" 192.0.2.1 50002 typ relay raddr 0.0.0.0 rport 9")
    assert leaks(released["alice"].description) == []
    assert release(call) == {}


def test_of_a_party_that_left_nothing_is_passed_on() -> None:
    stage = Stage()
    call = stage.create(ALICE, BOB, CAROL, ring=True)
    trickle(call, "alice", SENT, _relayed(call), stage.mono)
    describe(call, "carol", sample("safari_answer"), _relayed(call), stage.mono)
    stage.accept(call.id, AnsweredBy(party="bob"))
    assert list(release(call)) == ["alice"]


def test_a_party_that_is_not_in_the_call_is_told_so_whatever_it_sends() -> None:
    stage = Stage()
    call = stage.create(ALICE, BOB)
    for act in (
        lambda: describe(call, "mallory", "", {}, stage.mono),
        lambda: trickle(call, "mallory", SENT, {}, stage.mono),
    ):
        with pytest.raises(CallError) as refused:
            act()
        assert (refused.value.kind, refused.value.call) == ("unknown_party", call.id)


def test_of_ten_thousand_candidates_a_burst_is_looked_at_and_others_are_not_delayed() -> None:
    stage = Stage()
    call = stage.create(ALICE, BOB)
    outcomes = [_outcome(call, "alice", stage.mono) for _ in range(10_000)]
    assert outcomes.count("passed") == 2_048
    assert outcomes[2_048:] == ["too_many"] * (10_000 - 2_048)
    assert _outcome(call, "bob", stage.mono) == "dropped"
    stage.advance(1)
    later = [_outcome(call, "alice", stage.mono) for _ in range(200)]
    assert later.count("passed") == 128
    stage.advance(3_600)
    much_later = [_outcome(call, "alice", stage.mono) for _ in range(3_000)]
    assert much_later.count("passed") == 2_048


def _outcome(call: Call, party: str, mono: float) -> str:
    try:
        trickled = trickle(call, party, SENT, _relayed(call), mono)
    except CallError as refused:
        return refused.kind
    return "passed" if trickled.candidate else "dropped"


def test_descriptions_are_paid_for_by_their_length() -> None:
    stage = Stage()
    call = stage.create(ALICE, BOB)
    sdp = sample("chromium_offer")
    for _ in range(512 * 1024 // len(sdp)):
        describe(call, "alice", sdp, {}, stage.mono)
    with pytest.raises(CallError) as refused:
        describe(call, "alice", sdp, {}, stage.mono)
    assert refused.value.kind == "too_many"


def test_no_more_candidates_are_held_than_a_client_has() -> None:
    stage = Stage()
    call = stage.create(ALICE, BOB, ring=True)
    kinds = set()
    for number in range(300):
        try:
            sent = SENT._replace(sdp_mid=f"m{number}")
            trickle(call, "alice", sent, _relayed(call), stage.mono)
        except CallError as refused:
            kinds.add(refused.kind)
    assert kinds == {"too_many"}
    stage.accept(call.id)
    assert len(release(call)["alice"].candidates) == 256
