"""Calls whose names hold what paths are made of, over a real connection."""

from urllib.parse import quote

import pytest

from tests.kit.api import TOKEN
from tests.kit.command import callveil
from tests.kit.daemon import Daemon

NAMES = [
    "a/b",
    "/",
    "//",
    ".",
    "..",
    "../../healthz",
    "x/accept",
    "x/parties/y",
    "%2F",
    "100%",
    "?a=b#c",
    "room 1+1",
    "bm90IGEgdXVpZA/+==",
    "größe \U0001f642",
    "-end",
    "n" * 480,
]


@pytest.mark.parametrize("name", NAMES)
def test_a_call_of_any_name_is_inspected_and_ended(daemon: Daemon, name: str) -> None:
    one, two = (daemon.stranger(name, leg) for leg in ("one", "two"))
    assert [client.allocate().code for client in (one, two)] == [0, 0]
    path = f"/v1/calls/{quote(name, safe='')}"
    shown = daemon.ask("GET", path)
    assert (shown.status, shown.body["id"], list(shown.body["parties"])) == (
        200,
        name,
        ["one", "two"],
    )
    assert daemon.ask("POST", f"{path}/accept").body["call"] == name
    assert daemon.ask("DELETE", path).status == 204
    assert [client.allocate().code for client in (one, two)] == [403, 403]
    assert daemon.metric('callveil_allocations{transport="udp"}') == 0


@pytest.mark.parametrize("name", NAMES)
def test_the_command_ends_it_too(daemon: Daemon, name: str) -> None:
    one = daemon.stranger(name, "one")
    assert one.allocate().code == 0
    done = callveil(
        "calls", "--api", daemon.api, "end", "--", name, env={"CALLVEIL_API_TOKEN": TOKEN}
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
