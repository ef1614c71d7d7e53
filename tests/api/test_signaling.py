"""POST …/description and …/candidate, and what the answer to accept holds."""

import json
import logging
from typing import Any

import pytest

from relay.sdp import MAX_BYTES
from tests.api.memory_relay import JSON, Api
from tests.sdp.samples import RELAYED, leaks, sample

THEIRS = (
    "candidate:34 1 udp 41885695 192.0.2.1 50000 typ relay raddr 198.51.100.213 rport 61002"
    " generation 0 network-id 1"
)
OURS = "candidate:1 1 udp 50331647 192.0.2.1 50000 typ relay raddr 0.0.0.0 rport 9"
DETAIL = [{"kind": "candidate_detail", "count": 1}]


async def _call(api: Api, **changes: Any) -> str:
    """A call whose first party has allocated."""
    created = await api.create(**changes)
    leg = created["parties"]["alice"]["leg"]
    api.relay.relayed_addresses[created["id"]] = {leg: list(RELAYED)}
    return str(created["id"])


async def test_a_description_comes_back_rebuilt_with_what_was_removed() -> None:
    api = Api()
    call = await _call(api, ring=False)
    body = {"from": "alice", "sdp": sample("firefox_offer")}
    answer = await api("POST", f"/v1/calls/{call}/description", json=body)
    assert answer.status_code == 200
    shown = answer.json()
    assert shown["sdp"].startswith("v=0\r\no=- 1 0 IN IP4 0.0.0.0\r\n")
    assert "a=candidate:1 1 udp 100663295 192.0.2.1 50000 typ relay" in shown["sdp"]
    assert {"kind": "candidate_host", "count": 4} in shown["removed"]
    assert (list(shown), shown["held"]) == (["sdp", "held", "removed"], 0)
    assert leaks(answer.text) == []
    again = {"from": "alice", "sdp": shown["sdp"]}
    assert (await api("POST", f"/v1/calls/{call}/description", json=again)).json() == {
        "sdp": shown["sdp"],
        "held": 0,
        "removed": [],
    }


async def test_a_candidate_comes_back_as_add_ice_candidate_takes_it() -> None:
    api = Api()
    call = await _call(api, ring=False)
    sent = {"candidate": THEIRS, "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": "Ym2t"}
    answer = await api("POST", f"/v1/calls/{call}/candidate", json={"from": "alice", **sent})
    assert answer.json() == {
        "candidate": OURS,
        "sdpMid": "0",
        "sdpMLineIndex": 0,
        "held": False,
        "removed": DETAIL,
    }


async def test_a_candidate_that_is_not_the_relays_comes_back_as_null() -> None:
    api = Api()
    call = await _call(api, ring=False)
    host = "candidate:1 1 udp 2122260223 10.77.31.9 5000 typ host"
    for party, candidate in (("alice", host), ("bob", host), ("bob", THEIRS)):
        body = {"from": party, "candidate": candidate, "sdpMid": None}
        shown = (await api("POST", f"/v1/calls/{call}/candidate", json=body)).json()
        assert (shown["candidate"], shown["held"]) == (None, False)
        assert leaks(str(shown)) == []


async def test_while_a_call_rings_candidates_are_held_and_accept_answers_them() -> None:
    api = Api()
    call = await _call(api, ring=True)
    body = {"from": "alice", "candidate": THEIRS, "sdpMid": "0", "sdpMLineIndex": 0}
    held = (await api("POST", f"/v1/calls/{call}/candidate", json=body)).json()
    assert (held["candidate"], held["held"], held["removed"]) == (None, True, DETAIL)
    offer = {"from": "alice", "sdp": sample("aiortc_offer")}
    described = (await api("POST", f"/v1/calls/{call}/description", json=offer)).json()
    assert described["held"] == 2
    assert "candidate" not in described["sdp"]
    accepted = (await api("POST", f"/v1/calls/{call}/accept")).json()
    assert accepted["candidates"] == {
        "alice": [
            {"candidate": OURS, "sdpMid": "0", "sdpMLineIndex": 0},
            {"candidate": OURS.replace("50331647", "16777215"), "sdpMid": "0", "sdpMLineIndex": 0},
            {
                "candidate": OURS.replace("1 1 udp 50331647", "2 1 udp 16776959").replace(
                    "50000", "50002"
                ),
                "sdpMid": "1",
                "sdpMLineIndex": 1,
            },
        ]
    }


async def test_without_candidates_accept_says_that_there_are_none() -> None:
    api = Api()
    call = await _call(api, ring=True)
    assert (await api("POST", f"/v1/calls/{call}/accept")).json()["candidates"] == {}


async def test_in_a_call_nobody_wants_private_both_come_back_as_they_are() -> None:
    api = Api()
    created = await api.create(parties=[{"id": "bob"}, {"id": "carol"}])
    path = f"/v1/calls/{created['id']}"
    described = await api("POST", f"{path}/description", json={"from": "bob", "sdp": "anything"})
    assert described.json() == {"sdp": "anything", "held": 0, "removed": []}
    host = "candidate:1 1 udp 2122260223 10.77.31.9 5000 typ host"
    trickled = await api("POST", f"{path}/candidate", json={"from": "bob", "candidate": host})
    assert (trickled.json()["candidate"], trickled.json()["held"]) == (host, False)


async def _faults(api: Api, call: str, party: str) -> list[tuple[int, dict[str, Any]]]:
    answers = [
        await api("POST", f"/v1/calls/{call}/description", json={"from": party, "sdp": "v=0"}),
        await api("POST", f"/v1/calls/{call}/candidate", json={"from": party, "candidate": "x"}),
    ]
    media_types = {answer.headers["content-type"] for answer in answers}
    assert media_types == {"application/problem+json"}
    return [(answer.status_code, answer.json()) for answer in answers]


async def test_unknown_calls_parties_and_wrong_states_are_problems_of_one_shape() -> None:
    api = Api()
    call = await _call(api, ring=False)
    ended = await _call(api, ring=False)
    await api("DELETE", f"/v1/calls/{ended}")
    unknown = await _faults(api, "cv_none", "alice")
    stranger = await _faults(api, call, "mallory")
    over = await _faults(api, ended, "alice")
    assert over == await _faults(api, ended, "mallory")
    expected = [(404, "unknown_call"), (404, "unknown_party"), (409, "wrong_state")]
    for answers, (status, kind) in zip((unknown, stranger, over), expected, strict=True):
        for code, body in answers:
            assert (code, body["type"]) == (status, f"urn:callveil:problem:{kind}")
            assert list(body) == ["type", "title", "status", "detail", "call"]


@pytest.mark.parametrize(
    ("name", "kind"), [("refused_plain_rtp", "plain_media"), ("refused_sdes", "plain_media")]
)
async def test_plain_media_in_a_masked_call_is_a_422(name: str, kind: str) -> None:
    api = Api()
    call = await _call(api, ring=False)
    body = {"from": "alice", "sdp": sample(name)}
    answer = await api("POST", f"/v1/calls/{call}/description", json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, f"urn:callveil:problem:{kind}")
    assert leaks(answer.text) == []


async def test_no_fault_log_or_metric_shows_what_a_description_holds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    api = Api()
    call = await _call(api, ring=False)
    host = "candidate:1 1 udp 1 10.77.31.9 5 typ host"
    bodies: list[tuple[str, Any]] = [
        ("description", {"from": "alice", "sdp": "10.77.31.9"}),
        ("description", {"from": "alice", "sdp": "v=0\r\no=10.77.31.9"}),
        ("description", {"from": "alice", "sdp": ["10.77.31.9"]}),
        ("description", {"from": "10.77.31.9", "sdp": sample("safari_answer")}),
        ("description", {"from": "alice", "sdp": "", "10.77.31.9": 1}),
        ("candidate", {"from": "alice", "candidate": host, "sdpMid": "10.77.31.9"}),
        ("candidate", {"from": "alice", "candidate": host, "sdpMLineIndex": "10.77.31.9"}),
        ("candidate", {"from": "alice", "candidate": host, "usernameFragment": "10.77.31.9"}),
        ("candidate", {"from": "alice", "candidate": host * 100}),
        ("candidate", {"from": "alice", "candidate": {"10.77.31.9": 1}}),
    ]
    shown = []
    for path, body in bodies:
        answer = await api("POST", f"/v1/calls/{call}/{path}", json=body)
        assert answer.status_code in (404, 422), body
        assert answer.json()["detail"]
        shown += [answer.text, str(answer.headers)]
    fine = {"from": "alice", "sdp": sample("sip_phone_offer")}
    shown.append((await api("POST", f"/v1/calls/{call}/description", json=fine)).text)
    shown.append((await api("GET", "/metrics")).text)
    shown += [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    assert [text for text in shown if leaks(text)] == []


async def test_only_the_body_of_a_description_may_be_long() -> None:
    api = Api()
    call = await _call(api, ring=False)
    filler = "a=x" * (MAX_BYTES // 3 - 20)
    longest = json.dumps({"from": "alice", "sdp": filler}).encode()
    paths = {
        f"/v1/calls/{call}/description": 422,
        f"/v1/calls/{call}/candidate": 413,
        "/v1/calls": 413,
        "/v1/permission": 413,
    }
    for path, status in paths.items():
        answer = await api("POST", path, content=longest, headers=JSON)
        assert answer.status_code == status, path
    longer = longest + b" " * (MAX_BYTES + 64 * 1024)
    answer = await api("POST", f"/v1/calls/{call}/description", content=longer, headers=JSON)
    assert (answer.status_code, answer.json()["detail"]) == (
        413,
        "The body may have 327680 bytes at most.",
    )


async def test_a_party_that_sends_ten_thousand_candidates_hears_429_and_the_other_is_served() -> (
    None
):
    api = Api()
    call = await _call(api, ring=False)
    leg = api.relay.call(call).legs[0]
    body = {"from": "alice", "candidate": THEIRS}
    assert (await api("POST", f"/v1/calls/{call}/candidate", json=body)).status_code == 200
    assert leg.intake
    leg.intake.spend(520_000, api.relay.now().mono)
    refused = [await api("POST", f"/v1/calls/{call}/candidate", json=body) for _ in range(20)]
    assert refused[-1].status_code == 429
    assert refused[-1].json()["type"] == "urn:callveil:problem:too_many"
    other = {**body, "from": "bob"}
    assert (await api("POST", f"/v1/calls/{call}/candidate", json=other)).status_code == 200
    assert (await api("DELETE", f"/v1/calls/{call}")).status_code == 204
