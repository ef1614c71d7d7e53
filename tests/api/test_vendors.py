"""Credentials in other vendors' shapes: who gets one, what for, and for how long."""

import re
from base64 import b64encode
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from relay.api.requirements import MAX_BODY_BYTES
from tests.api.memory_relay import SECRET, URLS, Api
from tests.api.vendors import (
    ASKS,
    TOKENS,
    Ask,
    api_for_users,
    check_opens,
    cloudflare,
    credential_of,
    older_cloudflare,
    said,
    turn_rest,
    twilio,
)

ICE = "/v1/turn/keys/k/credentials/generate-ice-servers"
TOKENS_JSON = "/2010-04-01/Accounts/AC1/Tokens.json"


@pytest.mark.parametrize("ask", ASKS)
async def test_with_an_identifier_each_answer_is_another_leg_of_one_call(ask: Ask) -> None:
    api = Api()
    first, second = [credential_of(await ask(api, "weekly")) for _ in range(2)]
    assert re.fullmatch(r"[0-9]+:ci_[\w-]{22}:[\w-]{22}", first.username)
    assert first.call == second.call
    assert first.username != second.username
    for each in (first, second):
        check_opens(each)
        assert each.urls == [*URLS]
    assert credential_of(await ask(api, "other")).call != first.call


async def test_every_shape_means_the_same_call_by_the_same_identifier() -> None:
    api = Api()
    answers = [await ask(api, "weekly") for ask in ASKS]
    assert len({credential_of(answer).call for answer in answers}) == 1


@pytest.mark.parametrize("ask", ASKS)
async def test_nothing_of_an_identifier_stands_in_an_answer(ask: Ask) -> None:
    answer = await ask(Api(), "canary-5e1d")
    assert "canary" not in answer.text + str(answer.headers)


async def test_the_name_of_the_call_is_keyed_by_the_secret_that_mints() -> None:
    api, other = Api(), Api()
    other.settings.secret = SECRET + "x"
    names = [credential_of(await turn_rest(each, "weekly")).call for each in (api, other)]
    assert names[0] != names[1]


@pytest.mark.parametrize("ask", ASKS)
async def test_without_an_identifier_it_is_a_new_user(ask: Ask) -> None:
    api = api_for_users()
    first, second = [credential_of(await ask(api)) for _ in range(2)]
    assert re.fullmatch(r"[0-9]+:[\w-]{22}", first.username)
    assert first.username != second.username
    check_opens(first)


@pytest.mark.parametrize("ask", ASKS)
async def test_where_there_are_no_users_the_answer_says_what_is_missing(ask: Ask) -> None:
    answer = await ask(Api())
    assert answer.status_code == 400
    assert re.search("customIdentifier|CustomIdentifier|username=CALL:PARTY", said(answer))
    assert "relay.peers" in said(answer)


@pytest.mark.parametrize("ask", ASKS)
async def test_where_only_registered_calls_are_taken_nothing_is_minted(ask: Ask) -> None:
    for identifier in ("", "weekly"):
        answer = await ask(api_for_users(require_registered_call=True), identifier)
        assert answer.status_code == 400
        assert "POST /v1/calls" in said(answer)


async def test_cloudflare_lists_begin_with_stun_and_masks_whoever_passes_them_on() -> None:
    for urls, stun in (
        (URLS, "stun:relay.example:3478"),
        (URLS[::-1], "stun:relay.example:3478"),
        (URLS[1:], "stun:relay.example:5349"),
    ):
        api = Api()
        api.settings.urls = urls
        body = (await cloudflare(api, "weekly")).json()
        assert body["iceServers"][0] == {"urls": [stun]}
        assert body["iceServers"][1]["urls"] == [*urls]
        assert body["iceTransportPolicy"] == "relay"
        body = (await older_cloudflare(api, "weekly")).json()
        assert body["iceServers"]["urls"] == [stun, *urls]
        assert body["iceTransportPolicy"] == "relay"


async def test_a_user_is_told_nothing_of_a_policy() -> None:
    for ask in (cloudflare, older_cloudflare):
        assert list((await ask(api_for_users())).json()) == ["iceServers"]


async def test_twilio_is_as_twilio_is() -> None:
    answer = await twilio(Api(), "weekly")
    body = answer.json()
    assert answer.status_code == 201
    assert list(body) == [
        *("username", "password", "ttl", "account_sid", "ice_servers"),
        *("date_created", "date_updated"),
    ]
    assert (body["ttl"], body["account_sid"]) == ("3600", "AC1")
    assert body["ice_servers"][0] == dict.fromkeys(("url", "urls"), "stun:relay.example:3478")
    for server, url in zip(body["ice_servers"][1:], URLS, strict=True):
        password = {"username": body["username"], "credential": body["password"]}
        assert server == {"url": url, "urls": url, **password}
    made = parsedate_to_datetime(body["date_created"])
    assert made.timestamp() == credential_of(answer).expiry - 3600
    assert body["date_created"].endswith(" +0000")


async def test_twilio_takes_the_identifier_in_the_url_too() -> None:
    api = Api()
    asked = await api("POST", f"{TOKENS_JSON}?CustomIdentifier=weekly", data={"Ttl": "60"})
    assert credential_of(asked).call == credential_of(await twilio(api, "weekly")).call


async def test_turn_rest_tells_addresses_that_janus_cannot_read_last() -> None:
    api = Api()
    v6 = "turn:[2001:db8::1]:3478?transport=udp"
    api.settings.urls = (v6, *URLS)
    body = (await turn_rest(api, "weekly")).json()
    assert body["uris"] == [*URLS, v6]
    assert body["ttl"] == 3600


@pytest.mark.parametrize(
    ("username", "is_named"),
    [("weekly:1", True), ("weekly:", True), ("we:ek:ly", True), (":1", False), ("weekly", False)],
)
async def test_what_stands_before_the_first_colon_names_the_call(
    username: str, is_named: bool
) -> None:
    answer = await Api()("GET", "/turn", params={"username": username})
    assert answer.status_code == (200 if is_named else 400)


@pytest.mark.parametrize("path", ["/turn", TOKENS_JSON])
async def test_more_parameters_than_any_client_sends_are_refused(path: str) -> None:
    answer = await Api()("POST", path, content="&".join(f"a{n}=b" for n in range(33)))
    assert answer.status_code == 422
    assert "fewer parameters" in said(answer)
    asked = "/turn?key=first%20token%20of%20two&" + "&".join(f"a{n}=b" for n in range(33))
    assert (await Api(tokens=TOKENS)("GET", asked)).status_code == 401


@pytest.mark.parametrize("path", ["/turn?username={}%3Aa", TOKENS_JSON + "?CustomIdentifier={}"])
async def test_identifiers_that_are_no_text_name_calls_of_their_own(path: str) -> None:
    api = Api()
    answers = [await api("POST", path.format(name)) for name in ("%FF", "%FE", "\u00ff", "%C3%BF")]
    first, second, third, fourth = [credential_of(answer).call for answer in answers]
    assert len({first, second, third}) == 3
    assert third == fourth


@pytest.mark.parametrize("ask", ASKS)
async def test_an_identifier_may_have_256_bytes(ask: Ask) -> None:
    assert (await ask(Api(), "\u00fc" * 128)).is_success
    answer = await ask(Api(), "\u00fc" * 128 + "x")
    assert answer.status_code == 422
    assert "256 bytes" in said(answer)


async def test_a_service_that_is_not_turn_is_refused() -> None:
    answer = await Api()("GET", "/turn?service=stun&username=a:b")
    assert answer.status_code == 422
    assert "service" in said(answer)


@pytest.mark.parametrize(
    ("asked", "lasts_s"), [(1, 1), (600, 600), (86_400, 86_400), (86_401, 0), (0, 0), (-1, 0)]
)
async def test_a_credential_lasts_as_long_as_was_asked_up_to_a_day(
    asked: int, lasts_s: int
) -> None:
    api = Api()
    now = int(api.relay.now().wall)
    bodies: list[tuple[str, dict[str, Any]]] = [
        (ICE, {"json": {"ttl": asked, "customIdentifier": "weekly"}}),
        (TOKENS_JSON, {"data": {"Ttl": str(asked), "CustomIdentifier": "weekly"}}),
    ]
    for path, request in bodies:
        answer = await api("POST", path, **request)
        if lasts_s:
            assert credential_of(answer).expiry == now + lasts_s
        else:
            assert answer.status_code == 422
            assert "from 1 to 86400" in said(answer)


async def test_what_the_operator_allows_beyond_a_day_may_be_asked_for() -> None:
    api = Api.under(credential_ttl_s=200_000)
    answer = await api("POST", ICE, json={"ttl": 200_000, "customIdentifier": "weekly"})
    assert answer.status_code == 201
    assert "from 1 to 200000" in said(
        await api("POST", ICE, json={"ttl": 200_001, "customIdentifier": "weekly"})
    )


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("ask", ASKS)
async def test_any_token_opens_every_shape(ask: Ask, token: str) -> None:
    assert (await ask(Api(tokens=TOKENS), "weekly", token)).is_success


@pytest.mark.parametrize("ask", ASKS)
async def test_without_a_good_token_the_answer_is_401_in_the_form_of_the_vendor(ask: Ask) -> None:
    for token in ("", TOKENS[0] + "x", TOKENS[0][:-1]):
        answer = await ask(Api(tokens=TOKENS), "weekly", token)
        assert answer.status_code == 401
        assert "api.tokens" in said(answer)
        assert answer.headers["www-authenticate"].split()[0] in ("Bearer", "Basic")


@pytest.mark.parametrize("name", ["api", "key"])
async def test_either_parameter_of_janus_may_hold_the_token(name: str) -> None:
    api = Api(tokens=TOKENS)
    assert (await api("POST", "/turn", params={name: TOKENS[1], "username": "a:b"})).is_success
    in_body_alone = {name: TOKENS[1], "username": "a:b"}
    assert (await api("POST", "/turn", data=in_body_alone)).status_code == 401


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic QQ", "Bearer "])
async def test_basic_authentication_that_is_none_is_401(header: str) -> None:
    if header == "Bearer ":
        header += b64encode(f"any:{TOKENS[0]}".encode()).decode()
    answer = await Api(tokens=TOKENS)("POST", TOKENS_JSON, headers={"authorization": header})
    assert answer.status_code == 401
    assert said(answer)


async def test_the_form_of_each_vendor_holds_for_what_the_guard_refuses() -> None:
    api = Api()
    for path in ("/turn", ICE, TOKENS_JSON):
        large = await api("POST", path, content=b" " * (MAX_BODY_BYTES + 1))
        assert (large.status_code, "bytes at most" in said(large)) == (413, True)
        cross = await api("POST", path, headers={"origin": "http://evil.example"})
        assert (cross.status_code, "Origin" in said(cross)) == (403, True)
        rebound = await api("POST", path, headers={"host": "evil.example"})
        assert (rebound.status_code, "Host" in said(rebound)) == (403, True)
        wrong = await api("DELETE", path)
        assert (wrong.status_code, bool(said(wrong))) == (405, True)


@pytest.mark.parametrize("path", ["/turn", ICE, TOKENS_JSON])
async def test_no_page_of_another_site_may_read_an_answer(path: str) -> None:
    api = Api()
    headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    for method in ("OPTIONS", "GET", "POST"):
        answer = await api(method, path, headers=headers, params={"username": "a:b"})
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("ask", ASKS)
async def test_nothing_on_the_way_keeps_a_credential(ask: Ask) -> None:
    assert (await ask(Api(), "weekly")).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("shape", ["generate", "generate-ice-servers"])
async def test_half_a_surrogate_pair_is_no_identifier(shape: str) -> None:
    path = f"/v1/turn/keys/any/credentials/{shape}"
    answer = await Api()("POST", path, content=b'{"customIdentifier": "\\ud800"}')
    assert 400 <= answer.status_code < 500
    assert answer.json()["success"] is False
