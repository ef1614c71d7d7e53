"""How often credentials are minted, and while the relay drains; and their end."""

import httpx
import pytest

from relay.calls.call import CallState
from relay.errors import Rejected
from tests.api.memory_relay import Api
from tests.api.vendors import (
    ASKS,
    TOKENS,
    Ask,
    api_for_users,
    cloudflare,
    credential_of,
    said,
    turn_rest,
)

REVOKE = "/v1/turn/keys/k/credentials/{}/revoke"


def _slow(api: Api) -> Api:
    """Ten seconds' worth of one per second."""
    api.settings.mints_per_s = 1
    return api


@pytest.mark.parametrize("ask", ASKS)
async def test_ten_seconds_worth_may_come_at_once_and_then_it_is_429(ask: Ask) -> None:
    api = _slow(Api())
    answers = [await ask(api, "weekly") for _ in range(11)]
    assert [answer.is_success for answer in answers] == [*([True] * 10), False]
    refused = answers[-1]
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert "too many credentials" in said(refused)
    api.relay.mono += 1
    assert (await ask(api, "weekly")).is_success
    assert (await ask(api, "weekly")).status_code == 429


async def test_the_rate_is_one_for_all_shapes_and_of_each_token() -> None:
    api = _slow(Api(tokens=TOKENS))
    for _ in range(5):
        assert (await turn_rest(api, "weekly", TOKENS[0])).is_success
        assert (await cloudflare(api, "weekly", TOKENS[0])).is_success
    assert (await turn_rest(api, "weekly", TOKENS[0])).status_code == 429
    assert (await turn_rest(api, "weekly", TOKENS[1])).is_success


@pytest.mark.parametrize("tokens", [(), TOKENS])
async def test_what_a_caller_makes_up_beside_its_token_gives_it_no_other_rate(
    tokens: tuple[str, ...],
) -> None:
    api = _slow(Api(tokens=tokens))

    async def ask(made_up: str) -> int:
        shown = {"key": TOKENS[0], "api": made_up} if tokens else {"key": made_up}
        return (await api("GET", "/turn", params={"username": "weekly:1", **shown})).status_code

    assert [await ask(str(n)) for n in range(11)] == [*([200] * 10), 429]


async def test_the_rate_is_of_each_source_and_an_ipv6_network_is_one() -> None:
    api = _slow(Api())

    async def ask(host: str) -> bool:
        transport = httpx.ASGITransport(api.app, client=(host, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get("/turn?username=weekly:1")).is_success

    assert all([await ask("192.0.2.1") for _ in range(10)])
    assert not await ask("192.0.2.1")
    assert await ask("192.0.2.2")
    assert all([await ask(f"2001:db8::{n}") for n in range(10)])
    assert not await ask("2001:db8::ffff")
    assert await ask("2001:db8:0:1::1")


async def test_a_rate_of_a_reloaded_configuration_holds_at_once() -> None:
    api = _slow(Api())
    assert all([(await turn_rest(api, "weekly")).is_success for _ in range(10)])
    api.settings.mints_per_s = 2
    assert all([(await turn_rest(api, "weekly")).is_success for _ in range(20)])


@pytest.mark.parametrize("ask", ASKS)
async def test_a_relay_that_drains_mints_for_calls_that_are_there(ask: Ask) -> None:
    api = api_for_users()
    _, call, leg = credential_of(await ask(api, "weekly")).username.split(":")
    api.relay.begin(call, leg)
    api.relay.drain()
    assert (await ask(api, "weekly")).is_success
    for identifier in ("other", ""):
        answer = await ask(api, identifier)
        assert (answer.status_code, bool(said(answer))) == (503, True)


async def test_a_call_that_was_ended_gets_no_more_credentials() -> None:
    api = Api()
    call = credential_of(await turn_rest(api, "weekly")).call
    assert (await api("DELETE", f"/v1/calls/{call}")).status_code == 204
    answer = await cloudflare(api, "weekly")
    assert answer.status_code == 409
    assert "ended" in said(answer)


@pytest.mark.parametrize("ask", ASKS)
async def test_revoking_ends_that_leg_for_good_and_no_other(ask: Ask) -> None:
    api = Api()
    first, second = [credential_of(await ask(api, "weekly")).username for _ in range(2)]
    for username in (first, second):
        api.relay.begin(*username.split(":")[1:])
    for _ in range(2):
        assert (await api("POST", REVOKE.format(first))).status_code == 204
    call = api.relay.call(first.split(":")[1])
    assert call.state is CallState.ACTIVE
    assert [leg.id for leg in call.legs] == [second.split(":")[2]]


async def test_what_was_revoked_before_it_came_does_not_come() -> None:
    api = Api()
    username = credential_of(await cloudflare(api, "weekly")).username
    encoded = username.replace(":", "%3A")
    assert (await api("POST", REVOKE.format(encoded))).status_code == 204
    with pytest.raises(Rejected, match="403"):
        api.relay.begin(*username.split(":")[1:])


@pytest.mark.parametrize("ask", ASKS)
async def test_a_user_is_revoked_until_its_credential_has_expired(ask: Ask) -> None:
    api = api_for_users()
    credential = credential_of(await ask(api))
    other = credential_of(await ask(api))
    for _ in range(2):
        assert (await api("POST", REVOKE.format(credential.username))).status_code == 204
    user = credential.username.partition(":")[2]
    lasts_s = credential.expiry - api.relay.now().wall
    api.relay.advance(lasts_s - 1)
    with pytest.raises(Rejected, match="403"):
        api.relay.server._book.admit_user(user, api.relay.now())
    api.relay.server._book.admit_user(other.username.partition(":")[2], api.relay.now())
    api.relay.advance(1)
    api.relay.server._book.admit_user(user, api.relay.now())


async def test_revoking_what_has_expired_changes_nothing_for_later() -> None:
    api = api_for_users()
    user = "u" * 22
    assert (await api("POST", REVOKE.format(f"1:{user}"))).status_code == 204
    api.relay.server._book.admit_user(user, api.relay.now())


async def test_where_there_are_no_users_none_is_revoked() -> None:
    answer = await Api()("POST", REVOKE.format("99999999999:" + "u" * 22))
    assert answer.status_code == 409
    assert "relay.peers" in said(answer)


@pytest.mark.parametrize("name", ["x", "1:2", "1:ci_short:leg", "1:cv_a:b", "%FF", "1:a:b:c"])
async def test_a_username_of_nobody_is_404(name: str) -> None:
    answer = await Api()("POST", REVOKE.format(name))
    assert answer.status_code == 404
    assert said(answer)
