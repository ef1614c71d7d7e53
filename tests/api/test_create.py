"""POST /v1/calls."""

import pytest

from relay.api.relay import stun_urls
from relay.calls.rules import Masking
from relay.effects import CallCreated
from relay.stun.credentials import rest_password
from tests.api.memory_relay import SECRET, URLS, WALL_AHEAD_S, Api

CALL, ALICES, BOBS = (f"{number:022}" for number in (1, 2, 3))
CREDENTIALS_END = int(1_000 + WALL_AHEAD_S + 3_600)


def _told(leg: str, policy: str = "relay") -> dict[str, object]:
    username = f"{CREDENTIALS_END}:cv_{CALL}:{leg}"
    server = {
        "urls": list(URLS),
        "username": username,
        "credential": rest_password(SECRET, username),
    }
    return {
        "leg": leg,
        "rtc_configuration": {"iceServers": [server], "iceTransportPolicy": policy},
    }


async def test_a_ringing_call_with_privacy_is_relayed_and_masks_both() -> None:
    api = Api()
    parties = [{"id": "alice", "enhanced_call_privacy": True}, {"id": "bob"}]
    body = {"parties": parties, "mode": "turn", "max_duration_s": 60, "max_bitrate_bps": 1}
    answer = await api("POST", "/v1/calls", json={**body, "ring": True})
    assert (answer.status_code, answer.json()) == (
        201,
        {
            "id": f"cv_{CALL}",
            "state": "ringing",
            "relayed": True,
            "masked": ["alice", "bob"],
            "expires_at": "2023-11-14T22:31:00Z",
            "parties": {"alice": _told(ALICES), "bob": _told(BOBS)},
        },
    )
    assert api.relay.done == [CallCreated(f"cv_{CALL}", is_ringing=True)]


async def test_a_call_that_nobody_wants_private_may_go_direct() -> None:
    created = await Api().create(parties=[{"id": "carol"}, {"id": "dan"}], ring=False)
    assert (created["state"], created["relayed"], created["masked"]) == ("active", False, [])
    assert created["parties"] == {"carol": _told(ALICES, "all"), "dan": _told(BOBS, "all")}


async def test_a_call_rings_unless_something_else_is_said() -> None:
    assert (await Api().create())["state"] == "ringing"


async def test_a_party_that_did_not_ask_is_relayed_too() -> None:
    created = await Api().create(
        parties=[{"id": "bob"}, {"id": "a", "enhanced_call_privacy": True}]
    )
    policies = {
        party["rtc_configuration"]["iceTransportPolicy"] for party in created["parties"].values()
    }
    assert policies == {"relay"}


async def test_the_party_that_is_not_masked_may_use_its_own_address() -> None:
    api = Api.under(masking=Masking.OPTED_IN)
    created = await api.create()
    assert created["masked"] == ["alice"]
    assert created["parties"] == {"alice": _told(ALICES), "bob": _told(BOBS, "all")}


async def test_who_may_use_its_own_address_is_told_where_to_learn_it() -> None:
    api = Api.under(masking=Masking.OPTED_IN)
    api.settings.stun_urls = stun_urls(URLS)
    parties = (await api.create())["parties"]
    servers = [party["rtc_configuration"]["iceServers"] for party in parties.values()]
    assert [server["urls"] for (server,) in servers] == [
        [*URLS],
        [*URLS, "stun:relay.example:3478"],
    ]


async def test_a_reload_changes_what_the_next_call_is_told() -> None:
    api = Api()
    api.settings.urls, api.settings.secret = ("turn:new.example:3478?transport=udp",), "new"
    (server,) = (await api.create())["parties"]["bob"]["rtc_configuration"]["iceServers"]
    assert server["urls"] == ["turn:new.example:3478?transport=udp"]
    assert server["credential"] == rest_password("new", server["username"])


async def test_a_draining_relay_refuses_new_calls_with_503() -> None:
    api = Api()
    api.relay.drain()
    answer = await api("POST", "/v1/calls", json={"parties": [{"id": "a"}, {"id": "b"}]})
    assert (answer.status_code, sum(api.relay.counts().values())) == (503, 0)


TWO = [{"id": "a"}, {"id": "b"}]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "parties: Field required"),
        ({"parties": "ab"}, "parties: Input should be a valid list"),
        ({"parties": TWO[:1]}, "parties: List should have at least 2 items after validation"),
        ({"parties": [*TWO, {"id": "c"}, {"id": "d"}]}, "parties: give 2 to 3 parties."),
        ({"parties": [{"id": "a"}, {"id": "a"}]}, "parties: two parties have the same id."),
        ({"parties": [{"id": ""}, {"id": "b"}]}, "parties.0.id: String should have at least 1"),
        ({"parties": [{"id": "x" * 129}, {"id": "b"}]}, "parties.0.id: String should have at most"),
        ({"parties": [{"id": 5}, {"id": "b"}]}, "parties.0.id: Input should be a valid string"),
        ({"parties": [{"id": "a", "turn": {}}, {"id": "b"}]}, "parties.0: unknown field"),
        ({"parties": TWO, "rings": True}, "rings: unknown field; did you mean ring?"),
        ({"parties": TWO, "Ring": True}, "Ring: unknown field; did you mean ring?"),
        (
            {"parties": TWO, "9ring": True},
            "body: unknown field; the known fields are parties, ring, mode, max_duration_s, ",
        ),
        (
            {"parties": [{"id": "a", "ids": "a"}, {"id": "b"}]},
            "parties.0.ids: unknown field; did you mean id?",
        ),
        (
            {"parties": [{"id": "a", "ice": {"ufrag": "abcd", "pw": "", "pwd": "p" * 22}}, TWO[1]]},
            "parties.0.ice.pw: unknown field; did you mean pwd?",
        ),
        (
            {"party": TWO},
            "parties: Field required; body: unknown field; did you mean parties?",
        ),
        (
            {"parties": [{"id": "a", "Alice": {}}, TWO[1]]},
            "parties.0: unknown field; did you mean ice?",
        ),
        ({"parties": TWO, "ring": "yes"}, "ring: Input should be a valid boolean"),
        ({"parties": TWO, "ring": 1}, "ring: Input should be a valid boolean"),
        ({"parties": TWO, "mode": "p2p"}, "mode: Input should be 'turn' or 'ports'"),
        (
            {"parties": TWO, "max_duration_s": 14_401},
            "max_duration_s: give a number from 1 to 14400.",
        ),
        ({"parties": TWO, "max_duration_s": 0}, "max_duration_s: Input should be greater than"),
        ({"parties": TWO, "max_duration_s": 1.5}, "max_duration_s: Input should be a valid int"),
        (
            {"parties": TWO, "max_bitrate_bps": 10**30},
            "max_bitrate_bps: give a number from 1 to 8000000.",
        ),
        ([], "Send a JSON object with Content-Type: application/json."),
        (None, "Send a JSON object with Content-Type: application/json."),
        ("text", "Send a JSON object with Content-Type: application/json."),
    ],
)
async def test_a_wrong_field_is_named_and_told_what_is_expected(body: object, detail: str) -> None:
    api = Api.under(legs_per_call=3)
    answer = await api("POST", "/v1/calls", json=body)
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (422, 422)
    assert problem["type"] == "urn:callveil:problem:invalid_request"
    assert problem["detail"].startswith(detail)
    assert sum(api.relay.counts().values()) == 0


async def test_every_wrong_field_is_named_at_once() -> None:
    answer = await Api()("POST", "/v1/calls", json={"ring": 3, "mode": None})
    assert [part.partition(":")[0] for part in answer.json()["detail"].split("; ")] == [
        "parties",
        "ring",
        "mode",
    ]


async def test_a_party_id_may_have_128_characters_of_any_kind() -> None:
    ids = ["\U0001f642" * 128, "\u0000\u200e"]
    created = await Api().create(parties=[{"id": each} for each in ids])
    assert list(created["parties"]) == ids
