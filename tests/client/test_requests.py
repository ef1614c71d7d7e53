"""What the clients send and make of answers; the relay's application answers without a socket."""

import asyncio
import json
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from relay.client import ApiFault, AsyncClient, BadAnswer, Client, ClientError, NoAnswer, verbs
from relay.client import request as requests
from relay.client.bodies import CandidateCreate, PartyCreate
from tests.api.memory_relay import Api
from tests.api.test_users import is_admitted, wide

URL = "http://127.0.0.1:8080"
TOKEN = "a-token-that-nobody-may-read"
PARTIES: list[PartyCreate] = [{"id": "alice", "enhanced_call_privacy": True}, {"id": "bob"}]


def over(api: Api, token: str = "") -> AsyncClient:
    """A client of the application."""
    return AsyncClient(URL, token, transport=httpx.ASGITransport(api.app))


class Waiting:
    """`Client` and `AsyncClient` with one face, over answers that a function makes."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response], is_async: bool) -> None:
        transport = httpx.MockTransport(answer)
        self.client: Client | AsyncClient = (
            AsyncClient(URL, TOKEN, transport=transport)
            if is_async
            else Client(URL, TOKEN, transport=transport)
        )

    def ask(self, verb: str, *args: Any) -> Any:
        """Send one request and wait for what comes of it."""
        result = getattr(self.client, verb)(*args)
        return asyncio.run(_done(result)) if isinstance(self.client, AsyncClient) else result


async def _done(result: Awaitable[Any]) -> Any:
    return await result


both = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


async def test_a_call_from_its_creation_to_its_end() -> None:
    async with over(Api()) as client:
        created = await client.create_call(PARTIES, max_duration_s=60)
        assert (created["state"], created["masked"]) == ("ringing", ["alice", "bob"])
        assert created["parties"]["bob"]["rtc_configuration"]["iceTransportPolicy"] == "relay"
        call = created["id"]
        assert [each["id"] async for each in client.list_calls()] == [call]
        changed = await client.change_call(call, parties=[{"id": "carol"}])
        assert list(changed["parties"]) == ["alice", "bob", "carol"]
        await client.end_party(call, "carol")
        accepted = await client.accept_call(call, party="bob")
        assert (accepted["state"], accepted["candidates"]) == ("active", {})
        candidate: CandidateCreate = {"candidate": "", "sdpMid": "0"}
        assert (await client.rebuild_candidate(call, "alice", candidate))["held"] is False
        with pytest.raises(ApiFault) as caught:
            await client.rebuild_description(call, "alice", "v=0\r\n")
        assert caught.value.kind == "bad_description"
        await client.end_call(call)
        assert (await client.show_call(call))["state"] == "ended"


async def test_a_user_is_revoked() -> None:
    api = wide(revocation_s=600)
    async with over(api) as client:
        for name in ("@alice:example.org", "a/b?c"):
            await client.revoke_user(name)
            assert not is_admitted(api, name)
            await client.revoke_user(name, for_s=0)
            assert is_admitted(api, name)
    async with over(Api()) as client:
        with pytest.raises(ApiFault) as caught:
            await client.revoke_user("alice")
    assert (caught.value.kind, caught.value.status) == ("no_users", 409)


async def test_what_the_relay_itself_is_asked() -> None:
    api = Api()
    async with over(api) as client:
        assert await client.is_ready()
        assert (await client.status())["calls"] == {"ringing": 0, "active": 0}
        assert await client.decide_permission(relationship={"blocked": True}) == {
            "allowed": False,
            "reason": "blocked",
        }
        await client.reload()
        assert (await client.drain())["version"]


async def test_a_relay_that_is_not_ready_is_no_fault() -> None:
    api = Api()
    api.relay.drain()
    async with over(api) as client:
        assert not await client.is_ready()


async def test_a_fault_has_every_part_of_its_problem() -> None:
    async with over(Api()) as client:
        call = (await client.create_call(PARTIES, ring=False))["id"]
        with pytest.raises(ApiFault) as caught:
            await client.accept_call(call)
    fault = caught.value
    assert (fault.kind, fault.status, fault.call) == ("wrong_state", 409, call)
    assert fault.title == "The state of the call does not allow this"
    assert str(fault) == fault.detail == "Only a ringing call can be accepted. This call is active."


async def test_a_token_opens_the_api_and_another_does_not() -> None:
    api = Api(tokens=(TOKEN,))
    async with over(api, TOKEN) as client:
        await client.status()
    async with over(api) as client:
        with pytest.raises(ApiFault) as caught:
            await client.status()
    assert (caught.value.kind, caught.value.status) == ("unauthenticated", 401)


@both
@pytest.mark.parametrize(
    ("status", "content", "parts", "words"),
    [
        (502, b"<html>", ("", "", ""), "The relay refuses (502)."),
        (302, b"", ("", "", ""), "The relay refuses (302)."),
        (403, b'{"detail": "Use localhost."}', ("", "", "Use localhost."), "Use localhost."),
        (404, b'{"type": "about:blank", "title": "No"}', ("", "No", ""), "No"),
        (
            404,
            b'{"type": 7, "title": [], "detail": null}',
            ("", "", ""),
            "The relay refuses (404).",
        ),
        (500, b"[" * 100_000, ("", "", ""), "The relay refuses (500)."),
    ],
)
def test_a_refusal_that_is_not_callveils_has_its_status(
    is_async: bool, status: int, content: bytes, parts: tuple[str, ...], words: str
) -> None:
    waiting = Waiting(lambda _: httpx.Response(status, content=content), is_async)
    with pytest.raises(ApiFault) as caught:
        waiting.ask("status")
    fault = caught.value
    assert ((fault.kind, fault.title, fault.detail), fault.status) == (parts, status)
    assert str(fault) == words


@both
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not JSON"),
        (b"<html>", "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b'{"id": "x"}', "has no candidates"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_an_answer_that_is_not_callveils_is_no_result(
    is_async: bool, content: bytes, reason: str
) -> None:
    waiting = Waiting(lambda _: httpx.Response(200, content=content), is_async)
    with pytest.raises(BadAnswer) as caught:
        waiting.ask("accept_call", "x")
    assert caught.value.reason == reason


@both
def test_an_answer_without_end_is_cut_off(is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MAX_ANSWER_BYTES", 100)
    waiting = Waiting(lambda _: httpx.Response(200, content=b"x" * 101), is_async)
    with pytest.raises(BadAnswer, match=r"^The answer is too long\.$"):
        waiting.ask("status")


@both
@pytest.mark.parametrize("error", [httpx.ReadTimeout("x"), httpx.RemoteProtocolError("x")])
def test_a_fault_of_the_connection_is_one_exception(is_async: bool, error: Exception) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error from ConnectionResetError(104, "Connection reset by peer")

    with pytest.raises(NoAnswer) as caught:
        Waiting(fail, is_async).ask("status")
    assert str(caught.value) == "The relay does not answer."
    assert caught.value.reason == "Connection reset by peer"


@both
def test_a_name_that_no_url_can_hold_is_a_fault_too(is_async: bool) -> None:
    with pytest.raises(ClientError):
        Waiting(lambda _: httpx.Response(204), is_async).ask("end_call", "x" * 100_000)


def _shown(error: BaseException) -> str:
    """All that a report of an exception could print, the variables of every frame among it."""
    shown = [str(error), repr(error), *traceback.format_exception(error)]
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert error.__context__ is None
    return "\n".join([*shown, *report.format()])


@both
def test_the_token_is_in_the_header_and_in_nothing_that_is_shown(is_async: bool) -> None:
    asked: list[httpx.Request] = []

    def fail(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        raise httpx.ConnectError("refused")

    waiting = Waiting(fail, is_async)
    with pytest.raises(NoAnswer) as caught:
        waiting.ask("show_call", "x")
    assert asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    name = "AsyncClient" if is_async else "Client"
    assert repr(waiting.client) == f"{name}('{URL}')"
    assert TOKEN not in _shown(caught.value)


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("", ""),
        ("h:1", ""),
        ("ftp://h:1", ""),
        ("http://", ""),
        ("http://h:0", ""),
        ("http://h:x", ""),
        ("http://h:99999", ""),
        ("http://[::1", ""),
        ("http://a b", ""),
        ("http://ü", ""),
        ("http://name:secret-word@h:1", ""),
        ("http://h:1/?a=secret-word", ""),
        (URL, "secret-word\n"),
        (URL, "secret-wörd"),
        (URL, "secret-word "),
    ],
)
def test_what_cannot_be_a_url_or_a_token_is_refused_and_not_shown(
    client: type[Client], url: str, token: str
) -> None:
    with pytest.raises(ValueError, match=r"^(url|token): expected ") as caught:
        client(url, token)
    report = traceback.TracebackException.from_exception(caught.value).format()
    assert "secret-w" not in "\n".join([*report, repr(caught.value)])


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize(("url", "token"), [("h:1", "secret-word"), (URL, "secret-word\n")])
def test_a_report_with_the_variables_of_each_frame_has_no_token(
    client: type[Client], url: str, token: str
) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        client(url, token)
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    own = [frame for frame in report.stack if "/relay/client/" in frame.filename]
    assert len(own) >= 2
    assert [frame.line for frame in own if "secret-word" in str(frame.locals)] == []


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("cv_x-Y", "cv_x-Y"),
        ("a/b", "a%2Fb"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("...", "..."),
        ("%2F", "%252F"),
        ("?#", "%3F%23"),
        ("ü", "%C3%BC"),
        ("\udcff", "%FF"),
    ],
)
def test_a_name_is_one_part_of_the_path_that_is_sent(name: str, part: str) -> None:
    asked: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path)
        return httpx.Response(204)

    with Client(f"{URL}/", transport=httpx.MockTransport(answer)) as client:
        client.end_party(name, name)
    assert asked == [f"/v1/calls/{part}/parties/{part}".encode()]


@both
def test_all_pages_of_the_list_are_one(is_async: bool) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.query.decode())
        following = {"after=0": 7, "after=7": 9}.get(asked[-1])
        return httpx.Response(200, json={"calls": [{"id": asked[-1]}], "next": following})

    async def listed(client: AsyncClient) -> list[Any]:
        return [each["id"] async for each in client.list_calls()]

    client = Waiting(answer, is_async).client
    ids = (
        asyncio.run(listed(client))
        if isinstance(client, AsyncClient)
        else [each["id"] for each in client.list_calls()]
    )
    assert ids == asked == ["after=0", "after=7", "after=9"]


def test_what_is_not_said_is_not_sent() -> None:
    assert verbs.create_call(PARTIES).body == {"parties": PARTIES}
    assert verbs.accept_call("x").content == b""
    assert json.loads(verbs.create_call(PARTIES, ring=False).content)["ring"] is False
    assert verbs.end_call("x").content == b""
