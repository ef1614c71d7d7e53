"""Calls in ports mode over the API: created, told more about, refused."""

from dataclasses import asdict
from typing import Any

import httpx
import pytest

from relay.address import ClientAddress, Transport
from relay.api.relay import Party
from relay.api.schemas import endpoints
from relay.calls.registry import RING_TIMEOUT_S
from relay.errors import CallError
from relay.ice.access import Access, IceCredentials
from tests.api.memory_relay import Api

CALL, ALICES, BOBS = (f"{number:022}" for number in (1, 2, 3))
ICE = {"ufrag": "F7gI", "pwd": "x9cml/YzichV2+XlhiMu8g"}
ADDRESS = {"address": "198.51.100.213", "port": 4000}
AT = ClientAddress.parse("198.51.100.213", 4000)
CANARY = "198.51.100.213"


def _told(leg: str, port: int, *, ice: bool = True) -> dict[str, Any]:
    endpoint: dict[str, Any] = {"address": "203.0.113.7", "port": port}
    if ice:
        endpoint["ice"] = {"ufrag": f"ufrag{leg[-1]}", "pwd": "p" * 24}
    return {"leg": leg, "endpoint": endpoint}


def _parties(alice: Any = None, bob: Any = None) -> dict[str, Any]:
    parties = [
        {"id": "alice", "enhanced_call_privacy": True, **(alice or {})},
        {"id": "bob", **(bob or {})},
    ]
    return {"parties": parties, "mode": "ports"}


async def test_each_party_is_told_its_own_port_and_nothing_else() -> None:
    api = Api()
    assert await api.create(**_parties({"ice": ICE}, {"address": ADDRESS})) == {
        "id": f"cv_{CALL}",
        "state": "ringing",
        "relayed": True,
        "masked": ["alice", "bob"],
        "expires_at": "2023-11-15T02:30:00Z",
        "parties": {"alice": _told(ALICES, 50_000), "bob": _told(BOBS, 50_001, ice=False)},
    }
    assert api.relay.told == [("open_ports", f"cv_{CALL}")]
    assert list(api.relay.access.values()) == [
        Access(ice=IceCredentials(**ICE)),
        Access(address=AT),
    ]


async def test_no_password_of_ice_is_printed_where_it_passes_through() -> None:
    api = Api()
    await api.create(**_parties({"ice": ICE}))
    asked = endpoints.IceCredentials(**ICE)
    told = endpoints.IceCredentials(ufrag="9uB6", pwd="p" * 24)
    printed = f"{asked!r} {asked} {told!r} {list(api.relay.access.values())!r}"
    assert "F7gI" in printed
    assert ICE["pwd"] not in printed
    assert told.pwd not in printed


async def test_a_party_of_which_nothing_is_known_is_offered_ice() -> None:
    created = await Api().create(**_parties())
    assert created["parties"] == {"alice": _told(ALICES, 50_000), "bob": _told(BOBS, 50_001)}


async def test_such_a_call_is_relayed_even_if_nobody_asked_for_privacy() -> None:
    created = await Api().create(parties=[{"id": "a"}, {"id": "b"}], mode="ports")
    assert (created["relayed"], created["masked"]) == (True, ["a", "b"])


async def test_statistics_are_those_of_any_call() -> None:
    api = Api()
    created = await api.create(**_parties())
    view = Party(
        leg=BOBS,
        connected=True,
        transport=Transport.UDP,
        path="user",
        packets=3,
        bytes=300,
        dropped=1,
    )
    api.relay.known[created["id"]] = {BOBS: view}
    shown = (await api("GET", f"/v1/calls/{created['id']}")).json()["parties"]["bob"]
    assert shown == asdict(view)


async def test_no_leg_of_it_may_allocate() -> None:
    api = Api()
    created = await api.create(**_parties(), ring=False)
    with pytest.raises(Exception, match="403"):
        api.relay.registry.admit(created["id"], ALICES, api.relay.now())


async def test_without_a_free_port_there_is_no_call() -> None:
    api = Api()
    api.relay.ports_fault = CallError("out_of_ports", "Every relayed port is taken or resting.")
    answer = await api("POST", "/v1/calls", json=_parties())
    assert (answer.status_code, len(api.relay.registry)) == (503, 0)
    assert answer.json()["type"] == "urn:callveil:problem:out_of_ports"


async def test_more_than_two_parties_are_refused() -> None:
    three = [{"id": each} for each in "abc"]
    answer = await Api()("POST", "/v1/calls", json={"parties": three, "mode": "ports"})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "parties: 2 are expected in ports mode."


@pytest.mark.parametrize(
    ("alice", "where"),
    [
        ({"ice": ICE, "address": ADDRESS}, "parties.0"),
        ({"ice": {"ufrag": "abc", "pwd": ICE["pwd"]}}, "parties.0.ice.ufrag"),
        ({"ice": {"ufrag": "a b c", "pwd": ICE["pwd"]}}, "parties.0.ice.ufrag"),
        ({"ice": {"ufrag": "abcd\n", "pwd": ICE["pwd"]}}, "parties.0.ice.ufrag"),
        ({"ice": {"ufrag": "a" * 257, "pwd": ICE["pwd"]}}, "parties.0.ice.ufrag"),
        ({"ice": {"ufrag": "abcd", "pwd": "short"}}, "parties.0.ice.pwd"),
        ({"ice": {"ufrag": "abcd"}}, "parties.0.ice.pwd"),
        ({"ice": {**ICE, "x": 1}}, "parties.0.ice"),
        ({"address": {"address": "phone.example", "port": 1}}, "parties.0.address"),
        ({"address": {"address": f"{CANARY}%eth0", "port": 1}}, "parties.0.address"),
        ({"address": {"address": 3325256917, "port": 1}}, "parties.0.address.address"),
        ({"address": {"address": CANARY, "port": 0}}, "parties.0.address.port"),
        ({"address": {"address": CANARY, "port": 65536}}, "parties.0.address.port"),
        ({"address": {"address": CANARY, "port": "80"}}, "parties.0.address.port"),
        ({"address": f"{CANARY}:4000"}, "parties.0.address"),
    ],
)
async def test_a_wrong_access_is_named_and_not_repeated(alice: Any, where: str) -> None:
    api = Api()
    answer = await api("POST", "/v1/calls", json=_parties(alice))
    assert answer.status_code == 422
    assert answer.json()["detail"].partition(": ")[0] == where
    assert CANARY not in answer.text
    assert len(api.relay.registry) == 0


async def test_turn_mode_takes_no_access() -> None:
    answer = await Api()("POST", "/v1/calls", json={**_parties({"ice": ICE}), "mode": "turn"})
    assert answer.status_code == 422


async def _say(api: Api, call: str, **body: Any) -> httpx.Response:
    return await api("POST", f"/v1/calls/{call}/endpoint", json=body)


async def test_where_a_party_is_can_be_said_later() -> None:
    api = Api()
    call = (await api.create(**_parties()))["id"]
    answer = await _say(api, call, party="bob", ice=ICE)
    assert (answer.status_code, answer.json()) == (
        200,
        {"endpoint": _told(BOBS, 50_001)["endpoint"]},
    )
    assert api.relay.access[call, BOBS] == Access(ice=IceCredentials(**ICE))
    answer = await _say(api, call, party="bob", address=ADDRESS)
    assert answer.json() == {"endpoint": {"address": "203.0.113.7", "port": 50_001}}
    assert api.relay.access[call, BOBS] == Access(address=AT)


@pytest.mark.parametrize(
    "body",
    [
        {"party": "bob"},
        {"ice": ICE},
        {"party": "bob", "ice": ICE, "address": ADDRESS},
        {"party": "bob", "ice": ICE, "x": 1},
    ],
)
async def test_what_says_nothing_about_a_party_is_a_fault(body: dict[str, Any]) -> None:
    api = Api()
    call = (await api.create(**_parties()))["id"]
    assert (await _say(api, call, **body)).status_code == 422


async def test_only_a_live_call_in_ports_mode_has_endpoints() -> None:
    api = Api()
    assert (await _say(api, "cv_nothing", party="bob", ice=ICE)).status_code == 404
    some = (await api.create(**_parties()))["id"]
    assert (await _say(api, some, party="carol", ice=ICE)).status_code == 404
    turn = (await api.create())["id"]
    assert (await _say(api, turn, party="bob", ice=ICE)).status_code == 409
    call = (await api.create(**_parties()))["id"]
    api.relay.book.advance(RING_TIMEOUT_S)
    assert (await _say(api, call, party="bob", ice=ICE)).status_code == 409


async def test_a_refused_address_is_a_fault_of_the_call() -> None:
    api = Api()
    call = (await api.create(**_parties()))["id"]
    api.relay.ports_fault = CallError("invalid_request", "address: …")
    assert (await _say(api, call, party="bob", address=ADDRESS)).status_code == 422


async def test_a_third_party_cannot_join_and_descriptions_are_the_signaling_servers() -> None:
    api = Api()
    call = (await api.create(**_parties()))["id"]
    answer = await api("PATCH", f"/v1/calls/{call}", json={"parties": [{"id": "carol"}]})
    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        "parties: 2 are expected in ports mode.",
    )
    for path, body in (("description", {"sdp": "v=0"}), ("candidate", {"candidate": ""})):
        answer = await api("POST", f"/v1/calls/{call}/{path}", json={"from": "bob", **body})
        assert answer.status_code == 409
