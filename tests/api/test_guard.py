"""Who may ask, and how much may be sent."""

from collections.abc import AsyncIterator

import pytest

from relay.api.requirements import MAX_BODY_BYTES, ROUTES
from tests.api.memory_relay import JSON, Api
from tests.api.test_faults import check_problem

TOKENS = ("first token of two", "second token of two")

OPEN = [path for path, required in ROUTES.items() if not required.needs_token]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_any_of_the_tokens_opens_the_api(token: str, scheme: str) -> None:
    header = {"authorization": f"{scheme} {token}"}
    answer = await Api(tokens=TOKENS)("GET", "/v1/calls", headers=header)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKENS[0]}x",
        f"Bearer {TOKENS[0][:-1]}",
        f"Bearer {TOKENS[0].upper()}",
        f"Basic {TOKENS[0]}",
        TOKENS[0],
        "Bearer \u00e9\u00ff",
    ],
)
async def test_without_a_good_token_the_answer_is_401(header: str | None) -> None:
    headers = {} if header is None else {b"authorization": header.encode("latin-1")}
    for method, path in (("GET", "/v1/calls"), ("POST", "/v1/drain"), ("GET", "/nowhere")):
        api = Api(tokens=TOKENS)
        answer = await api(method, path, headers=headers)
        check_problem(answer, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert not api.relay.is_draining


async def test_a_token_may_hold_any_character() -> None:
    api = Api(tokens=("gr\u00fc\u00dfe an alle",))
    header = {b"authorization": "Bearer gr\u00fc\u00dfe an alle".encode()}
    assert (await api("GET", "/v1/status", headers=header)).status_code == 200


@pytest.mark.parametrize(
    "path", [path for path, required in ROUTES.items() if not required.needs_token]
)
async def test_probes_metrics_and_documents_need_no_token(path: str) -> None:
    assert (await Api(tokens=TOKENS)("GET", path)).status_code == 200


async def test_tokens_of_a_reloaded_configuration_hold_at_once() -> None:
    api = Api(tokens=TOKENS)
    api.settings.tokens = ("third token of three",)
    header = {"authorization": f"Bearer {TOKENS[0]}"}
    assert (await api("GET", "/v1/calls", headers=header)).status_code == 401


async def _chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(0, size, 4_096):
        yield b" " * 4_096


async def test_a_body_over_the_cap_is_a_413_whether_announced_or_not() -> None:
    whole = b" " * (MAX_BODY_BYTES + 1)
    check_problem(await Api()("POST", "/v1/calls", content=whole), "too_large")
    endless = _chunks(MAX_BODY_BYTES * 4)
    check_problem(await Api()("POST", "/v1/calls", content=endless), "too_large")
    announced = {"content-length": "9" * 5_000}
    check_problem(await Api()("POST", "/v1/calls", headers=announced), "too_large")


async def test_a_body_up_to_the_cap_is_read() -> None:
    body = b'{"parties": [{"id": "a"}, {"id": "b"}]}'.ljust(MAX_BODY_BYTES)
    assert (await Api()("POST", "/v1/calls", content=body, headers=JSON)).status_code == 201


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://[", "http://localhost:1"]
)
async def test_a_page_of_another_site_changes_nothing(origin: str) -> None:
    api = Api()
    answer = await api("POST", "/v1/drain", headers={"origin": origin})
    check_problem(answer, "cross_site")
    assert not api.relay.is_draining


async def test_a_page_of_the_same_site_may_ask() -> None:
    same = {"origin": "http://localhost"}
    assert (await Api()("POST", "/v1/drain", headers=same)).status_code == 202


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "localhost.evil.example", "["]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_page_whose_name_leads_here_neither_reads_nor_changes_anything(
    host: str, method: str
) -> None:
    api = Api()
    headers = {"host": host, "origin": f"http://{host}"}
    check_problem(await api(method, "/v1/calls", headers=headers), "cross_site")
    assert (await api("GET", "/healthz", headers=headers)).status_code == 200
    with_token = headers | {"authorization": f"Bearer {TOKENS[0]}"}
    answer = await Api(tokens=TOKENS)("GET", "/v1/calls", headers=with_token)
    assert answer.status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "[::1]:8080", "LOCALHOST:8080", "a.localhost"])
async def test_without_tokens_this_host_is_asked_by_address_or_as_localhost(host: str) -> None:
    assert (await Api()("GET", "/v1/calls", headers={"host": host})).status_code == 200
