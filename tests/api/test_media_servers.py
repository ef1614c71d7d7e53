"""Media servers as parties of a call: declared, told to nobody who should not know, refused."""

from typing import Any

import pytest

from tests.api.memory_relay import Api

CANARY = "8.8.4.13"
SFU = {"id": "sfu", "address": CANARY, "ports": "10000-20000"}


def _call(*parties: Any, **more: Any) -> dict[str, Any]:
    alice = {"id": "alice", "enhanced_call_privacy": True}
    return {"parties": [alice, {"id": "bob"}, *parties], "ring": False, **more}


async def test_it_gets_a_leg_and_no_credential_and_is_not_masked() -> None:
    api = Api()
    created = (await api("POST", "/v1/calls", json=_call(SFU))).json()
    assert created["parties"]["sfu"].keys() == {"leg"}
    assert created["masked"] == ["alice", "bob"]
    assert "rtc_configuration" in created["parties"]["bob"]
    shown = await api("GET", f"/v1/calls/{created['id']}")
    assert shown.json()["parties"]["sfu"]["connected"] is False
    assert CANARY not in shown.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"ports": None},
        {"ports": "20000-10000"},
        {"ports": "0"},
        {"ports": "1-65536"},
        {"ports": "all"},
        {"address": None},
        {"address": f"{CANARY}/32"},
        {"address": "128.0.0.0/1"},
        {"address": "2a00::1%eth0"},
        {"address": "sfu.example.org"},
        {"address": {"address": CANARY, "port": 1}},
        {"address": "127.0.0.1"},
        {"address": "10.0.0.1"},
        {"address": "203.0.113.7"},
        {"address": f"::ffff:{CANARY}"},
        {"enhanced_call_privacy": True},
        {"ice": {"ufrag": "F7gI", "pwd": "x9cml/YzichV2+XlhiMu8g"}, "ports": None},
    ],
)
async def test_a_wrong_one_is_refused_and_not_repeated(wrong: dict[str, Any]) -> None:
    api = Api()
    party = {key: value for key, value in {**SFU, **wrong}.items() if value is not None}
    answer = await api("POST", "/v1/calls", json=_call(party))
    assert answer.status_code in (400, 422)
    assert CANARY not in answer.text
    assert sum(api.relay.counts().values()) == 0


async def test_ports_mode_and_changes_know_none() -> None:
    api = Api()
    assert (await api("POST", "/v1/calls", json=_call(SFU, mode="ports"))).status_code in (400, 422)
    created = (await api("POST", "/v1/calls", json=_call())).json()
    answer = await api("PATCH", f"/v1/calls/{created['id']}", json={"parties": [SFU]})
    assert answer.status_code == 422


async def test_its_description_is_passed_on_as_it_is_and_not_rebuilt() -> None:
    api = Api()
    created = (await api("POST", "/v1/calls", json=_call(SFU))).json()
    path = f"/v1/calls/{created['id']}/description"
    answer = await api("POST", path, json={"from": "sfu", "sdp": "v=0\r\n"})
    assert answer.status_code == 409
