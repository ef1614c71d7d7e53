"""Parties leave a call: the devices that did not answer, and whoever is ended by name."""

from collections.abc import Callable

import pytest

from relay.calls.call import Call, Masking, Party, Rules, State
from relay.calls.changes import Change, PartyChange
from relay.calls.leaving import Answered
from relay.errors import CallError, Rejected
from tests.calls.book import ALICE, BOB, CAROL, Book

PHONE, TABLET = Party("bob-phone"), Party("bob-tablet")
CREDENTIALS_S = 86_400  # what is remembered of calls that credentials begin


def _names(call: Call) -> list[str]:
    return [leg.name for leg in call.legs]


def _code(book: Book, call: str, leg: str) -> int:
    with pytest.raises(Rejected) as rejected:
        book.registry.admit(call, leg, book.now)
    return rejected.value.code


@pytest.mark.parametrize("by", ["party", "leg"])
def test_who_answers_stays_with_the_caller_and_the_others_never_come_back(by: str) -> None:
    book = Book()
    call = book.create(ALICE, PHONE, TABLET, ring=True)
    alice, phone, tablet = (leg.id for leg in call.legs)
    book.registry.admit(call.id, tablet, book.now)
    answered = Answered(party="bob-phone") if by == "party" else Answered(leg=phone)
    accepted = book.registry.accept(call.id, book.now, answered)
    assert (accepted.state, _names(call)) == (State.ACTIVE, ["alice", "bob-phone"])
    assert _code(book, call.id, tablet) == 403
    assert all(book.registry.admit(call.id, leg, book.now).open for leg in (alice, phone))


def test_unless_somebody_is_named_everybody_stays() -> None:
    book = Book()
    call = book.create(ALICE, PHONE, TABLET, ring=True)
    book.registry.accept(call.id, book.now)
    assert _names(call) == ["alice", "bob-phone", "bob-tablet"]


@pytest.mark.parametrize(
    ("answered", "kind"),
    [
        (Answered(party="mallory"), "unknown_party"),
        (Answered(leg="mallory"), "unknown_party"),
        (Answered(leg="bob-phone"), "unknown_party"),
        (Answered(party="alice"), "invalid_request"),
    ],
)
def test_a_wrong_answer_changes_nothing(answered: Answered, kind: str) -> None:
    book = Book()
    call = book.create(ALICE, PHONE, TABLET, ring=True)
    with pytest.raises(CallError) as fault:
        book.registry.accept(call.id, book.now, answered)
    assert (fault.value.kind, fault.value.call) == (kind, call.id)
    assert (call.state, len(call.legs)) == (State.RINGING, 3)


def test_a_party_is_ended_once_and_the_others_go_on() -> None:
    book = Book()
    call = book.create(ALICE, BOB, CAROL)
    carol = call.legs[2].id
    ended = [book.registry.end_party(call.id, "carol", book.now) for _ in range(2)]
    assert (ended, _names(call), call.state) == ([True, False], ["alice", "bob"], State.ACTIVE)
    assert _code(book, call.id, carol) == 403


def test_with_the_last_but_one_the_call_ends_and_again_is_no_fault() -> None:
    book = Book()
    call = book.create(ALICE, BOB)
    ended = [book.registry.end_party(call.id, "bob", book.now) for _ in range(2)]
    assert (ended, call.state) == ([True, False], State.ENDED)
    assert _code(book, call.id, "anybody") == 403


def test_a_call_that_rings_ends_with_its_caller() -> None:
    book = Book()
    ringing, active = (book.create(ALICE, PHONE, TABLET, ring=ring) for ring in (True, False))
    for call in (ringing, active):
        assert book.registry.end_party(call.id, "alice", book.now)
    assert (ringing.state, active.state) == (State.ENDED, State.ACTIVE)


def test_a_party_that_never_was_is_a_fault() -> None:
    book = Book()
    call = book.create(ALICE, BOB, CAROL)
    with pytest.raises(CallError) as fault:
        book.registry.end_party(call.id, "mallory", book.now)
    assert (fault.value.kind, fault.value.call) == ("unknown_party", call.id)
    with pytest.raises(CallError) as fault:
        book.registry.end_party("cv_none", "alice", book.now)
    assert fault.value.kind == "unknown_call"


def test_a_party_that_joins_again_has_another_leg() -> None:
    book = Book()
    call = book.create(ALICE, BOB, CAROL)
    before = call.legs[2].id
    book.registry.end_party(call.id, "carol", book.now)
    change = Change((PartyChange("carol"),))
    (leg,) = book.registry.change(call.id, change, book.token, book.now).added
    assert _code(book, call.id, before) == 403
    assert book.registry.admit(call.id, leg.id, book.now).open


def test_who_leaves_takes_no_privacy_of_the_others_along() -> None:
    book = Book(Rules(masking=Masking.OPTED_IN))
    call = book.create(BOB, CAROL, ALICE)
    book.registry.end_party(call.id, "alice", book.now)  # the only one who asked
    assert call.relayed
    crowded = book.create(ALICE, BOB, CAROL)
    assert not crowded.half_relayed  # two parties are not masked
    book.registry.end_party(crowded.id, "carol", book.now)
    assert (crowded.masked, crowded.half_relayed) == (["alice"], False)


def test_who_joins_again_has_the_privacy_that_was_on_before() -> None:
    book = Book(Rules(masking=Masking.OPTED_IN))
    call = book.create(ALICE, BOB, CAROL)

    def change(party: PartyChange) -> None:
        book.registry.change(call.id, Change((party,)), book.token, book.now)

    change(PartyChange("carol", enhanced_call_privacy=True))
    book.registry.end_party(call.id, "carol", book.now)
    with pytest.raises(CallError) as fault:
        change(PartyChange("carol", enhanced_call_privacy=False))
    assert (fault.value.kind, _names(call)) == ("only_tightens", ["alice", "bob"])
    change(PartyChange("carol"))
    assert call.masked == ["alice", "carol"]


def test_a_call_is_half_relayed_no_more_without_its_unmasked_party() -> None:
    book = Book(Rules(masking=Masking.OPTED_IN))
    dan = Party("dan", enhanced_call_privacy=True)
    call = book.create(ALICE, dan, BOB)
    assert call.half_relayed
    book.registry.end_party(call.id, "bob", book.now)
    assert not call.half_relayed
    book.registry.change(call.id, Change((PartyChange("bob"),)), book.token, book.now)
    assert not call.half_relayed


def test_a_leg_of_a_credentials_call_does_not_come_back_when_that_call_begins_anew() -> None:
    book = Book()
    for leg in ("one", "two", "tablet"):
        book.registry.admit("room", leg, book.now)
    assert book.registry.end_party("room", "tablet", book.now)
    assert not book.registry.end_party("room", "tablet", book.now)
    assert _code(book, "room", "tablet") == 403
    for leg in ("one", "two"):
        book.registry.release("room", leg)
    assert book.registry.admit("room", "one", book.now).open
    assert _code(book, "room", "tablet") == 403
    book.advance(CREDENTIALS_S)
    assert book.registry.admit("room", "tablet", book.now).open


def test_a_leg_that_has_not_come_yet_does_not_come_afterwards() -> None:
    book = Book()
    assert not book.registry.end_party("room", "tablet", book.now)
    assert _code(book, "room", "tablet") == 403
    assert len(book.registry) == 0
    assert book.registry.admit("room", "one", book.now).open


def test_with_its_last_leg_a_credentials_call_is_forgotten() -> None:
    book = Book()
    book.registry.admit("room", "one", book.now)
    assert book.registry.end_party("room", "one", book.now)
    assert not book.registry.is_live("room")
    assert book.registry.admit("room", "two", book.now).open


@pytest.mark.parametrize("room", ["room", "a/b", "%2F", "..", "é", "x" * 506])
def test_a_call_that_is_ended_before_it_began_does_not_begin(room: str) -> None:
    book = Book()
    assert [book.registry.end(room, book.now) for _ in range(2)] == [False, False]
    assert _code(book, room, "one") == 403
    shown = book.registry.get(room, book.now)
    assert (shown.state, shown.legs, shown.expires_at) == (State.ENDED, [], book.now.wall)
    book.advance(CREDENTIALS_S)
    assert book.registry.admit(room, "one", book.now).open


@pytest.mark.parametrize("name", ["cv_none", "a:b", "x" * 507, "é" * 254])
def test_what_no_credential_may_name_is_unknown(name: str) -> None:
    book = Book()
    ends: list[Callable[[], bool]] = [
        lambda: book.registry.end(name, book.now),
        lambda: book.registry.end_party(name, "one", book.now),
    ]
    for end in ends:
        with pytest.raises(CallError) as fault:
            end()
        assert fault.value.kind == "unknown_call"


def test_names_of_those_who_left_are_bounded_and_go_with_the_call() -> None:
    book = Book()
    call = book.create(ALICE, BOB)
    for number in range(100):
        change = Change((PartyChange(f"{number}"),))
        book.registry.change(call.id, change, book.token, book.now)
        book.registry.end_party(call.id, f"{number}", book.now)
    assert len(call.former) == 64
    book.registry.end(call.id, book.now)
    assert call.former == ()
