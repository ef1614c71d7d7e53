"""Ringing, active, ended: who moves a call on and what follows."""

import pytest

from relay.calls.call import TRANSITIONS, Party, Rules, State
from relay.calls.registry import RING_TIMEOUT_S
from relay.errors import CallError
from tests.calls.book import WALL_AHEAD_S, Book


def test_a_new_call_has_opaque_names_and_the_whole_time() -> None:
    book = Book()
    call = book.create()
    assert call.id == "cv_0000000000000000000001"
    assert [(leg.id, leg.party) for leg in call.legs] == [
        ("0000000000000000000002", "alice"),
        ("0000000000000000000003", "bob"),
    ]
    assert (call.state, call.expires, call.expires_at, call.bitrate_bps) == (
        State.ACTIVE,
        15_400.0,
        15_400.0 + WALL_AHEAD_S,
        8_000_000,
    )


def test_a_call_rings_until_it_is_accepted() -> None:
    book = Book()
    call = book.create(ring=True)
    assert call.state is State.RINGING
    assert book.registry.counts() == {State.RINGING: 1, State.ACTIVE: 0}
    accepted = book.registry.accept(call.id, book.now)
    assert (accepted, accepted.state) == (call, State.ACTIVE)
    assert book.registry.counts() == {State.RINGING: 0, State.ACTIVE: 1}


def test_an_active_call_is_not_accepted_again() -> None:
    book = Book()
    call = book.create(ring=True)
    book.registry.accept(call.id, book.now)
    with pytest.raises(CallError) as fault:
        book.registry.accept(call.id, book.now)
    assert (fault.value.kind, fault.value.call) == ("wrong_state", call.id)


def test_an_ended_call_is_not_accepted() -> None:
    book = Book()
    call = book.create(ring=True)
    book.registry.end(call.id, book.now)
    with pytest.raises(CallError) as fault:
        book.registry.accept(call.id, book.now)
    assert fault.value.kind == "wrong_state"
    assert book.registry.get(call.id, book.now).state is State.ENDED


def test_a_call_whose_ringing_is_over_is_not_accepted_even_before_the_timer_ran() -> None:
    book = Book()
    call = book.create(ring=True)
    book.mono += RING_TIMEOUT_S
    with pytest.raises(CallError) as fault:
        book.registry.accept(call.id, book.now)
    assert fault.value.kind == "wrong_state"


def test_a_call_that_nobody_accepts_ends_after_three_minutes() -> None:
    book = Book()
    call = book.create(ring=True)
    assert book.registry.next_timeout() == book.mono + RING_TIMEOUT_S
    assert book.advance(RING_TIMEOUT_S - 1) == []
    assert book.advance(1) == [call.id]
    assert book.registry.counts() == {State.RINGING: 0, State.ACTIVE: 0}


def test_a_ringing_call_ends_with_its_duration_where_that_is_shorter() -> None:
    book = Book()
    call = book.create(ring=True, max_duration_s=60)
    assert book.advance(60) == [call.id]


def test_an_accepted_call_ends_with_its_duration() -> None:
    book = Book()
    call = book.create(ring=True, max_duration_s=600)
    book.advance(100)
    book.registry.accept(call.id, book.now)
    assert book.registry.next_timeout() == call.expires
    assert book.advance(499) == []
    assert book.advance(1) == [call.id]
    assert book.registry.next_timeout() is None


def test_calls_end_in_the_order_of_their_deadlines() -> None:
    book = Book()
    calls = [book.create(max_duration_s=seconds) for seconds in (30, 10, 20)]
    assert book.advance(30) == [calls[1].id, calls[2].id, calls[0].id]


def test_ending_twice_says_that_the_second_changed_nothing() -> None:
    book = Book()
    call = book.create()
    assert book.registry.end(call.id, book.now) is True
    assert book.registry.end(call.id, book.now) is False
    assert book.advance(20_000) == []


def test_an_ended_call_is_known_without_its_parties_and_later_not_at_all() -> None:
    book = Book()
    call = book.create()
    book.advance(5)
    book.registry.end(call.id, book.now)
    ended = book.registry.get(call.id, book.now)
    assert (ended.state, ended.legs, ended.masked) == (State.ENDED, [], [])
    assert ended.expires_at == book.now.wall
    book.advance(book.rules.credential_ttl_s)
    with pytest.raises(CallError):
        book.registry.get(call.id, book.now)


def test_an_unknown_call_is_not_named_in_the_fault() -> None:
    book = Book()
    with pytest.raises(CallError) as fault:
        book.registry.get("192.0.2.77", book.now)
    assert (fault.value.kind, fault.value.call) == ("unknown_call", "")
    assert "192.0.2.77" not in fault.value.detail


@pytest.mark.parametrize(
    ("field", "asked", "limit"),
    [("max_duration_s", 14_400, 14_400), ("max_bitrate_bps", 8_000_000, 8_000_000)],
)
def test_a_call_may_ask_for_as_much_as_the_operator_allows(
    field: str, asked: int, limit: int
) -> None:
    book = Book()
    book.create(**{field: limit})  # type: ignore[arg-type]  # one of two integers, by name
    for wrong in (asked + 1, 0, -1):
        with pytest.raises(CallError) as fault:
            book.create(**{field: wrong})  # type: ignore[arg-type]  # as above
        assert fault.value.detail == f"{field}: 1 to {limit} is expected."


@pytest.mark.parametrize("ids", [[], ["a"], ["a", "b", "c", "d"], ["a", "a"]])
def test_a_call_has_two_parties_or_more_and_each_once(ids: list[str]) -> None:
    book = Book(Rules(legs_per_call=3))
    with pytest.raises(CallError) as fault:
        book.create(*(Party(each) for each in ids or ["lonely"]))
    assert fault.value.kind == "invalid_request"
    assert fault.value.detail.startswith("parties: ")
    assert len(book.registry) == 0


def test_a_lower_bit_rate_holds_for_every_leg() -> None:
    book = Book()
    call = book.create(max_bitrate_bps=64_000)
    grants = [book.registry.admit(call.id, leg.id, book.now) for leg in call.legs]
    assert [grant.bitrate_bps for grant in grants] == [64_000, 64_000]


def test_a_list_goes_on_where_it_stopped_though_calls_ended_in_between() -> None:
    book = Book()
    calls = [book.create() for _ in range(5)]
    first = book.registry.page(0, 2)
    assert first == calls[:2]
    book.registry.end(calls[1].id, book.now)
    assert book.registry.page(first[-1].number, 2) == calls[2:4]
    assert book.registry.page(calls[4].number, 2) == []


def test_nothing_follows_the_end() -> None:
    assert TRANSITIONS[State.ENDED] == frozenset()
    assert set(TRANSITIONS) == set(State)
