"""The route table in the kernel, and legs that share its numbers: over real maps."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from relay.address import ServerAddress
from relay.effects import LegKey, SetLeg
from relay.forward.kernel import layout
from relay.forward.kernel.indexes import REST_NS
from relay.forward.kernel.legs import LegCounts, Legs
from relay.forward.kernel.program import Program
from relay.forward.kernel.table import RouteTable
from tests.kernel.bench_rig import NOW_NS, Route
from tests.kernel.cases import ROUTE4, ROUTE6, ROUTES
from tests.kit.frames import End
from tests.kit.namespaces import Namespace

_KEY_SIZE = layout.ROUTE_KEY.size
_ALICE, _BOB = LegKey("call", "alice"), LegKey("call", "bob")


class Kernel:
    """The maps of one program, as several daemons in turn see them."""

    def __init__(self) -> None:
        self.program = Program([ServerAddress(bytes(4), 1)], [])

    def table(self, now_ns: int = NOW_NS) -> RouteTable:
        return RouteTable(self.program.routes(), self.program.array("slots"), now_ns)

    def legs(self, table: RouteTable) -> Legs:
        return Legs(self.program.array("legs"), table.adopted_legs())

    def routes(self) -> dict[bytes, int]:
        hashed = self.program.routes()
        try:
            return dict(hashed.items())
        finally:
            hashed.close()

    def slot(self, key: bytes) -> bytes:
        slots = self.program.array("slots")
        try:
            at = self.routes()[key] * layout.ROUTE.size
            return slots.memory[at : at + layout.ROUTE.size]
        finally:
            slots.close()

    def count(self, index: int, packets: int) -> None:
        legs = self.program.array("legs")
        legs.words[index * layout.LEG.size // 8 + layout.LEG.word("packets")] += packets
        legs.close()


@pytest.fixture
def kernel(namespace: Namespace) -> Iterator[Kernel]:
    made = Kernel()
    yield made
    made.program.close()


@pytest.fixture
def table(kernel: Kernel) -> Iterator[RouteTable]:
    made = kernel.table()
    yield made
    made.close()


def put(table: RouteTable, route: Route, leg: int = 0, expires_ns: int = NOW_NS + 1) -> bool:
    body = replace(route, leg=leg).body()
    return table.set(body[: layout.ROUTE_KEY.size], body, expires_ns, leg, NOW_NS)


def key_of(route: Route) -> bytes:
    return route.body()[:_KEY_SIZE]


def test_route_is_in_the_kernel_as_it_was_set(kernel: Kernel, table: RouteTable) -> None:
    assert put(table, ROUTE4, leg=5, expires_ns=77)
    assert kernel.slot(key_of(ROUTE4)) == (77).to_bytes(8, "little") + replace(ROUTE4, leg=5).body()
    assert (len(table), table.uses(5)) == (1, 1)


def test_refreshed_route_stays_where_it_is(kernel: Kernel, table: RouteTable) -> None:
    put(table, ROUTE4)
    before = kernel.routes()
    put(table, ROUTE4, expires_ns=99)
    assert kernel.routes() == before
    assert kernel.slot(key_of(ROUTE4))[:8] == (99).to_bytes(8, "little")
    assert (len(table), table.uses(0)) == (1, 1)


def test_changed_route_gets_another_slot_and_the_old_one_is_over(
    kernel: Kernel, table: RouteTable
) -> None:
    put(table, ROUTE4)
    before = kernel.routes()[key_of(ROUTE4)]
    put(table, replace(ROUTE4, target=End("203.0.113.10", 7)), leg=1)
    assert kernel.routes()[key_of(ROUTE4)] != before
    slots = kernel.program.array("slots")
    assert slots.words[before * layout.ROUTE.size // 8] == 0
    slots.close()
    assert (len(table), table.uses(0), table.uses(1)) == (1, 0, 1)


def test_dropped_route_is_gone_and_its_slot_rests(kernel: Kernel, table: RouteTable) -> None:
    put(table, ROUTE4)
    slot = kernel.routes()[key_of(ROUTE4)]
    table.drop(key_of(ROUTE4), NOW_NS)
    assert kernel.routes() == {}
    put(table, ROUTE6)
    assert kernel.routes()[key_of(ROUTE6)] != slot
    table.drop(key_of(ROUTE6), NOW_NS)
    later = NOW_NS + REST_NS
    body = ROUTE4.body()
    assert table.set(body[: layout.ROUTE_KEY.size], body, later + 1, 0, later)
    assert kernel.routes() == {key_of(ROUTE4): slot}


def test_dropping_a_route_that_does_not_exist_is_no_error(table: RouteTable) -> None:
    table.drop(key_of(ROUTE4), NOW_NS)
    assert len(table) == 0


def test_next_daemon_finds_the_routes_and_may_set_them(kernel: Kernel, table: RouteTable) -> None:
    for leg, route in enumerate(ROUTES.values()):
        put(table, replace(route, channel=0x4000 + leg), leg)
    before = kernel.routes()
    adopted = kernel.table()
    assert (adopted.adopted, len(adopted)) == (4, 4)
    assert adopted.adopted_legs() == {0, 1, 2, 3}
    put(adopted, replace(ROUTE4, channel=0x4000), leg=0, expires_ns=NOW_NS + 5)
    assert (adopted.adopted, len(adopted), adopted.uses(0)) == (3, 4, 1)
    assert kernel.routes() == before
    adopted.close()


def test_next_daemon_does_not_give_slots_in_use_to_others(
    kernel: Kernel, table: RouteTable
) -> None:
    put(table, ROUTE4)
    before = kernel.routes()
    adopted = kernel.table()
    put(adopted, ROUTE6)
    assert kernel.routes()[key_of(ROUTE4)] == before[key_of(ROUTE4)]
    assert len(set(kernel.routes().values())) == 2
    adopted.close()


def test_next_daemon_removes_what_has_expired(kernel: Kernel, table: RouteTable) -> None:
    put(table, ROUTE4, expires_ns=NOW_NS + 10)
    put(table, ROUTE6, expires_ns=NOW_NS + 20)
    adopted = kernel.table(NOW_NS + 10)
    assert kernel.routes().keys() == {key_of(ROUTE6)}
    assert adopted.drop_adopted(NOW_NS + 19, only_expired=True) == []
    assert adopted.drop_adopted(NOW_NS + 20, only_expired=True) == [0]
    assert kernel.routes() == {}
    adopted.close()


def test_next_daemon_may_end_what_it_does_not_know(kernel: Kernel, table: RouteTable) -> None:
    put(table, ROUTE4, leg=3)
    put(table, ROUTE6, leg=4)
    adopted = kernel.table()
    put(adopted, ROUTE6, leg=4)
    assert adopted.drop_adopted(NOW_NS, only_expired=False) == [3]
    assert kernel.routes().keys() == {key_of(ROUTE6)}
    adopted.close()


def test_leg_that_ends_takes_its_adopted_routes_with_it(kernel: Kernel, table: RouteTable) -> None:
    put(table, ROUTE4, leg=3)
    put(table, ROUTE6, leg=4)
    adopted = kernel.table()
    adopted.drop_leg(3, NOW_NS)
    assert kernel.routes().keys() == {key_of(ROUTE6)}
    adopted.close()


def test_leg_known_by_its_name_keeps_number_and_counts(kernel: Kernel, table: RouteTable) -> None:
    legs = kernel.legs(table)
    for leg in (_ALICE, _BOB):
        legs.set(SetLeg(leg, 8_000, 50), NOW_NS)
    bob = legs.index(_BOB)
    assert bob is not None
    put(table, ROUTE4, leg=bob)
    kernel.count(bob, 11)
    legs.close()

    adopted = kernel.table()
    next_legs = kernel.legs(adopted)
    next_legs.set(SetLeg(_BOB, 16_000, 50), NOW_NS)
    assert next_legs.index(_BOB) == bob
    assert next_legs.counts(_BOB) == LegCounts(11, 0, 0)
    next_legs.close()
    adopted.close()


def test_numbers_of_adopted_legs_are_free_when_their_routes_are_gone(
    kernel: Kernel, table: RouteTable
) -> None:
    legs = kernel.legs(table)
    legs.set(SetLeg(_ALICE, 8_000, 50), NOW_NS)
    put(table, ROUTE4, leg=0)
    kernel.count(0, 11)
    legs.close()

    adopted = kernel.table()
    next_legs = kernel.legs(adopted)
    next_legs.set(SetLeg(_BOB, 8_000, 50), NOW_NS)
    assert next_legs.index(_BOB) == 1
    for index in adopted.drop_adopted(NOW_NS, only_expired=False):
        next_legs.release(index, NOW_NS)
    other = LegKey("other", "leg")
    next_legs.set(SetLeg(other, 8_000, 50), NOW_NS + REST_NS)
    assert next_legs.index(other) == 0
    assert next_legs.counts(other) == LegCounts(0, 0, 0)
    next_legs.close()
    adopted.close()


def test_new_caps_keep_the_counts(kernel: Kernel, table: RouteTable) -> None:
    legs = kernel.legs(table)
    legs.set(SetLeg(_ALICE, 8_000, 50), NOW_NS)
    kernel.count(0, 3)
    legs.set(SetLeg(_ALICE, 9_000, 60), NOW_NS)
    assert legs.counts(_ALICE) == LegCounts(3, 0, 0)
    legs.drop(_ALICE, NOW_NS)
    assert legs.counts(_ALICE) is None
    assert legs.index(_ALICE) is None
    legs.close()
