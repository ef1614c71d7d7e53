"""Whatever a credential may call a call, a leg or a user, the API takes it in every path."""

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from relay.effects import CallEnded, EndReason
from tests.api.memory_relay import JSON, Api

AWKWARD = st.sampled_from("/%?#&=+;.\\ \t\n\x00\x7f~é\U0001f642\u202e2F")
CALLS = st.text(st.sampled_from("/2F.~+=-_aZ09"), min_size=1, max_size=60)
NAMES = st.text(
    AWKWARD | st.characters(codec="utf-8", exclude_characters=":"), min_size=1, max_size=60
)
DOTS = (".", "..")
"""Segments that a client may take out of a path by itself; `daemon/test_names.py` sends them."""


def _path(call: str, rest: str = "") -> str:
    return f"/v1/calls/{quote(call, safe='')}{rest}"


async def _ask(api: Api, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    answer = await api(method, path, json=body)
    return answer.status_code, answer.json() if answer.content else None


@given(CALLS.filter(lambda name: name not in DOTS), NAMES.filter(lambda name: name not in DOTS))
@example("x/accept", "y")
@example("x/parties/y", "x/parties/y")
@example("bm90IGEgdXVpZA/+==", "%2F")
@example("description", "candidate")
@example("x" * 250, "é" * 125)
@settings(max_examples=60, deadline=None)
async def test_every_path_of_a_call_is_about_that_call(name: str, party: str) -> None:
    api = Api()
    api.relay.begin(name, party)
    status, shown = await _ask(api, "GET", _path(name))
    assert (status, shown["id"], list(shown["parties"])) == (200, name, [party])
    for method, rest, body in (
        ("POST", "/accept", None),
        ("POST", "/endpoint", {"party": party, "ice": {"ufrag": "abcd", "pwd": "p" * 22}}),
        ("PATCH", "", {"max_duration_s": 9_999}),
        ("POST", "/description", {"from": party, "sdp": "m="}),
        ("POST", "/candidate", {"from": "mallory", "candidate": "x"}),
    ):
        status, problem = await _ask(api, method, _path(name, rest), body)
        assert status in (404, 409, 422), (rest, problem)
        assert (problem["call"] or name) == name
        assert problem["type"].rpartition(":")[2] in (
            "wrong_state",
            "bad_description",
            "unknown_party",
        )
    status, _ = await _ask(api, "DELETE", _path(name, f"/parties/{quote(party, safe='')}"))
    ended = CallEnded(name, EndReason.ENDED, 0.0, ())
    assert (status, api.relay.done) == (204, [ended])
    assert [await _ask(api, "DELETE", _path(name)) for _ in range(2)] == [(204, None)] * 2
    assert api.relay.done == [ended]


async def test_a_slash_within_a_name_is_none_between_names() -> None:
    api = Api()
    for name in ("x", "x/accept", "x/parties/y", "x/description"):
        api.relay.begin(name, "leg")
    await api("DELETE", "/v1/calls/x%2Fparties%2Fy")
    await api("DELETE", "/v1/calls/x%2faccept")
    assert api.relay.done == [
        CallEnded(name, EndReason.ENDED, 0.0, ()) for name in ("x/parties/y", "x/accept")
    ]
    listed = (await api("GET", "/v1/calls")).json()["calls"]
    assert [call["id"] for call in listed] == ["x", "x/description"]
    assert (await api("POST", "/v1/calls/x/parties/leg")).status_code == 405
    assert (await api("DELETE", "/v1/calls/x/parties/leg")).status_code == 204
    assert (await api("DELETE", "/v1/calls/x/parties/leg/z")).status_code == 404


@pytest.mark.parametrize("path", ["/v1/%63alls", "/%76%31/calls", "/v1/calls/%78"])
async def test_whatever_is_encoded_without_need_means_the_same(path: str) -> None:
    api = Api()
    api.relay.begin("x", "leg")
    assert (await api("GET", path)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/v1/calls//accept", "/v1/calls/", "/v1/calls//parties/x", "//v1/calls"]
)
async def test_an_empty_name_is_nobodys(path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert (await Api()(method, path)).status_code == 404


@pytest.mark.parametrize("bad", ["%FF", "a%C3", "%ED%A0%80"])
async def test_a_name_that_is_no_utf8_is_a_fault_of_the_client(bad: str) -> None:
    for method, path in (
        ("GET", f"/v1/calls/{bad}"),
        ("DELETE", f"/v1/calls/{bad}"),
        ("DELETE", f"/v1/calls/room/parties/{bad}"),
        ("POST", f"/v1/calls/{bad}/accept"),
    ):
        answer = await Api()(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (
            422,
            "application/problem+json",
        )


async def test_tokens_are_asked_for_however_a_path_is_spelled() -> None:
    api = Api(tokens=("token",))
    for path in ("/v1/calls%2F..%2F..%2Fhealthz", "/v1%2Fcalls", "/healthz%2F", "/v1/%63alls"):
        assert (await api("GET", path)).status_code == 401
    for path in ("/healthz", "/%68ealthz"):
        assert (await api("GET", path)).status_code == 200


async def test_only_what_parties_write_may_be_long_whatever_the_call_is_named() -> None:
    api = Api()
    for path, status in (
        (_path("x/description"), 413),
        (_path("description"), 413),
        (_path("a/b", "/description"), 404),
        (_path("n" * 400, "/description"), 404),
    ):
        body = b'{"from": "alice", "sdp": "' + b"a" * 100_000 + b'"}'
        method = "POST" if status == 404 else "PATCH"
        answer = await api(method, path, content=body, headers=JSON)
        assert answer.status_code == status, path
