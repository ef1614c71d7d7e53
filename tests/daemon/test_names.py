"""Calls and legs whose names hold what paths are made of, over a real connection."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.kit.api import TOKEN
from tests.kit.command import callveil
from tests.kit.daemon import Daemon, config_of, running

NAMES = [
    "a/b",
    "/",
    "//",
    ".",
    "..",
    "../../healthz",
    "x/accept",
    "x/parties/y",
    "bm90IGEgdXVpZA/+==",
    "-end",
    "n" * 480,
]
LEGS = ["a/b", "/", "..", "%2F", "100%", "?a=b#c", "one 1+1", "größe \U0001f642", "a:b", "n" * 480]
"""A call's own name holds none of the characters in which these differ from those."""


def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all the names; no call is another's."""
    config = config_of(limits={"unauthenticated_per_s": 1000})
    with running(tmp_path_factory.mktemp("daemon"), config) as started:
        yield started


asked = pytest.fixture(_running, scope="module", name="asked")
commanded = pytest.fixture(_running, scope="module", name="commanded")


@pytest.mark.parametrize("name", NAMES)
def test_a_call_of_any_name_is_inspected_and_ended(asked: Daemon, name: str) -> None:
    one, two = (asked.stranger(name, leg) for leg in ("one", "two"))
    assert [client.allocate().code for client in (one, two)] == [0, 0]
    path = f"/v1/calls/{quote(name, safe='')}"
    shown = asked.ask("GET", path)
    assert (shown.status, shown.body["id"], list(shown.body["parties"])) == (
        200,
        name,
        ["one", "two"],
    )
    assert asked.ask("POST", f"{path}/accept").body["call"] == name
    assert asked.ask("DELETE", path).status == 204
    assert [client.allocate().code for client in (one, two)] == [403, 403]
    assert asked.metric('callveil_allocations{transport="udp"}') == 0


@pytest.mark.parametrize("leg", LEGS)
def test_a_leg_of_any_name_is_ended(asked: Daemon, leg: str) -> None:
    one, two = (asked.stranger("room", each) for each in (leg, "two"))
    assert [client.allocate().code for client in (one, two)] == [0, 0]
    assert leg in asked.ask("GET", "/v1/calls/room").body["parties"]
    assert asked.ask("DELETE", f"/v1/calls/room/parties/{quote(leg, safe='')}").status == 204
    assert [client.allocate().code for client in (one, two)] == [403, 437]


@pytest.mark.parametrize("name", NAMES)
def test_the_command_ends_it_too(commanded: Daemon, name: str) -> None:
    one = commanded.stranger(name, "one")
    assert one.allocate().code == 0
    done = callveil(
        "calls", "--api", commanded.api, "end", "--", name, env={"CALLVEIL_API_TOKEN": TOKEN}
    )
    assert (done.code, done.out) == (0, f"ended {name}\n")
    assert one.allocate().code == 403


def test_a_call_that_is_ended_before_anybody_came_does_not_begin(daemon: Daemon) -> None:
    answers = [daemon.ask("DELETE", "/v1/calls/a%2Fb").status for _ in range(2)]
    assert answers == [204, 204]
    assert daemon.stranger("a/b", "one").allocate().code == 403
    assert daemon.stranger("a", "b").allocate().code == 0
    assert daemon.ask("GET", "/v1/calls/a%2Fb").body["state"] == "ended"


def test_an_id_that_only_the_api_gives_is_not_remembered(daemon: Daemon) -> None:
    assert daemon.ask("DELETE", "/v1/calls/cv_none").status == 404
