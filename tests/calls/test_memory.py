"""What the book holds follows the live calls, not the past ones."""

import tracemalloc

from relay.calls import deadlines
from relay.calls.deadlines import Deadlines
from relay.calls.ended import Tombstones
from tests.calls.book import Book


def test_deadlines_that_no_longer_hold_are_swept_when_they_outnumber_the_others() -> None:
    current: dict[str, float] = {}
    queue = Deadlines(lambda at, call: current.get(call) == at)
    for number in range(1_000):
        current = {f"{number}": float(number)}
        queue.schedule(float(number), f"{number}", live=1)
        assert len(queue) <= 2 + deadlines._SLACK
    assert queue.next() == 999.0
    assert (queue.due(998.0), queue.due(999.0), queue.due(999.0)) == (None, "999", None)


def test_the_eldest_tombstone_makes_room() -> None:
    tombstones = Tombstones[str](keep_s=60.0, limit=2)
    for name in "abc":
        tombstones.add(name, name.upper(), 0.0)
    assert [tombstones.get(name, 1.0) for name in "abc"] == [None, "B", "C"]
    assert len(tombstones) == 2


def test_a_tombstone_is_forgotten_when_its_time_is_over() -> None:
    tombstones = Tombstones[str](keep_s=60.0, limit=9)
    tombstones.add("a", "A", 0.0)
    tombstones.add("b", "B", 1.0)
    assert tombstones.get("a", 60.0) is None
    tombstones.forget_old(60.0)
    assert len(tombstones) == 1
    assert tombstones.get("b", 60.0) is not None


def test_ten_thousand_calls_cost_less_than_a_kibibyte_a_leg() -> None:
    book = Book()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(10_000):
            book.registry.accept(book.create(ring=True).id, book.now)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(book.registry) == 10_000
    assert (after - before) / 20_000 < 1_024


def test_calls_that_come_and_go_leave_nothing_but_bounded_tombstones() -> None:
    book = Book()
    for _ in range(1_000):
        book.registry.end(book.create(ring=True).id, book.now)
        book.registry.admit("room", "one", book.now)
        book.registry.release("room", "one")
    assert len(book.registry) == 0
    assert book.registry.next_timeout() is None
