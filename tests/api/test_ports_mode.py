"""Calls in ports mode over the API: created, told more about, refused."""

from dataclasses import asdict, replace
from typing import Any

import httpx
import pytest

from relay.address import ClientAddress, FiveTuple, ServerAddress, Transport
from relay.api.relay import Party
from relay.api.schemas import endpoints
from relay.calls.call import RING_TIMEOUT_S
from relay.effects import (
    NO_CHANNEL,
    CallAccepted,
    CallCreated,
    LegConnected,
    LegKey,
    OpenPort,
    SetLeg,
    SetRoute,
)
from relay.ice.access import PWD, UFRAG
from relay.ice.routes import ROUTE_LIFETIME_S
from tests.api.memory_relay import SETTINGS, Api, MemoryRelay

CALL, ALICES, BOBS = (f"{number:022}" for number in (1, 2, 3))
ALICE, BOB = LegKey(f"cv_{CALL}", ALICES), LegKey(f"cv_{CALL}", BOBS)
ICE = {"ufrag": "F7gI", "pwd": "x9cml/YzichV2+XlhiMu8g"}
RESTARTED = {"ufrag": "q0Ex", "pwd": "bW9yZSB0aGFuIGVub3VnaCE"}
ADDRESS = {"address": "198.51.100.213", "port": 4000}
OTHER_ADDRESS = {"address": "198.51.100.7", "port": 5000}
CANARY = "198.51.100.213"


def _endpoint(told: dict[str, Any]) -> dict[str, Any]:
    """The endpoint in an answer: of the relay, and with ICE credentials of the relay's, if any."""
    endpoint: dict[str, Any] = told["endpoint"]
    assert endpoint["address"] == "203.0.113.7"
    assert endpoint["port"] in SETTINGS.turn.ports
    assert set(endpoint) - {"ice"} == {"address", "port"}
    if "ice" in endpoint:
        assert set(endpoint["ice"]) == {"ufrag", "pwd"}
        assert UFRAG.fullmatch(endpoint["ice"]["ufrag"])
        assert PWD.fullmatch(endpoint["ice"]["pwd"])
    return endpoint


def _at(address: dict[str, Any], endpoint: dict[str, Any]) -> FiveTuple:
    """What comes from there to a relayed port, or goes back."""
    client = ClientAddress.parse(address["address"], address["port"])
    return FiveTuple(Transport.UDP, client, _port(endpoint))


def _port(endpoint: dict[str, Any]) -> ServerAddress:
    return ServerAddress.parse(endpoint["address"], endpoint["port"])


def _route(source: FiveTuple, target: FiveTuple, leg: LegKey, now: float) -> SetRoute:
    """A route between two relayed ports as it is set now."""
    until = int((now + ROUTE_LIFETIME_S) * 1e9)
    return SetRoute(source, NO_CHANNEL, target, NO_CHANNEL, leg, until)


def _parties(alice: Any = None, bob: Any = None) -> dict[str, Any]:
    parties = [
        {"id": "alice", "enhanced_call_privacy": True, **(alice or {})},
        {"id": "bob", **(bob or {})},
    ]
    return {"parties": parties, "mode": "ports"}


async def test_each_party_is_told_its_own_port_and_nothing_else() -> None:
    api = Api()
    body = _parties({"ice": ICE}, {"address": ADDRESS})
    created = (await api("POST", "/v1/calls", json=body)).json()
    alice, bob = (_endpoint(party) for party in created["parties"].values())
    assert created == {
        "id": f"cv_{CALL}",
        "state": "ringing",
        "relayed": True,
        "masked": ["alice", "bob"],
        "expires_at": "2023-11-15T02:30:00Z",
        "parties": {
            "alice": {"leg": ALICES, "endpoint": alice},
            "bob": {"leg": BOBS, "endpoint": bob},
        },
    }
    assert ("ice" in alice, "ice" in bob, alice["port"] == bob["port"]) == (True, False, False)
    assert api.relay.done == [
        SetLeg(ALICE, 8_000_000, 4_000),
        OpenPort(_port(alice)),
        SetLeg(BOB, 8_000_000, 4_000),
        OpenPort(_port(bob)),
        LegConnected(BOB, Transport.UDP),
        CallCreated(f"cv_{CALL}", is_ringing=True),
    ]


async def test_data_goes_to_the_addresses_that_were_said_at_the_creation() -> None:
    api = Api()
    created = await api.create(**_parties({"address": OTHER_ADDRESS}, {"address": ADDRESS}))
    alice, bob = (_endpoint(party) for party in created["parties"].values())
    await api("POST", f"/v1/calls/{created['id']}/accept")
    at_alice, at_bob = _at(OTHER_ADDRESS, alice), _at(ADDRESS, bob)
    assert api.relay.done == [
        _route(at_alice, at_bob, ALICE, api.relay.mono),
        _route(at_bob, at_alice, BOB, api.relay.mono),
        CallAccepted(created["id"]),
    ]


async def test_other_ice_credentials_than_were_said_at_the_creation_restart_ice() -> None:
    api = Api()
    created = await api.create(**_parties({"ice": ICE}))
    told = _endpoint(created["parties"]["alice"])
    same = await _say(api, created["id"], party="alice", ice=ICE)
    assert _endpoint(same.json()) == told
    renewed = _endpoint((await _say(api, created["id"], party="alice", ice=RESTARTED)).json())
    assert renewed["port"] == told["port"]
    assert renewed["ice"]["ufrag"] != told["ice"]["ufrag"]
    assert renewed["ice"]["pwd"] != told["ice"]["pwd"]
    assert api.relay.done == []


async def test_no_password_of_ice_is_printed_where_it_passes_through() -> None:
    api = Api()
    created = await api.create(**_parties({"ice": ICE}))
    own = _endpoint(created["parties"]["alice"])["ice"]
    asked, told = endpoints.IceCredentials(**ICE), endpoints.IceCredentials(**own)
    access = endpoints.PartyAccess(ice=asked).access()
    kept = api.relay.endpoints(api.relay.call(created["id"]))
    printed = f"{asked!r} {asked} {told!r} {access!r} {kept!r}"
    assert "F7gI" in printed
    assert own["ufrag"] in printed
    assert ICE["pwd"] not in printed
    assert own["pwd"] not in printed


async def test_a_party_of_which_nothing_is_known_is_offered_ice() -> None:
    created = await Api().create(**_parties())
    alice, bob = (_endpoint(party) for party in created["parties"].values())
    assert created["parties"] == {
        "alice": {"leg": ALICES, "endpoint": alice},
        "bob": {"leg": BOBS, "endpoint": bob},
    }
    assert alice["port"] != bob["port"]
    assert alice["ice"]["ufrag"] != bob["ice"]["ufrag"]
    assert alice["ice"]["pwd"] != bob["ice"]["pwd"]


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
        api.relay.begin(created["id"], ALICES)


async def test_without_a_free_port_there_is_no_call() -> None:
    one = range(50_000, 50_001)
    turn = replace(SETTINGS.turn, ports=one)
    api = Api(MemoryRelay(settings=replace(SETTINGS, turn=turn)))
    answer = await api("POST", "/v1/calls", json=_parties())
    assert (answer.status_code, sum(api.relay.counts().values())) == (503, 0)
    assert answer.json()["type"] == "urn:callveil:problem:out_of_ports"
    assert api.relay.done == []


async def test_more_than_two_parties_are_refused() -> None:
    three = [{"id": each} for each in "abc"]
    answer = await Api()("POST", "/v1/calls", json={"parties": three, "mode": "ports"})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "parties: a call in ports mode has exactly 2 parties."


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
    assert sum(api.relay.counts().values()) == 0


async def test_turn_mode_takes_no_access() -> None:
    answer = await Api()("POST", "/v1/calls", json={**_parties({"ice": ICE}), "mode": "turn"})
    assert answer.status_code == 422


async def _say(api: Api, call: str, **body: Any) -> httpx.Response:
    return await api("POST", f"/v1/calls/{call}/endpoint", json=body)


async def test_where_a_party_is_can_be_said_later() -> None:
    api = Api()
    created = await api.create(**_parties({"address": OTHER_ADDRESS}), ring=False)
    alice, bob = (_endpoint(party) for party in created["parties"].values())
    answer = await _say(api, created["id"], party="bob", ice=ICE)
    assert (answer.status_code, answer.json()) == (200, {"endpoint": bob})
    assert api.relay.done == []
    answer = await _say(api, created["id"], party="bob", address=ADDRESS)
    assert answer.json() == {"endpoint": {"address": "203.0.113.7", "port": bob["port"]}}
    at_alice, at_bob = _at(OTHER_ADDRESS, alice), _at(ADDRESS, bob)
    assert api.relay.done == [
        LegConnected(BOB, Transport.UDP),
        _route(at_bob, at_alice, BOB, api.relay.mono),
        _route(at_alice, at_bob, ALICE, api.relay.mono),
    ]


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
    api.relay.advance(RING_TIMEOUT_S)
    assert (await _say(api, call, party="bob", ice=ICE)).status_code == 409


async def test_a_refused_address_is_a_fault_of_the_call() -> None:
    api = Api()
    call = (await api.create(**_parties()))["id"]
    answer = await _say(api, call, party="bob", address={**ADDRESS, "address": "203.0.113.7"})
    assert (answer.status_code, api.relay.done) == (422, [])
    assert answer.json()["detail"].startswith("address: give the party's address, not one of the ")


async def test_a_third_party_cannot_join_and_descriptions_are_the_signaling_servers() -> None:
    api = Api()
    call = (await api.create(**_parties()))["id"]
    answer = await api("PATCH", f"/v1/calls/{call}", json={"parties": [{"id": "carol"}]})
    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        "parties: a call in ports mode has exactly 2 parties.",
    )
    for path, body in (("description", {"sdp": "v=0"}), ("candidate", {"candidate": ""})):
        answer = await api("POST", f"/v1/calls/{call}/{path}", json={"from": "bob", **body})
        assert answer.status_code == 409
