"""The kernel path of a relay that has none, beside the one that there is."""

import inspect
import time

import pytest

from relay.effects import DropLeg, DropRoute, SetLeg
from relay.forward.kernel import AbsentPath, FastPath
from tests.kernel.cases import PORT_A4, ROUTE4
from tests.kernel.paths import LEG, server_address, set_route

METHODS = [name for name, _ in inspect.getmembers(AbsentPath, inspect.isfunction) if name[0] != "_"]


@pytest.mark.parametrize("name", METHODS)
def test_both_paths_are_asked_in_the_same_words(name: str) -> None:
    absent, there = (inspect.signature(getattr(path, name)) for path in (AbsentPath, FastPath))
    assert absent == there


def test_it_takes_nothing_and_has_counted_nothing() -> None:
    path = AbsentPath("off: no reason")
    effect = set_route(ROUTE4)
    assert not path.set_leg(SetLeg(LEG, 1, 1))
    assert not path.set_route(effect)
    path.open_port(server_address(PORT_A4))
    path.renew(time.monotonic_ns())
    assert (path.leg(LEG), path.has_route(LEG), path.routes, path.adopted) == (None, False, 0, 0)
    tally = path.counters()
    assert (tally.packets, tally.bytes, sum(tally.drops)) == (0, 0, 0)
    path.close_port(server_address(PORT_A4))
    path.drop_route(DropRoute(effect.source, effect.channel))
    path.drop_leg(DropLeg(LEG))
    path.give_to(65534)
    assert not path.follow()
    path.close(leave_running=True)
    assert (path.status, path.is_attached, path.watched) == ("off: no reason", False, ())
