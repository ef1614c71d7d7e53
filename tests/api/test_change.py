"""PATCH /v1/calls/{id}."""

from typing import Any

import pytest

from relay.effects import CallChanged
from tests.api.memory_relay import Api

DIRECT = [{"id": "bob"}, {"id": "carol"}]


async def _policies(body: dict[str, Any]) -> set[str]:
    parties = body["parties"].values()
    return {party["rtc_configuration"]["iceTransportPolicy"] for party in parties}


async def test_switching_privacy_on_relays_the_call_and_tells_everybody_how() -> None:
    api = Api()
    created = await api.create(parties=DIRECT, ring=False)
    assert await _policies(created) == {"all"}
    change = {"parties": [{"id": "bob", "enhanced_call_privacy": True}]}
    answer = await api("PATCH", f"/v1/calls/{created['id']}", json=change)
    assert answer.status_code == 200
    changed = answer.json()
    assert await _policies(changed) == {"relay"}
    assert (changed["relayed"], changed["masked"]) == (True, ["bob", "carol"])
    assert {name: party["leg"] for name, party in changed["parties"].items()} == {
        name: party["leg"] for name, party in created["parties"].items()
    }
    assert api.relay.done == [CallChanged(created["id"])]
    again = await api("PATCH", f"/v1/calls/{created['id']}", json=change)
    assert again.json() == changed
    assert len(api.relay.done) == 1


async def test_switching_privacy_off_is_a_409_and_changes_nothing() -> None:
    api = Api()
    created = await api.create(ring=False)
    change = {"parties": [{"id": "alice", "enhanced_call_privacy": False}], "max_duration_s": 14400}
    answer = await api("PATCH", f"/v1/calls/{created['id']}", json=change)
    assert (answer.status_code, answer.json()["type"]) == (
        409,
        "urn:callveil:problem:only_tightens",
    )
    assert answer.json()["call"] == created["id"]
    assert api.relay.done == []


async def test_extending_tells_the_relay_and_shows_the_new_end() -> None:
    api = Api()
    created = await api.create(max_duration_s=60)
    path = f"/v1/calls/{created['id']}"
    changed = (await api("PATCH", path, json={"max_duration_s": 120})).json()
    assert (created["expires_at"], changed["expires_at"]) == (
        "2023-11-14T22:31:00Z",
        "2023-11-14T22:32:00Z",
    )
    assert api.relay.done == [CallChanged(created["id"])]


async def test_a_party_that_joins_gets_a_credential_and_the_others_fresh_ones() -> None:
    api = Api()
    created = await api.create(ring=False)
    api.relay.advance(100)
    path = f"/v1/calls/{created['id']}"
    changed = (await api("PATCH", path, json={"parties": [{"id": "dan"}]})).json()
    assert list(changed["parties"]) == ["alice", "bob", "dan"]
    assert changed["masked"] == ["alice", "bob", "dan"]
    for party in changed["parties"].values():
        (server,) = party["rtc_configuration"]["iceServers"]
        expiry, call, leg = server["username"].split(":")
        assert (call, leg) == (created["id"], party["leg"])
        assert int(expiry) == int(api.relay.now().wall) + 3_600
    assert list((await api("GET", path)).json()["parties"]) == ["alice", "bob", "dan"]
    assert api.relay.done == [CallChanged(created["id"])]


async def test_nothing_asked_for_is_nothing_changed() -> None:
    api = Api()
    created = await api.create()
    assert (await api("PATCH", f"/v1/calls/{created['id']}", json={})).json() == created
    assert api.relay.done == []


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"ring": False}, "body: unknown field"),
        ({"parties": [{"id": "bob", "ice": {}}]}, "parties.0: unknown field"),
        ({"parties": [{"id": ""}]}, "parties.0.id: "),
        ({"parties": [{"id": "bob", "enhanced_call_privacy": "on"}]},
         "parties.0.enhanced_call_privacy: "),
        ({"parties": [{"id": "x"}, {"id": "x"}]}, "parties: two parties have the same id."),
        ({"parties": [{"id": f"p{n}"} for n in range(7)]},
         "parties: a call may have 8 parties at most."),
        ({"max_duration_s": 0}, "max_duration_s: "),
        ({"max_duration_s": 14_401},
         "max_duration_s: the call already lasts as long as the operator allows."),
    ],
)  # fmt: skip
async def test_anything_else_is_a_422_that_says_where(change: object, detail: str) -> None:
    api = Api()
    created = await api.create()
    answer = await api("PATCH", f"/v1/calls/{created['id']}", json=change)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(detail)
    assert api.relay.done == []


async def test_unknown_ended_and_unregistered_calls_are_not_changed() -> None:
    api = Api()
    ended = (await api.create())["id"]
    await api("DELETE", f"/v1/calls/{ended}")
    api.relay.begin("room", "one")
    for call, status in (("cv_none", 404), (ended, 409), ("room", 409)):
        assert (await api("PATCH", f"/v1/calls/{call}", json={})).status_code == status
