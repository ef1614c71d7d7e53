"""What the stage holds follows the live calls, not the past ones."""

import tracemalloc

from relay.calls.changes import PartyChange
from relay.calls.ended import Tombstones
from relay.calls.pool import RESERVATION_S
from relay.stun.message import Method
from tests.calls.stage import Stage
from tests.kit import wire


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
    stage = Stage()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(10_000):
            stage.accept(stage.create(ring=True).id)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(stage.server.page(0, 100_000)) == 10_000
    assert (after - before) / 20_000 < 1_024


def test_calls_that_come_and_go_leave_nothing_but_bounded_tombstones() -> None:
    stage = Stage(peers="call")
    for number in range(1_000):
        stage.end(stage.create(ring=True).id)
        assert stage.allocate(f"room-{number}", "one") == 0
        assert stage.leave(f"room-{number}", "one")
    assert stage.server.page(0, 10) == []
    assert stage.server.next_timeout() is None


def test_of_an_ended_call_no_port_is_kept_and_no_party() -> None:
    stage = Stage(peers="call")
    call = stage.create()
    reserving = stage.client(call.id, call.legs[0].id)
    reserving.request(Method.ALLOCATE, wire.even_port(reserve=True))
    stage.change(call.id, PartyChange("carol"))
    stage.end_party(call.id, "bob")
    assert (len(call.known), len(call.former)) == (1, 1)
    stage.end(call.id)
    assert (call.legs, call.former) == ([], ())
    assert (call.known, call.by_port, call.pool) == ({}, {}, None)
    assert stage.advance(RESERVATION_S) == []
    assert stage.server.next_timeout() is None
