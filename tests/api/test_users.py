"""`DELETE /v1/users/{name}`: users are revoked, whatever they are called."""

from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from relay.calls.rules import Rules
from relay.effects import DropLeg, LegKey
from relay.errors import Rejected
from tests.api.memory_relay import SETTINGS, Api, MemoryRelay

AWKWARD = st.sampled_from("/%?#&=+;:@.\\ \t\n\x00\x7f~é\U0001f642\u202e2F")
NAMES = st.text(AWKWARD | st.characters(codec="utf-8"), min_size=1, max_size=60)


def wide(revocation_s: int = 86_400) -> Api:
    """The API of a relay that has users."""
    turn = replace(SETTINGS.turn, peers="relay")
    return Api(MemoryRelay(Rules(revocation_s=revocation_s), replace(SETTINGS, turn=turn)))


def is_admitted(api: Api, name: str) -> bool:
    """Whether a user may hold an allocation now; it does not hold it for long."""
    relay = api.relay
    try:
        leg = relay.server._book.admit_user(name, relay.now())
    except Rejected as rejected:
        return rejected.code != 403
    relay.server._book.release(leg, relay.now())
    return True


def path(name: str, asked: str = "") -> str:
    return f"/v1/users/{quote(name, safe='')}{asked}"


@given(NAMES.filter(lambda name: name not in (".", "..")))
@example("@alice:example.org")
@example("1735689600")
@example("a:b:c:d:e:f:g:h:i:j:k")
@example("x/accept")
@example("../../healthz")
@example("\0")
@example("u" * 508)
@settings(max_examples=60, deadline=None)
async def test_a_user_of_any_name_is_revoked_and_again(name: str) -> None:
    api = wide()
    leg = api.relay.server._book.admit_user(name, api.relay.now())
    leg.is_metered = True
    for _ in range(2):
        answer = await api("DELETE", path(name))
        assert (answer.status_code, answer.content) == (204, b"")
        assert api.relay.done == [DropLeg(LegKey(name, "1"))]
    assert api.relay.server.count_users() == 0
    assert not is_admitted(api, name)
    assert is_admitted(api, f"{name}.")


@pytest.mark.parametrize(
    ("asked", "lasts_s"), [("", 600), ("?for_s=5", 5), ("?for_s=2592000", 2_592_000)]
)
async def test_a_revocation_lasts_as_long_as_is_asked_for(asked: str, lasts_s: int) -> None:
    api = wide(revocation_s=600)
    await api("DELETE", path("alice", asked))
    api.relay.advance(lasts_s - 1)
    assert not is_admitted(api, "alice")
    api.relay.advance(1)
    assert is_admitted(api, "alice")


async def test_a_revocation_is_lifted() -> None:
    api = wide()
    await api("DELETE", path("alice"))
    assert (await api("DELETE", path("alice", "?for_s=0"))).status_code == 204
    assert is_admitted(api, "alice")


@pytest.mark.parametrize(
    "asked", ["?for_s=-1", "?for_s=2592001", "?for_s=x", "?for_s=", "?for_s=1.5"]
)
async def test_another_time_is_a_fault_that_says_what_is_expected(asked: str) -> None:
    api = wide()
    answer = await api("DELETE", path("alice", asked))
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:callveil:problem:invalid_request"
    assert answer.json()["detail"].startswith("for_s: ")
    assert is_admitted(api, "alice")


@pytest.mark.parametrize("bad", ["%FF", "a%C3", "%ED%A0%80", "u" * 509, "%C3%A9" * 255])
async def test_what_can_be_no_username_is_a_fault(bad: str) -> None:
    answer = await wide()("DELETE", f"/v1/users/{bad}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["detail"].startswith("name: ")


async def test_where_every_name_is_a_calls_there_are_no_users() -> None:
    answer = await Api()("DELETE", path("alice"))
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (409, "urn:callveil:problem:no_users")
    assert "relay.peers" in problem["detail"]


async def test_a_token_is_needed_and_no_other_method_is_there() -> None:
    api = wide()
    api.settings.tokens = ("token",)
    assert (await api("DELETE", path("alice"))).status_code == 401
    assert (await api("DELETE", "/v1/%75sers/alice")).status_code == 401
    assert is_admitted(api, "alice")
    bearer = {"authorization": "Bearer token"}
    for method in ("GET", "POST", "PUT", "PATCH"):
        assert (await api(method, path("alice"), headers=bearer)).status_code == 405
    for nobodys in ("/v1/users", "/v1/users/", "/v1/users/a/b"):
        assert (await api("DELETE", nobodys, headers=bearer)).status_code == 404
