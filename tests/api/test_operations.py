"""Probes, status, drain, reload, the OpenAPI document, and URLs of listeners."""

import pytest

from relay import __version__
from relay.api.relay import turn_url
from tests.api.memory_relay import Api
from tests.api.test_faults import check_problem


async def test_the_relay_is_ready_until_it_drains_and_alive_all_the_time() -> None:
    api = Api()
    assert (await api("GET", "/readyz")).json() == {"status": "ready"}
    assert (await api("POST", "/v1/drain")).status_code == 202
    check_problem(await api("GET", "/readyz"), "not_ready")
    assert (await api("GET", "/healthz")).json() == {"status": "ok"}


async def test_a_relay_that_has_not_started_is_not_ready() -> None:
    api = Api()
    api.relay.is_ready = False
    check_problem(await api("GET", "/readyz"), "not_ready")


async def test_neither_a_new_call_nor_readiness_asks_for_the_status_which_counts_allocations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api = Api()
    monkeypatch.setattr(api.relay, "status", None)
    await api.create()
    assert (await api("GET", "/readyz")).status_code == 200
    api.relay.drain()
    two = {"parties": [{"id": "a"}, {"id": "b"}]}
    assert (await api("POST", "/v1/calls", json=two)).status_code == 503
    assert (await api("GET", "/readyz")).status_code == 503


async def test_status_says_how_the_daemon_is() -> None:
    api = Api()
    await api.create(ring=True)
    await api.create(ring=False)
    await api.create(ring=False)
    expected = {
        "version": __version__,
        "ready": True,
        "draining": False,
        "uptime_s": 12.5,
        "calls": {"ringing": 1, "active": 2},
        "allocations": 3,
        "fastpath": "off",
    }
    assert (await api("GET", "/v1/status")).json() == expected
    drained = await api("POST", "/v1/drain")
    assert drained.json() == {**expected, "ready": False, "draining": True}


async def test_reload_is_passed_on() -> None:
    api = Api()
    assert (await api("POST", "/v1/reload")).status_code == 200
    assert (api.relay.reloads, api.relay.done) == (1, [])


async def test_metrics_are_what_the_daemon_renders() -> None:
    api = Api()
    await api.create(ring=True)
    answer = await api("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'callveil_calls{state="ringing"} 1.0' in answer.text


@pytest.mark.parametrize(
    ("transport", "host", "url"),
    [
        ("udp", "relay.example", "turn:relay.example:3478?transport=udp"),
        ("tcp", "192.0.2.1", "turn:192.0.2.1:3478?transport=tcp"),
        ("tls", "2001:db8::1", "turns:[2001:db8::1]:3478?transport=tcp"),
    ],
)
def test_a_listener_has_a_url(transport: str, host: str, url: str) -> None:
    assert turn_url(transport, host, 3478) == url
