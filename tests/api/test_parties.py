"""Several devices ring: who answers stays, and a party is ended by name."""

from typing import Any

import pytest

from relay.effects import CallAccepted, CallEnded, EndReason, LegEnded, LegKey
from tests.api.memory_relay import JSON, Api

PARTIES = [{"id": "alice", "enhanced_call_privacy": True}, {"id": "phone"}, {"id": "a/b tablet"}]


async def _ringing(api: Api) -> dict[str, Any]:
    return await api.create(parties=PARTIES, ring=True)


@pytest.mark.parametrize("by", ["party", "leg"])
async def test_accept_takes_who_answered_and_the_other_devices_leave_before_it_opens(
    by: str,
) -> None:
    api = Api()
    created = await _ringing(api)
    body = {"party": "phone"} if by == "party" else {"leg": created["parties"]["phone"]["leg"]}
    answer = await api("POST", f"/v1/calls/{created['id']}/accept", json=body)
    assert (answer.status_code, answer.json()["state"]) == (200, "active")
    assert list(answer.json()["parties"]) == answer.json()["masked"] == ["alice", "phone"]
    tablet = LegKey(created["id"], created["parties"]["a/b tablet"]["leg"])
    assert api.relay.done == [LegEnded(tablet), CallAccepted(created["id"])]


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b'{"party": null}'])
async def test_without_it_everybody_stays(body: bytes) -> None:
    api = Api()
    created = await _ringing(api)
    path = f"/v1/calls/{created['id']}/accept"
    answer = await api("POST", path, content=body, headers=JSON)
    assert (answer.status_code, len(answer.json()["parties"])) == (200, 3)
    assert api.relay.done == [CallAccepted(created["id"])]


@pytest.mark.parametrize(
    ("body", "kind", "detail"),
    [
        ({"party": "mallory"}, "unknown_party", "No party of this call has this id."),
        ({"leg": "mallory"}, "unknown_party", "No party of this call has this id."),
        (
            {"party": "alice"},
            "invalid_request",
            "The caller cannot accept the call. Name a party that was called.",
        ),
        (
            {"party": "phone", "leg": "x"},
            "invalid_request",
            "body: give party or leg, not both",
        ),
        ({"party": 5}, "invalid_request", "party: Input should be a valid string"),
        ({"answered_by": "phone"}, "invalid_request", "body: unknown field"),
        ([], "invalid_request", "Send a JSON object"),
    ],
)
async def test_a_wrong_answer_is_a_problem_and_the_call_rings_on(
    body: object, kind: str, detail: str
) -> None:
    api = Api()
    created = await _ringing(api)
    path = f"/v1/calls/{created['id']}"
    answer = await api("POST", f"{path}/accept", json=body)
    assert answer.json()["type"] == f"urn:callveil:problem:{kind}"
    assert detail in answer.json()["detail"]
    shown = (await api("GET", path)).json()
    assert (shown["state"], len(shown["parties"]), api.relay.done) == ("ringing", 3, [])


async def test_ending_a_party_twice_is_204_twice_and_done_once() -> None:
    api = Api()
    created = await _ringing(api)
    call, leg = created["id"], created["parties"]["a/b tablet"]["leg"]
    path = f"/v1/calls/{call}/parties/a%2Fb%20tablet"
    answers = [await api("DELETE", path) for _ in range(2)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 2
    assert api.relay.done == [LegEnded(LegKey(call, leg))]
    assert list((await api("GET", f"/v1/calls/{call}")).json()["parties"]) == ["alice", "phone"]
    body = {"from": "a/b tablet", "sdp": "v=0"}
    answer = await api("POST", f"/v1/calls/{call}/description", json=body)
    assert answer.json()["type"] == "urn:callveil:problem:unknown_party"


async def test_a_party_that_is_not_there_is_a_404() -> None:
    api = Api()
    call = (await _ringing(api))["id"]
    for path, kind in (
        (f"/v1/calls/{call}/parties/mallory", "unknown_party"),
        ("/v1/calls/cv_none/parties/alice", "unknown_call"),
    ):
        answer = await api("DELETE", path)
        assert (answer.status_code, answer.json()["type"]) == (404, f"urn:callveil:problem:{kind}")
    assert api.relay.done == []


async def test_the_call_ends_with_the_last_but_one_and_again_is_204() -> None:
    api = Api()
    call = (await api.create())["id"]
    assert (await api("DELETE", f"/v1/calls/{call}/parties/bob")).status_code == 204
    assert (await api("GET", f"/v1/calls/{call}")).json()["state"] == "ended"
    assert (await api("DELETE", f"/v1/calls/{call}/parties/bob")).status_code == 204
    assert api.relay.done == [CallEnded(call, EndReason.ENDED, 0.0, ())]
