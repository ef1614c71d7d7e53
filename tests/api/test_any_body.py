"""Whatever is sent, the answer is a call or says what is wrong; and nothing sent shows anywhere."""

import json
import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.memory_relay import JSON, Api

CANARIES = ("party-7d1f0c", "198.51.100.213", "2001:db8:5:7::d1f0", "3325256917")
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=140)
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
PARTY = st.fixed_dictionaries(
    {"id": st.text(max_size=3) | SCALARS},
    optional={"enhanced_call_privacy": SCALARS, "ice": ANYTHING, "address": ANYTHING},
)
NEARLY = st.fixed_dictionaries(
    {"parties": st.lists(PARTY, max_size=10) | ANYTHING},
    optional={
        "ring": SCALARS,
        "mode": st.sampled_from(["turn", "ports"]) | SCALARS,
        "max_duration_s": st.integers(-1, 20_000) | SCALARS,
        "max_bitrate_bps": SCALARS,
    },
)


@given(ANYTHING | NEARLY)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_any_json_is_a_call_or_a_fault_of_the_client(body: Any) -> None:
    api = Api()
    answer = await api("POST", "/v1/calls", content=json.dumps(body), headers=JSON)
    assert answer.status_code in (201, 400, 422)
    assert sum(api.relay.counts().values()) == (answer.status_code == 201)
    if answer.status_code == 201:
        assert list(answer.json()["parties"]) == [party["id"] for party in body["parties"]]
    else:
        assert answer.json()["detail"]


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
async def test_any_bytes_are_a_fault_of_the_client(body: bytes) -> None:
    answer = await Api()("POST", "/v1/calls", content=body, headers=JSON)
    assert answer.status_code in (400, 422)


def _with_canary(canary: str) -> list[Any]:
    fine = [{"id": canary}, {"id": "b"}]
    return [
        canary,
        [canary],
        {canary: 1},
        {"parties": canary},
        {"parties": [canary, canary]},
        {"parties": [{"id": canary}, {"id": canary}]},
        {"parties": [{"id": canary}]},
        {"parties": [{"id": canary * 40}, {"id": "b"}]},
        {"parties": [{"id": "a", canary: 1}, {"id": "b"}]},
        {"parties": [{"id": "a", "enhanced_call_privacy": canary}, {"id": "b"}]},
        {"parties": [{"id": "a", "ice": {"ufrag": canary}}, {"id": "b"}]},
        {"parties": [{"id": "a", "address": {"address": canary}}, {"id": "b"}], "mode": "ports"},
        {"parties": [{"id": "a", "address": {"address": canary, "port": 0}}, {"id": "b"}]},
        {"parties": fine, canary: {canary: canary}},
        {"parties": fine, "ring": canary},
        {"parties": fine, "mode": canary},
        {"parties": fine, "max_duration_s": canary},
        {"parties": fine, "max_bitrate_bps": [canary]},
        {"parties": fine, "max_bitrate_bps": 3325256917},
        {"parties": fine, "max_duration_s": 3325256917.5},
    ]


@pytest.mark.parametrize("canary", CANARIES)
async def test_no_fault_log_or_metric_shows_what_was_sent(
    canary: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api = Api()
    shown = []
    for body in _with_canary(canary):
        for content in (json.dumps(body), json.dumps(body)[:-1]):
            answer = await api("POST", "/v1/calls", content=content, headers=JSON)
            assert answer.status_code in (400, 422), body
            shown += [answer.text, str(answer.headers)]
    fine = [{"id": canary, "enhanced_call_privacy": True}, {"id": "b"}]
    created = await api.create(parties=fine, ring=True)
    told = created["parties"][canary]
    again = await api("POST", f"/v1/calls/{created['id']}/accept")
    refused = await api("POST", f"/v1/calls/{created['id']}/accept")
    assert (again.status_code, refused.status_code) == (200, 409)
    shown += [str(told), refused.text, (await api("GET", "/metrics")).text]
    shown += [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    assert not [text for text in shown if canary in text]
