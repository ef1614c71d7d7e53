"""Requests in the shapes of the vendors, and what each answer says, whatever its shape."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, NamedTuple

import httpx

from relay.calls.rules import Rules
from relay.server import ServerSettings
from relay.stun.credentials import rest_password
from tests.api.memory_relay import SECRET, SETTINGS, Api, MemoryRelay

TOKENS = ("first token of two", "second token of two")

_CLOUDFLARE = "/v1/turn/keys/any/credentials"
_TWILIO = "/2010-04-01/Accounts/AC1/Tokens.json"

Ask = Callable[..., Awaitable[httpx.Response]]


class Credential(NamedTuple):
    """What an answer gives to a client."""

    username: str
    password: str
    urls: list[str]

    @property
    def expiry(self) -> int:
        return int(self.username.partition(":")[0])

    @property
    def call(self) -> str:
        """Empty where the credential is of a user."""
        return self.username.split(":")[1] if self.username.count(":") == 2 else ""


async def turn_rest(api: Api, identifier: str = "", token: str = "") -> httpx.Response:
    username = f"{identifier}:alice" if identifier else "alice"
    params = {"service": "turn", "username": username} | ({"key": token} if token else {})
    return await api("GET", "/turn", params=params)


async def janus(api: Api, identifier: str = "", token: str = "") -> httpx.Response:
    """As `turnrest.c` of Janus asks: everything in the URL, and again in the body."""
    username = f"{identifier}:7" if identifier else "4711"
    shown = {"api": token, "key": token} if token else {}
    params = {"service": "turn", **shown, "username": username}
    return await api("POST", "/turn", params=params, data=params)


async def cloudflare(
    api: Api, identifier: str = "", token: str = "", path: str = "generate-ice-servers"
) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    body: dict[str, Any] = {"ttl": 600} | ({"customIdentifier": identifier} if identifier else {})
    return await api("POST", f"{_CLOUDFLARE}/{path}", headers=headers, json=body)


async def older_cloudflare(api: Api, identifier: str = "", token: str = "") -> httpx.Response:
    return await cloudflare(api, identifier, token, "generate")


async def twilio(api: Api, identifier: str = "", token: str = "") -> httpx.Response:
    auth = httpx.BasicAuth("any", token) if token else None
    data = {"CustomIdentifier": identifier} if identifier else None
    return await api("POST", _TWILIO, auth=auth, data=data)


ASKS: list[Ask] = [turn_rest, janus, cloudflare, older_cloudflare, twilio]


def credential_of(answer: httpx.Response) -> Credential:
    """What was answered, in any of the shapes."""
    body = answer.json()
    if "uris" in body:
        return Credential(body["username"], body["password"], body["uris"])
    if "ice_servers" in body:
        urls = [server["urls"] for server in body["ice_servers"] if "username" in server]
        return Credential(body["username"], body["password"], urls)
    servers = body["iceServers"]
    server = servers if isinstance(servers, dict) else servers[-1]
    urls = [url for url in server["urls"] if not url.startswith("stun:")]
    return Credential(server["username"], server["credential"], urls)


def said(answer: httpx.Response) -> str:
    """What a fault says, checked to be in the form of the vendor that was asked."""
    body, path = answer.json(), answer.request.url.path
    if "/turn/keys/" in path:
        assert list(body) == ["success", "errors", "messages"]
        assert (body["success"], body["messages"]) == (False, [])
        (error,) = body["errors"]
        assert error["code"] == answer.status_code
        assert answer.headers["content-type"] == "application/json"
        return str(error["message"])
    if path.startswith("/2010-04-01/"):
        assert list(body) == ["code", "message", "more_info", "status"]
        assert body["status"] == answer.status_code
        assert body["more_info"].startswith("urn:callveil:problem:")
        assert answer.headers["content-type"] == "application/json"
        return str(body["message"])
    assert body["status"] == answer.status_code
    assert answer.headers["content-type"] == "application/problem+json"
    return f"{body['title']}. {body['detail']}"


def check_opens(credential: Credential) -> None:
    """The password is the one that the relay makes of the username."""
    assert credential.password == rest_password(SECRET, credential.username)


def api_for_users(**rules: Any) -> Api:
    """A relay whose `relay.peers` is not `call`."""
    turn = replace(SETTINGS.turn, peers="relay")
    api = Api(MemoryRelay(Rules(**rules), ServerSettings(turn, SETTINGS.ports)))
    api.settings.takes_users = True
    return api
