"""Numbers for shared arrays: never two owners at once, and a rest between two."""

from relay.forward.kernel.indexes import REST_NS, Indexes


def test_every_number_is_given_once() -> None:
    indexes = Indexes(3)
    assert [indexes.take(0) for _ in range(4)] == [0, 1, 2, None]


def test_taken_numbers_are_never_given() -> None:
    indexes = Indexes(5, taken=[0, 3])
    assert [indexes.take(0) for _ in range(4)] == [1, 2, 4, None]


def test_number_rests_before_it_is_given_again() -> None:
    indexes = Indexes(1)
    assert indexes.take(0) == 0
    indexes.give(0, now_ns=100)
    assert indexes.take(100 + REST_NS - 1) is None
    assert indexes.take(100 + REST_NS) == 0


def test_taken_number_is_given_once_it_was_given_back() -> None:
    indexes = Indexes(1, taken=[0])
    indexes.give(0, now_ns=0)
    assert indexes.take(REST_NS) == 0
