"""Every fault is problem+json, and none says what was sent."""

import logging

import httpx
import pytest

from relay.api.problems import KINDS
from tests.api.memory_relay import JSON, Api

CANARY = "198.51.100.213"


def check_problem(answer: httpx.Response, kind: str) -> None:
    status, title = KINDS[kind]
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "call"}
    assert (answer.status_code, body["status"]) == (status, status)
    assert (body["type"], body["title"]) == (f"urn:callveil:problem:{kind}", title)


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/", "not_found"),
        ("GET", "/v1/calls/", "not_found"),
        ("GET", f"/{CANARY}", "not_found"),
        ("GET", "/v1/events", "not_found"),
        ("GET", f"/v1/calls/{CANARY}", "unknown_call"),
        ("POST", f"/v1/calls/{CANARY}/accept", "unknown_call"),
        ("DELETE", f"/v1/calls/cv_{CANARY}", "unknown_call"),
        ("DELETE", f"/v1/calls/{CANARY}:", "unknown_call"),
        ("DELETE", f"/v1/calls/cv_{CANARY}/parties/{CANARY}", "unknown_call"),
        ("PUT", "/v1/calls", "method_not_allowed"),
        ("PUT", f"/v1/calls/{CANARY}", "method_not_allowed"),
        ("GET", f"/v1/calls?limit={CANARY}", "invalid_request"),
    ],
)
async def test_what_is_not_there_is_a_problem(method: str, path: str, kind: str) -> None:
    answer = await Api()(method, path)
    check_problem(answer, kind)
    assert CANARY not in answer.text
    assert kind not in ("not_found", "method_not_allowed") or answer.json()["detail"] == ""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe{}",
        b"\x00",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"1" * 50_000,
        b"NaN",
        b"-Infinity",
        b'{"parties": [{"id": "\\ud800"}, {"id": "b"}]}',
        b'{"parties": [{"id": "a"}, {"id": "b"}], "ring": NaN}',
        CANARY.encode(),
    ],
)
async def test_bytes_that_are_no_call_are_a_problem(body: bytes) -> None:
    answer = await Api()("POST", "/v1/calls", content=body, headers=JSON)
    assert answer.status_code in (400, 422)
    check_problem(answer, "malformed_body" if answer.status_code == 400 else "invalid_request")
    assert CANARY not in answer.text


async def test_a_body_of_another_type_is_told_which_is_expected() -> None:
    answer = await Api()("POST", "/v1/calls", content=b'{"parties": []}')
    check_problem(answer, "invalid_request")
    assert "Content-Type: application/json" in answer.json()["detail"]


async def test_what_breaks_inside_is_a_500_that_says_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(CANARY)

    api = Api()
    call = (await api.create(ring=True))["id"]
    monkeypatch.setattr(api.relay, "accept", fail)
    caplog.set_level(logging.DEBUG)
    answer = await api("POST", f"/v1/calls/{call}/accept")
    check_problem(answer, "internal_error")
    assert (answer.json()["detail"], answer.json()["call"]) == ("", None)
    (record,) = (each for each in caplog.records if each.levelno >= logging.ERROR)
    assert record.message == "api_internal_error"
    assert "RuntimeError" in vars(record)["trace"]
    assert CANARY not in f"{answer.text}{vars(record)}"


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (
            f"listen[0]: 'udp:{CANARY}': expected udp://, tcp:// or tls://",
            "listen[0]: expected udp",
        ),
        ("auth.ttl_s: 'x: expected y': expected 60 to 10", "auth.ttl_s: expected 60 to 10. "),
        ("auth.secrets: expected a list", "auth.secrets: expected a list. "),
        ("rings: unknown key; did you mean ring?", "rings: unknown key; did you mean ring?. "),
        ("CALLVEIL__X: unknown variable", "CALLVEIL__X: unknown variable. "),
        (
            "line 3, column 1: this key is here for the second time",
            "line 3, column 1: this key is ",
        ),
        ("'/etc/a: b.yaml': cannot be read: no file", "the file: cannot be read: no file. "),
        (
            f"api.tokens: []: expected one, since it listens on {CANARY}",
            "api.tokens: expected another value",
        ),
        (f"relay.addresses: {CANARY}", "relay.addresses: expected another value. "),
        ("auth.secrets: 'hush'", "auth.secrets: expected another value. "),
        (f"{CANARY}: unknown key", "an unknown key. "),
        (f"line 3: not YAML: {CANARY}", "not YAML. "),
    ],
)
async def test_a_fault_of_the_configuration_is_named_without_its_value(
    fault: str, named: str
) -> None:
    api = Api()
    api.relay.config_faults = (fault,)
    answer = await api("POST", "/v1/reload")
    check_problem(answer, "bad_configuration")
    assert answer.json()["detail"].startswith(f"1 fault: {named}")
    assert answer.json()["detail"].endswith(". Run `callveil check-config` to see the values.")
    assert CANARY not in answer.text
    assert "hush" not in answer.text


async def test_all_faults_of_the_configuration_are_named_up_to_eight() -> None:
    api = Api()
    for count, shown in ((2, "2 faults: k0: expected a; k1: expected a. "), (9, "expected a; …. ")):
        api.relay.config_faults = tuple(f"k{number}: 1: expected a" for number in range(count))
        detail = (await api("POST", "/v1/reload")).json()["detail"]
        assert shown in detail
        assert "k8" not in detail
