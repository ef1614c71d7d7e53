"""Look at, list, accept and end calls."""

from dataclasses import asdict

from relay.address import Transport
from relay.api.relay import Party
from relay.effects import CallAccepted, CallEnded, EndReason
from tests.api.memory_relay import Api


def _leg(leg: str, **known: object) -> dict[str, object]:
    return {**asdict(Party(leg=leg)), **known}


async def test_a_call_shows_the_statistics_of_its_legs() -> None:
    api = Api()
    created = await api.create(ring=True)
    legs = {name: party["leg"] for name, party in created["parties"].items()}
    view = Party(
        leg=legs["bob"],
        connected=True,
        transport=Transport.TLS,
        path="kernel",
        packets=7,
        bytes=1_120,
        dropped=2,
    )
    api.relay.known[created["id"]] = {legs["bob"]: view}
    answer = await api("GET", f"/v1/calls/{created['id']}")
    assert answer.status_code == 200
    assert answer.json() == {
        **created,
        "parties": {"alice": _leg(legs["alice"]), "bob": asdict(view)},
    }


async def test_accepting_opens_the_call_before_it_is_answered() -> None:
    api = Api()
    created = await api.create(ring=True)
    answer = await api("POST", f"/v1/calls/{created['id']}/accept")
    assert (answer.status_code, answer.json()["state"]) == (200, "active")
    shown = (await api("GET", f"/v1/calls/{created['id']}")).json()
    assert answer.json() == {**shown, "candidates": {}, "descriptions": {}}
    assert api.relay.done == [CallAccepted(created["id"])]


async def test_accepting_an_active_call_is_a_409_and_opens_nothing() -> None:
    api = Api()
    call = (await api.create(ring=False))["id"]
    answer = await api("POST", f"/v1/calls/{call}/accept")
    assert (answer.status_code, api.relay.done) == (409, [])
    assert answer.json() == {
        "type": "urn:callveil:problem:wrong_state",
        "title": "The state of the call does not allow this",
        "status": 409,
        "detail": "Only a ringing call can be accepted. This call is active.",
        "call": call,
    }


async def test_ending_twice_is_204_twice_and_done_once() -> None:
    api = Api()
    call = (await api.create())["id"]
    answers = [await api("DELETE", f"/v1/calls/{call}") for _ in range(2)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 2
    assert api.relay.done == [CallEnded(call, EndReason.ENDED, 0.0, ())]


async def test_an_ended_call_is_shown_without_its_parties_and_listed_no_more() -> None:
    api = Api()
    created = await api.create()
    await api("DELETE", f"/v1/calls/{created['id']}")
    shown = (await api("GET", f"/v1/calls/{created['id']}")).json()
    assert shown == {
        "id": created["id"],
        "state": "ended",
        "relayed": True,
        "masked": [],
        "expires_at": "2023-11-14T22:30:00Z",
        "parties": {},
    }
    assert (await api("GET", "/v1/calls")).json() == {"calls": [], "next": None}
    assert (await api("POST", f"/v1/calls/{created['id']}/accept")).status_code == 409


async def test_a_call_that_a_credential_named_is_shown_and_ended_like_any_other() -> None:
    api = Api()
    api.relay.begin("room 1", "one")
    shown = (await api("GET", "/v1/calls/room%201")).json()
    assert (shown["state"], shown["masked"]) == ("active", ["one"])
    assert shown["parties"] == {"one": _leg("one")}
    assert (await api("DELETE", "/v1/calls/room%201")).status_code == 204
    assert api.relay.done == [CallEnded("room 1", EndReason.ENDED, 0.0, ())]


async def test_the_list_is_given_in_pages() -> None:
    api = Api()
    ids = [(await api.create())["id"] for _ in range(5)]
    pages, after = [], 0
    while after is not None:
        page = (await api("GET", "/v1/calls", params={"limit": 2, "after": after})).json()
        pages.append([call["id"] for call in page["calls"]])
        after = page["next"]
    assert pages == [ids[:2], ids[2:4], ids[4:]]
    whole = (await api("GET", "/v1/calls")).json()
    assert whole["calls"] == [(await api("GET", f"/v1/calls/{call}")).json() for call in ids]
    assert whole["next"] is None


async def test_a_page_is_no_longer_than_two_hundred_calls() -> None:
    for query in ({"limit": 201}, {"limit": 0}, {"after": -1}, {"after": "x"}):
        answer = await Api()("GET", "/v1/calls", params=query)
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith(f"{next(iter(query))}: ")
