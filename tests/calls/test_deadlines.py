"""The queue of deadlines: nothing too early, nothing that was forgotten, in their order."""

import gc
import weakref
from math import inf

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from relay.calls import deadlines
from relay.calls.deadlines import Deadlines, Timed


class Alarm(Timed):
    """Something whose deadline a test moves."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = at

    def deadline(self) -> float:
        return self.at


def scheduled(*times: float) -> tuple[Deadlines, list[Alarm]]:
    """A queue with these in it."""
    queue, alarms = Deadlines(), [Alarm(at) for at in times]
    for alarm in alarms:
        queue.schedule(alarm)
    return queue, alarms


def drained(queue: Deadlines, mono: float) -> list[Timed]:
    """What is due by now."""
    due = []
    while (timed := queue.due(mono)) is not None:
        due.append(timed)
    return due


def test_what_is_due_comes_soonest_first_and_once() -> None:
    queue, (third, first, second, later) = scheduled(30.0, 10.0, 20.0, 31.0)
    assert queue.next() == 10.0
    assert (queue.is_due(9.9), queue.due(9.9)) == (False, None)
    assert queue.is_due(10.0)
    assert drained(queue, 30.0) == [first, second, third]
    assert drained(queue, 31.0) == [later]
    assert (queue.next(), queue.is_due(inf), drained(queue, inf)) == (None, False, [])


def test_of_equal_deadlines_the_one_queued_first_comes_first() -> None:
    queue, alarms = scheduled(*[5.0] * 10)
    assert drained(queue, 5.0) == alarms


@pytest.mark.parametrize("moved", [10.0, 5.0])
def test_what_has_become_sooner_comes_then_and_once(moved: float) -> None:
    queue, (alarm, other) = scheduled(20.0, 20.0)
    alarm.at = moved
    queue.schedule(alarm)
    assert queue.next() == moved
    assert drained(queue, moved) == [alarm]
    assert drained(queue, 20.0) == [other]


def test_what_has_become_later_comes_then_though_nobody_said_so() -> None:
    queue, (alarm, other) = scheduled(10.0, 15.0)
    alarm.at = 20.0
    assert queue.next() == 10.0  # too early, which is no fault
    assert drained(queue, 15.0) == [other]
    assert queue.next() == 20.0
    assert drained(queue, 20.0) == [alarm]


def test_what_has_become_later_than_another_comes_after_it_though_both_are_due() -> None:
    queue, (alarm, other) = scheduled(10.0, 15.0)
    alarm.at = 20.0
    assert drained(queue, 30.0) == [other, alarm]


def test_what_never_runs_out_does_not_come_and_may_run_out_later() -> None:
    queue, (alarm,) = scheduled(inf)
    assert (len(queue), queue.next()) == (0, None)
    alarm.at = 10.0
    queue.schedule(alarm)
    alarm.at = inf
    assert drained(queue, 10.0) == []
    assert queue.next() is None
    alarm.at = 20.0
    queue.schedule(alarm)
    assert drained(queue, 20.0) == [alarm]


def test_what_is_forgotten_does_not_come_and_may_be_queued_anew() -> None:
    queue, (alarm, other) = scheduled(10.0, 10.0)
    queue.forget(alarm)
    queue.forget(alarm)
    assert drained(queue, 10.0) == [other]
    queue.schedule(alarm)
    assert drained(queue, 10.0) == [alarm]


def test_what_is_forgotten_is_not_even_looked_at_next() -> None:
    queue, (alarm, _) = scheduled(10.0, 20.0)
    queue.forget(alarm)
    assert queue.next() == 20.0


def test_what_is_put_off_comes_at_that_time_and_not_before() -> None:
    queue, (alarm, _) = scheduled(10.0, 20.0)
    assert queue.due(10.0) is alarm
    queue.postpone(alarm, 12.0)
    assert drained(queue, 11.9) == []
    assert queue.next() == 12.0
    assert drained(queue, 12.0) == [alarm]


def test_what_is_put_off_comes_sooner_where_it_is_scheduled_again() -> None:
    queue, (alarm,) = scheduled(10.0)
    assert queue.due(10.0) is alarm
    queue.postpone(alarm, 12.0)
    alarm.at = 11.0
    queue.schedule(alarm)
    assert drained(queue, 11.0) == [alarm]
    assert drained(queue, 12.0) == []


def test_what_is_forgotten_is_freed_before_its_time() -> None:
    queue, alarms = scheduled(10.0)
    ghost = weakref.ref(alarms[0])
    gc.disable()
    try:
        queue.forget(alarms.pop())
        assert ghost() is None
    finally:
        gc.enable()


def test_deadlines_that_no_longer_hold_are_swept_when_they_outnumber_the_others() -> None:
    queue, (stays,) = scheduled(2_000.0)
    for number in range(1_000):
        alarm = Alarm(float(number))
        queue.schedule(alarm)
        queue.forget(alarm)
        assert len(queue) <= 2 + deadlines._SLACK
    assert queue.next() == 2_000.0
    assert drained(queue, 2_000.0) == [stays]


@pytest.mark.parametrize("step", [0.0, -1.0])
def test_one_thing_that_moves_about_fills_nothing(step: float) -> None:
    queue, (alarm, base) = scheduled(1e6, 2e6)
    for number in range(1_000):
        alarm.at = 1e5 + number * step
        queue.schedule(alarm)
        queue.forget(base)
        queue.schedule(base)  # at the same time as before
        assert len(queue) <= 3 + deadlines._SLACK
    assert drained(queue, 1e6) == [alarm]
    assert drained(queue, 2e6) == [base]


class Queue(RuleBasedStateMachine):
    """The queue against a list that is searched: times are few, so that many are equal."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = Deadlines()
        self.alarms = [Alarm(inf) for _ in range(6)]
        self.order: list[Alarm] = []  # those in the queue
        self.put_off: dict[Alarm, float] = {}
        self.mono = 0.0

    @rule(which=st.integers(0, 5), after=st.integers(0, 8) | st.just(inf))
    def schedule(self, which: int, after: float) -> None:
        alarm = self.alarms[which]
        alarm.at = self.mono + after
        self.queue.schedule(alarm)
        if alarm not in self.order:
            self.order.append(alarm)
        if alarm.at < self.put_off.get(alarm, inf):
            self.put_off.pop(alarm, None)

    @rule(which=st.integers(0, 5), more=st.integers(1, 8))
    def lengthen(self, which: int, more: int) -> None:
        """Nobody says so to the queue."""
        self.alarms[which].at += more

    @rule(which=st.integers(0, 5))
    def forget(self, which: int) -> None:
        alarm = self.alarms[which]
        self.queue.forget(alarm)
        self.put_off.pop(alarm, None)
        if alarm in self.order:
            self.order.remove(alarm)

    @rule(seconds=st.integers(0, 9), put_off=st.sets(st.integers(0, 5)))
    def advance(self, seconds: int, put_off: set[int]) -> None:
        self.mono += seconds
        due = drained(self.queue, self.mono)
        expected = [alarm for alarm in self.order if self.time_of(alarm) <= self.mono]
        assert sorted(map(id, due)) == sorted(map(id, expected))
        times = [self.time_of(alarm) for alarm in due if isinstance(alarm, Alarm)]
        assert times == sorted(times)
        for alarm in expected:
            self.order.remove(alarm)
            self.put_off.pop(alarm, None)
            if self.alarms.index(alarm) in put_off:
                self.put_off[alarm] = self.mono + 3
                self.queue.postpone(alarm, self.mono + 3)
                self.order.append(alarm)

    def time_of(self, alarm: Alarm) -> float:
        """When it is to come."""
        return max(alarm.at, self.put_off.get(alarm, alarm.at))

    @invariant()
    def nothing_is_looked_at_too_late(self) -> None:
        soonest = min(map(self.time_of, self.order), default=inf)
        told = self.queue.next()
        assert soonest == inf if told is None else self.mono <= told <= soonest
        assert len(self.queue) <= 2 * len(self.order) + deadlines._SLACK + 1


TestQueue = Queue.TestCase
