"""POST /v1/permission."""

from typing import Any

import pytest

from tests.api.memory_relay import Api

REFUSED = {"allowed": False, "reason": "not_admitted"}


async def _decide(body: object) -> Any:
    answer = await Api()("POST", "/v1/permission", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_contracts_example_is_refused() -> None:
    relationship = {
        "callee_follows_caller": False,
        "in_callee_address_book": False,
        "caller_verified": False,
        "message_request": "none",
        "blocked": False,
    }
    settings = {"calling": True, "allow": ["follow", "accepted_message"]}
    assert await _decide({"relationship": relationship, "settings": settings}) == REFUSED


@pytest.mark.parametrize("body", [{}, {"relationship": {}}, {"settings": {}}])
async def test_what_is_absent_is_false_or_as_delivered(body: dict[str, Any]) -> None:
    assert await _decide(body) == REFUSED
    facts = {"relationship": {"callee_follows_caller": True}}
    assert await _decide({**body, **facts}) == {"allowed": True, "reason": "follow"}


@pytest.mark.parametrize(
    ("relationship", "switch"),
    [
        ({"callee_follows_caller": True}, "follow"),
        ({"in_callee_address_book": True}, "address_book"),
        ({"caller_verified": True}, "verified"),
        ({"message_request": "accepted"}, "accepted_message"),
        ({}, "everyone"),
    ],
)
async def test_each_switch_admits_by_its_fact(relationship: dict[str, Any], switch: str) -> None:
    allowed = {"relationship": relationship, "settings": {"allow": [switch]}}
    assert await _decide(allowed) == {"allowed": True, "reason": switch}
    assert await _decide({**allowed, "settings": {"allow": []}}) == REFUSED
    off = {"calling": False, "allow": [switch]}
    assert (await _decide({**allowed, "settings": off}))["reason"] == "calling_off"
    blocked = {"relationship": {**relationship, "blocked": True}, "settings": {"allow": [switch]}}
    assert await _decide(blocked) == {"allowed": False, "reason": "blocked"}


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"caller": "x"}, "body: unknown field"),
        ({"relationship": {"caller": "x"}}, "relationship: unknown field"),
        ({"settings": {"x": 1}}, "settings: unknown field"),
        ({"relationship": {"blocked": 1}}, "relationship.blocked: "),
        ({"relationship": {"message_request": "lost"}}, "relationship.message_request: "),
        ({"settings": {"allow": ["friends"]}}, "settings.allow.0: "),
        ({"settings": {"allow": "follow"}}, "settings.allow: "),
        ({"settings": {"allow": ["follow"] * 17}}, "settings.allow: "),
        ({"relationship": None}, "relationship: "),
    ],
)
async def test_anything_else_is_a_422_that_says_where(body: object, detail: str) -> None:
    answer = await Api()("POST", "/v1/permission", json=body)
    assert (answer.status_code, answer.json()["type"]) == (
        422,
        "urn:callveil:problem:invalid_request",
    )
    assert answer.json()["detail"].startswith(detail)


async def test_a_token_is_needed_where_there_are_tokens() -> None:
    assert (await Api(tokens=("t",))("POST", "/v1/permission", json={})).status_code == 401
