"""Whatever is sent in a vendor's shape is answered, or is a fault of the client in that shape."""

import json
import logging
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.memory_relay import JSON, Api
from tests.api.test_any_body import ANYTHING, CANARIES, SCALARS
from tests.api.vendors import api_for_users, credential_of, said

_KEY = "/v1/turn/keys/k/credentials"
CLOUDFLARE = (f"{_KEY}/generate-ice-servers", f"{_KEY}/generate")
FORMS = ("/turn", "/2010-04-01/Accounts/AC1/Tokens.json")
FORM = {"content-type": "application/x-www-form-urlencoded"}

EASY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

NEARLY = st.fixed_dictionaries(
    {}, optional={"ttl": st.integers(-1, 100_000) | SCALARS, "customIdentifier": ANYTHING}
)
PARAMETERS = st.lists(
    st.tuples(
        st.sampled_from(["service", "username", "key", "Ttl", "CustomIdentifier"]).map(str.encode)
        | st.binary(max_size=6),
        st.sampled_from([b"turn", b"a:b", b"60"]) | st.binary(max_size=300),
    ),
    max_size=40,
)


def _check(answer: Any) -> None:
    if answer.is_success:
        assert credential_of(answer).username
    else:
        assert 400 <= answer.status_code < 500
        assert said(answer)


@given(ANYTHING | NEARLY, st.booleans())
@EASY
async def test_any_json(body: Any, has_users: bool) -> None:
    for path in CLOUDFLARE:
        api = api_for_users() if has_users else Api()
        _check(await api("POST", path, content=json.dumps(body), headers=JSON))


@given(st.binary(max_size=300), st.sampled_from([JSON, FORM, {}]))
@EASY
async def test_any_bytes(body: bytes, headers: dict[str, str]) -> None:
    for path in (*CLOUDFLARE, *FORMS):
        _check(await api_for_users()("POST", path, content=body, headers=headers))


@given(PARAMETERS, PARAMETERS, st.booleans())
@EASY
async def test_any_form(query: Any, form: Any, has_users: bool) -> None:
    written = [
        b"&".join(quote_from_bytes(n).encode() + b"=" + quote_from_bytes(v).encode() for n, v in of)
        for of in (query, form)
    ]
    for path in FORMS:
        api = api_for_users() if has_users else Api()
        asked = f"{path}?{written[0].decode()}"
        _check(await api("POST", asked, content=written[1], headers=FORM))
        if path == "/turn":
            _check(await api("GET", asked))


@given(st.binary(min_size=1, max_size=300))
@EASY
async def test_any_names_in_the_path(name: bytes) -> None:
    part = quote_from_bytes(name, safe="")
    api = api_for_users()
    for path in (
        f"/v1/turn/keys/{part}/credentials/generate",
        f"/2010-04-01/Accounts/{part}/Tokens.json",
    ):
        _check(await api("POST", path, json={}) if "turn" in path else await api("POST", path))
    revoked = await api("POST", f"/v1/turn/keys/k/credentials/{part}/revoke")
    assert (revoked.status_code, bool(said(revoked))) == (404, True)


@given(st.binary(max_size=100))
@EASY
async def test_any_token(shown: bytes) -> None:
    api = Api(tokens=("a token of the tests only",))
    header = {b"authorization": b"Basic " + shown.replace(b"\n", b"").replace(b"\r", b"")}
    answer = await api("POST", FORMS[1], headers=header)
    assert (answer.status_code, bool(said(answer))) == (401, True)
    asked = f"/turn?key={quote_from_bytes(shown)}&username=a:b"
    assert (await api("GET", asked)).status_code == 401


async def test_nesting_without_end_is_a_fault_of_the_client() -> None:
    for body in ("[" * 60_000, '{"ttl":' * 8_000, '{"ttl": ' + "9" * 50_000 + "}"):
        for path in CLOUDFLARE:
            _check(await Api()("POST", path, content=body, headers=JSON))


@pytest.mark.parametrize("canary", CANARIES)
async def test_no_fault_log_or_metric_shows_what_was_sent(
    canary: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api, shown = Api(), []
    bodies = [canary, {"customIdentifier": [canary]}, {"ttl": canary, canary: canary}]
    asked: list[tuple[str, dict[str, Any]]] = [
        *((path, {"json": body}) for path in CLOUDFLARE for body in bodies),
        *((path, {"content": canary, "headers": JSON}) for path in CLOUDFLARE),
        *((path, {"data": {"Ttl": canary, "service": canary, canary: canary}}) for path in FORMS),
        (f"/v1/turn/keys/k/credentials/{canary}/revoke", {}),
        (f"/2010-04-01/Accounts/{canary}/Tokens.json", {}),
    ]
    for path, request in asked:
        answer = await api("POST", path, **request)
        assert 400 <= answer.status_code < 500, path
        shown += [answer.text, str(answer.headers)]
    for path, request in (
        (CLOUDFLARE[0], {"json": {"customIdentifier": canary}}),
        (FORMS[0], {"params": {"username": canary, "key": canary}}),
        (FORMS[0], {"params": {"username": f"{canary}:{canary}"}}),
    ):
        answer = await api("POST", path, **request)
        assert answer.is_success or request.get("params", {}).get("username") == canary
        shown += [answer.text, str(answer.headers)]
    shown.append((await api("GET", "/metrics")).text)
    ours = [record for record in caplog.records if record.name != "httpx"]  # it tells its URLs
    shown += [f"{record.getMessage()} {vars(record)}" for record in ours]
    assert not [text for text in shown if canary in text]
