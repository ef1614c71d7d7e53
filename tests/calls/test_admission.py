"""Who may allocate, under which caps, and what is kept for whom."""

import pytest

from relay.calls.call import Grant, Rules
from relay.errors import CallError, Rejected
from tests.calls.book import Book


def _code(book: Book, call: str, leg: str) -> int:
    with pytest.raises(Rejected) as rejected:
        book.registry.admit(call, leg, book.now)
    return rejected.value.code


def test_a_leg_of_a_ringing_call_may_allocate_but_not_talk() -> None:
    book = Book()
    call = book.create(ring=True, max_bitrate_bps=500_000)
    leg = call.legs[0].id
    ringing = Grant(call.id, leg, False, True, True, False, call.expires, 500_000, 4_000)
    assert book.registry.admit(call.id, leg, book.now) == ringing
    book.registry.accept(call.id, book.now)
    assert book.registry.admit(call.id, leg, book.now) == ringing._replace(open=True)


def test_a_leg_that_a_registered_call_does_not_have_is_rejected_with_403() -> None:
    book = Book()
    call = book.create()
    assert _code(book, call.id, "alice") == 403
    assert _code(book, call.id, "") == 403


def test_a_call_named_as_the_api_names_them_is_rejected_with_403_unless_it_did() -> None:
    book = Book()
    assert _code(book, "cv_0000000000000000000009", "leg") == 403
    assert len(book.registry) == 0


def test_another_call_begins_when_a_credential_names_it() -> None:
    book = Book()
    grant = book.registry.admit("room", "one", book.now)
    expires = book.mono + 14_400
    assert grant == Grant("room", "one", True, True, False, False, expires, 8_000_000, 4_000)
    book.advance(10)
    assert book.registry.admit("room", "two", book.now).expires == expires
    assert [leg.name for leg in book.registry.get("room", book.now).legs] == ["one", "two"]


def test_with_registered_calls_required_no_other_call_begins() -> None:
    book = Book(Rules(require_registered_call=True))
    call = book.create()
    assert _code(book, "room", "one") == 403
    assert book.registry.admit(call.id, call.legs[1].id, book.now).open


def test_one_leg_too_many_is_rejected_with_486_and_those_inside_stay_welcome() -> None:
    book = Book(Rules(legs_per_call=2))
    book.registry.admit("room", "one", book.now)
    book.registry.admit("room", "two", book.now)
    assert _code(book, "room", "three") == 486
    assert book.registry.admit("room", "one", book.now).open


def test_a_released_leg_makes_room() -> None:
    book = Book(Rules(legs_per_call=2))
    book.registry.admit("room", "one", book.now)
    book.registry.admit("room", "two", book.now)
    book.registry.release("room", "one")
    assert book.registry.admit("room", "three", book.now).open
    assert _code(book, "room", "one") == 486


@pytest.mark.parametrize("name", ["cv", "room"])
def test_no_leg_of_an_ended_call_comes_back(name: str) -> None:
    book = Book()
    if name == "cv":
        call = book.create()
        name, leg = call.id, call.legs[0].id
    else:
        leg = "one"
        book.registry.admit(name, leg, book.now)
    book.registry.end(name, book.now)
    assert _code(book, name, leg) == 403
    book.advance(book.rules.credential_ttl_s - 1)
    assert _code(book, name, leg) == 403


def test_a_call_whose_time_is_over_admits_nobody_even_before_the_timer_ran() -> None:
    book = Book()
    call = book.create(max_duration_s=10)
    book.mono += 10
    assert _code(book, call.id, call.legs[0].id) == 403


def test_a_call_that_only_credentials_named_may_begin_anew_when_its_time_is_up() -> None:
    book = Book()
    book.registry.admit("room", "one", book.now)
    assert book.advance(14_400) == ["room"]
    assert book.registry.admit("room", "one", book.now).open


def test_a_call_that_only_credentials_named_stays_ended_for_a_day_once_it_was_ended() -> None:
    book = Book()
    book.registry.admit("room", "one", book.now)
    assert book.registry.end("room", book.now)
    book.advance(86_399)
    assert _code(book, "room", "one") == 403
    book.advance(1)
    assert book.registry.admit("room", "one", book.now).open


def test_a_call_that_only_credentials_named_is_forgotten_with_its_last_leg() -> None:
    book = Book()
    book.registry.admit("room", "one", book.now)
    book.registry.admit("room", "two", book.now)
    book.registry.release("room", "one")
    assert [leg.id for leg in book.registry.get("room", book.now).legs] == ["two"]
    book.registry.release("room", "two")
    with pytest.raises(CallError):
        book.registry.get("room", book.now)
    assert book.registry.next_timeout() is None
    assert book.registry.admit("room", "one", book.now).open


def test_a_registered_call_outlives_its_allocations() -> None:
    book = Book()
    call = book.create()
    for leg in call.legs:
        book.registry.admit(call.id, leg.id, book.now)
        assert book.registry.release(call.id, leg.id) is False
    assert book.registry.admit(call.id, call.legs[0].id, book.now).open


def test_releasing_what_was_never_admitted_changes_nothing() -> None:
    book = Book()
    book.registry.admit("room", "one", book.now)
    assert book.registry.release("room", "two")
    assert book.registry.release("elsewhere", "one")
    assert [leg.id for leg in book.registry.get("room", book.now).legs] == ["one"]
