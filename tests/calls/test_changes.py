"""A live call changes: it only tightens, lengthens and grows."""

from itertools import product

import pytest

from relay.calls.call import Call, Masking, Party, Policy, Rules, State
from relay.calls.changes import Change, Changed, PartyChange
from relay.calls.intake import Intake
from relay.calls.registry import RING_TIMEOUT_S
from relay.errors import CallError
from relay.sdp import HeldCandidate, Rebuilt
from tests.calls.book import ALICE, BOB, CAROL, WALL_AHEAD_S, Book


def _change(
    book: Book, call: Call, *parties: PartyChange, max_duration_s: int | None = None
) -> Changed:
    change = Change(parties, max_duration_s)
    return book.registry.change(call.id, change, book.token, book.now)


def _refusal(
    book: Book, call: Call, *parties: PartyChange, max_duration_s: int | None = None
) -> CallError:
    before = _state_of(call)
    with pytest.raises(CallError) as refused:
        _change(book, call, *parties, max_duration_s=max_duration_s)
    assert _state_of(call) == before
    return refused.value


def _state_of(call: Call) -> object:
    legs = [(leg.id, leg.party, leg.masked, leg.asked) for leg in call.legs]
    return (legs, call.relayed, call.expires, call.expires_at, call.deadline)


def on(party: str) -> PartyChange:
    return PartyChange(party, True)


@pytest.mark.parametrize(
    ("masking", "masked"), [(Masking.BOTH, ["bob", "carol"]), (Masking.OPTED_IN, ["carol"])]
)
def test_a_direct_call_is_relayed_and_masked_once_a_party_asks(
    masking: Masking, masked: list[str]
) -> None:
    book = Book(Rules(masking=masking))
    call = book.create(BOB, CAROL)
    assert (call.relayed, call.masked) == (False, [])
    changed = _change(book, call, on("carol"))
    assert changed == Changed(call, tightened=True, extended=False, added=())
    assert (call.relayed, call.masked) == (True, masked)
    grants = [book.registry.admit(call.id, leg.id, book.now) for leg in call.legs]
    assert [grant.masked for grant in grants] == [name in masked for name in ("bob", "carol")]
    assert all(grant.closed for grant in grants)


@pytest.mark.parametrize(("policy", "masking"), [*product(Policy, Masking)])
@pytest.mark.parametrize(("alice", "bob"), [*product((False, True), repeat=2)])
@pytest.mark.parametrize("who", ["alice", "bob"])
def test_switching_on_gives_what_a_call_created_so_would_be(
    policy: Policy, masking: Masking, alice: bool, bob: bool, who: str
) -> None:
    book = Book(Rules(policy=policy, masking=masking))
    call = book.create(Party("alice", alice), Party("bob", bob))
    before = (call.relayed, call.masked)
    changed = _change(book, call, on(who))
    fresh = book.create(Party("alice", alice or who == "alice"), Party("bob", bob or who == "bob"))
    assert (call.relayed, call.masked) == (fresh.relayed, fresh.masked)
    assert changed.tightened == (before != (fresh.relayed, fresh.masked))


def test_switching_on_twice_tightens_once() -> None:
    book = Book()
    call = book.create(BOB, CAROL)
    assert _change(book, call, on("bob")).tightened
    assert not _change(book, call, on("bob")).tightened
    assert not _change(book, call, PartyChange("bob")).tightened


def test_switching_off_what_is_on_is_refused() -> None:
    book = Book()
    call = book.create(ALICE, BOB)
    refusal = _refusal(book, call, PartyChange("alice", False), PartyChange("dan"))
    assert (refusal.kind, refusal.call) == ("only_tightens", call.id)


def test_saying_off_where_it_is_off_changes_nothing() -> None:
    book = Book()
    call = book.create(ALICE, BOB)
    assert not _change(book, call, PartyChange("bob", False)).tightened
    assert call.masked == ["alice", "bob"]


def test_privacy_outlives_a_laxer_configuration() -> None:
    book = Book(Rules(policy=Policy.ALWAYS))
    call = book.create(BOB, CAROL)
    book.registry.rules = Rules(policy=Policy.ASKED, masking=Masking.OPTED_IN)
    _change(book, call, max_duration_s=14_400)
    assert (call.relayed, call.masked) == (True, ["bob", "carol"])


def test_what_a_party_had_held_before_it_was_masked_is_not_passed_on() -> None:
    book = Book(Rules(masking=Masking.OPTED_IN))
    call = book.create(ALICE, BOB, ring=True)
    candidate = HeldCandidate("candidate:1 1 udp 1 10.77.31.9 5 typ host", "0", 0)
    described = Rebuilt("v=0", ())
    for leg in call.legs:
        leg.intake = Intake(book.mono)
        leg.intake.hold(candidate)
        leg.intake.described = described
    _change(book, call, on("bob"))
    held = {leg.name: [*leg.intake.held, leg.intake.described] for leg in call.legs if leg.intake}
    assert held == {"alice": [candidate, described], "bob": [None]}


@pytest.mark.parametrize("change", [on("bob"), PartyChange("carol")])
def test_a_half_relayed_call_is_relayed_for_everybody_once_another_is_not_masked_or_nobody_is(
    change: PartyChange,
) -> None:
    book = Book(Rules(masking=Masking.OPTED_IN))
    call = book.create(ALICE, BOB, ring=True)
    bob = call.legs[1]
    bob.intake = Intake(book.mono)
    bob.intake.hold(HeldCandidate("candidate:1 1 udp 1 10.77.31.9 5 typ host", "0", 0))
    assert call.is_direct(bob)
    assert _change(book, call, change).tightened
    assert not any(call.is_direct(leg) for leg in call.legs)
    assert not bob.intake.held


def test_what_was_relayed_for_everybody_does_not_become_half_relayed() -> None:
    book = Book(Rules(masking=Masking.OPTED_IN))
    call = book.create(ALICE, BOB, CAROL)
    _change(book, call, on("bob"))
    assert (call.masked, call.half_relayed) == (["alice", "bob"], False)


def test_a_direct_call_becomes_half_relayed() -> None:
    book = Book(Rules(masking=Masking.OPTED_IN))
    call = book.create(BOB, CAROL)
    assert _change(book, call, on("carol")).tightened
    assert [leg.name for leg in call.legs if call.is_direct(leg)] == ["bob"]


def test_a_call_is_extended_from_its_creation_on_both_clocks() -> None:
    book = Book()
    call = book.create(max_duration_s=600)
    book.advance(500)
    changed = _change(book, call, max_duration_s=900)
    assert (changed.extended, changed.tightened) == (True, False)
    assert call.expires_at == call.expires + WALL_AHEAD_S
    assert book.advance(399) == []
    assert book.advance(1) == [call.id]


def test_a_ringing_call_that_is_extended_rings_no_longer_than_any_other() -> None:
    book = Book()
    short = book.create(ring=True, max_duration_s=60)
    _change(book, short, max_duration_s=900)
    assert book.registry.next_timeout() == book.mono + RING_TIMEOUT_S
    assert book.advance(60) == []
    book.registry.accept(short.id, book.now)
    assert book.registry.next_timeout() == short.expires == book.mono + 840


def test_a_call_is_not_shortened_nor_extended_beyond_the_limit() -> None:
    book = Book(Rules(call_duration_s=1_000))
    call = book.create(max_duration_s=600)
    for wrong in (0, 1, 599, 1_001):
        refusal = _refusal(book, call, max_duration_s=wrong)
        assert refusal.detail == "max_duration_s: 600 to 1000 is expected."
    assert not _change(book, call, max_duration_s=600).extended
    assert _change(book, call, max_duration_s=1_000).extended


def test_a_party_is_added_with_a_leg_of_its_own() -> None:
    book = Book()
    call = book.create(ALICE, BOB)
    changed = _change(book, call, PartyChange("carol"))
    (leg,) = changed.added
    assert (leg.party, leg.masked, changed.tightened) == ("carol", True, False)
    assert book.registry.admit(call.id, leg.id, book.now).masked
    assert [each.name for each in call.legs] == ["alice", "bob", "carol"]
    assert len({each.id for each in call.legs}) == 3


def test_a_party_that_joins_with_privacy_on_tightens_the_call() -> None:
    book = Book(Rules(masking=Masking.OPTED_IN))
    call = book.create(BOB, CAROL)
    assert _change(book, call, on("alice")).tightened
    assert (call.relayed, call.masked) == (True, ["alice"])


def test_a_party_that_joins_a_call_nobody_wants_private_may_go_direct() -> None:
    book = Book()
    call = book.create(BOB, CAROL)
    assert not _change(book, call, PartyChange("dan")).tightened
    assert (call.relayed, call.masked) == (False, [])


def test_no_more_parties_join_than_a_call_may_have() -> None:
    book = Book(Rules(legs_per_call=3))
    call = book.create(ALICE, BOB)
    refusal = _refusal(book, call, PartyChange("carol"), PartyChange("dan"))
    assert (refusal.kind, refusal.detail) == (
        "invalid_request",
        "parties: at most 3 in a call are expected.",
    )
    _change(book, call, PartyChange("carol"))
    book.registry.rules = Rules(legs_per_call=2)
    assert not _change(book, call, on("carol")).added


def test_a_party_named_twice_is_refused() -> None:
    book = Book()
    assert _refusal(book, book.create(), on("bob"), PartyChange("bob")).kind == "invalid_request"


def test_everything_is_checked_before_anything_is_changed() -> None:
    book = Book()
    call = book.create(BOB, CAROL)
    _refusal(book, call, on("bob"), PartyChange("dan"), max_duration_s=1_000_000)
    assert (call.relayed, len(call.legs)) == (False, 2)


def test_a_ringing_call_is_changed_and_rings_on() -> None:
    book = Book()
    call = book.create(BOB, CAROL, ring=True)
    assert _change(book, call, on("bob")).tightened
    assert call.state is State.RINGING
    assert not book.registry.admit(call.id, call.legs[0].id, book.now).open


def test_an_ended_call_is_not_changed_even_before_the_timer_ran() -> None:
    book = Book()
    ended, ringing = book.create(), book.create(ring=True)
    book.registry.end(ended.id, book.now)
    book.mono += RING_TIMEOUT_S
    for call in (ended, ringing):
        assert _refusal(book, call, on("bob")).kind == "wrong_state"


def test_an_unknown_call_is_not_changed() -> None:
    book = Book()
    with pytest.raises(CallError) as refused:
        book.registry.change("cv_none", Change(), book.token, book.now)
    assert refused.value.kind == "unknown_call"


def test_a_call_that_only_a_credential_named_is_not_changed() -> None:
    book = Book()
    book.registry.admit("room", "one", book.now)
    call = book.registry.get("room", book.now)
    assert _refusal(book, call, PartyChange("two")).kind == "wrong_state"
