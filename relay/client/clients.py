"""The two clients: each sends the requests that `verbs` makes, and waits in its own way.

Rules of this file: requests go through httpx's transports. `httpx.Client` above them would write
each URL into the log, and a URL names a call. An exception is raised where nothing of httpx is in
its context any more, since that holds the request with its token.
"""

import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar
from urllib.parse import urlsplit

import httpx

from relay.client import bodies, verbs
from relay.client.request import Answer, Content, Request
from relay.errors import ClientError, NoAnswer

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT_S = 10.0
"""How long connecting, sending, and each part of an answer may take."""

_FAULTS = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL)
"""All that httpx raises; a URL is too long if a name in it is."""


class _Origin:
    """Where one API is, and what every request to it carries."""

    def __init__(self, url: str, token: str, timeout_s: float) -> None:
        headers = httpx.Headers({"Accept": "application/json", "Accept-Encoding": "identity"})
        is_sendable = token.isascii() and token.isprintable() and token == token.strip()
        if token and is_sendable:
            headers["Authorization"] = f"Bearer {token}"
        del token  # a traceback that shows variables does not show it
        if not is_sendable:
            raise ValueError("token: expected printable ASCII")
        self.url = _checked(url)
        self.is_secure = self.url.startswith("https:")
        self._headers = headers
        self._timeout = httpx.Timeout(timeout_s).as_dict()

    def request(self, asked: Request[Any]) -> httpx.Request:
        """Write a request for a transport."""
        headers = self._headers.copy()
        if content := asked.content:
            headers["Content-Type"] = "application/json"
        extensions = {"timeout": self._timeout}
        return httpx.Request(
            asked.method,
            self.url + asked.path,
            headers=headers,
            content=content,
            extensions=extensions,
        )

    def tls(self) -> ssl.SSLContext:
        """Whom to trust: the system's roots; nobody where there is no TLS, which loads faster."""
        if self.is_secure:
            return ssl.create_default_context()
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _waiting(verb: Callable[P, Request[T]]) -> Callable[Concatenate["Client", P], T]:
    """Make a method of `Client` of a verb."""

    @wraps(verb)
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._send(verb(*args, **kwargs))

    return method


def _awaited(
    verb: Callable[P, Request[T]],
) -> Callable[Concatenate["AsyncClient", P], Coroutine[Any, Any, T]]:
    """Make a method of `AsyncClient` of a verb."""

    @wraps(verb)
    async def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._send(verb(*args, **kwargs))

    return method


class Client:
    """One relay's API, for code that waits. It may be used from several threads.

    Args:
        url: `http://host:port`, or `https://…` where a proxy in front of the API does TLS.
        token: one of `api.tokens`; empty where the API has none.
        timeout_s: how long connecting, sending, and each part of an answer may take.
        transport: in place of a connection to `url`, for tests.
    Raises: ValueError, where `url` or `token` cannot be one; without showing it.
    """

    url = ""
    """Where the API is; empty until it is known to be a URL, so that `repr` always works."""

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        try:
            self._origin = _Origin(url, token, timeout_s)
        finally:
            del token
        self.url = self._origin.url
        self._transport = transport or httpx.HTTPTransport(verify=self._origin.tls())

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def list_calls(self) -> Iterator[bodies.Call]:
        """Iterate over the calls that ring or are active, oldest first."""
        after: int | None = 0
        while after is not None:
            some = self._send(verbs.list_some_calls(after=after))
            yield from some["calls"]
            after = some["next"]

    create_call = _waiting(verbs.create_call)
    create_ports_call = _waiting(verbs.create_ports_call)
    accept_call = _waiting(verbs.accept_call)
    show_call = _waiting(verbs.show_call)
    list_some_calls = _waiting(verbs.list_some_calls)
    change_call = _waiting(verbs.change_call)
    end_call = _waiting(verbs.end_call)
    end_party = _waiting(verbs.end_party)
    revoke_user = _waiting(verbs.revoke_user)
    set_endpoint = _waiting(verbs.set_endpoint)
    rebuild_description = _waiting(verbs.rebuild_description)
    rebuild_candidate = _waiting(verbs.rebuild_candidate)
    decide_permission = _waiting(verbs.decide_permission)
    status = _waiting(verbs.status)
    drain = _waiting(verbs.drain)
    reload = _waiting(verbs.reload)
    is_ready = _waiting(verbs.is_ready)

    def _send(self, asked: Request[T]) -> T:
        content, fault = Content(), None
        try:
            response = self._transport.handle_request(self._origin.request(asked))
            try:
                for chunk in response.iter_bytes():
                    content.add(chunk)
            finally:
                response.close()
        except (*_FAULTS, ClientError) as error:
            fault = _fault_of(error)
        if fault is not None:
            raise fault
        return asked.read(Answer(response.status_code, content.whole()))


class AsyncClient:
    """One relay's API, for asyncio. It belongs to the event loop that first awaits it.

    The arguments are those of `Client`.
    """

    url = ""
    """Where the API is; empty until it is known to be a URL, so that `repr` always works."""

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        try:
            self._origin = _Origin(url, token, timeout_s)
        finally:
            del token
        self.url = self._origin.url
        self._transport = transport or httpx.AsyncHTTPTransport(verify=self._origin.tls())

    def __repr__(self) -> str:
        return f"AsyncClient({self.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def list_calls(self) -> AsyncIterator[bodies.Call]:
        """Iterate over the calls that ring or are active, oldest first."""
        after: int | None = 0
        while after is not None:
            some = await self._send(verbs.list_some_calls(after=after))
            for call in some["calls"]:
                yield call
            after = some["next"]

    create_call = _awaited(verbs.create_call)
    create_ports_call = _awaited(verbs.create_ports_call)
    accept_call = _awaited(verbs.accept_call)
    show_call = _awaited(verbs.show_call)
    list_some_calls = _awaited(verbs.list_some_calls)
    change_call = _awaited(verbs.change_call)
    end_call = _awaited(verbs.end_call)
    end_party = _awaited(verbs.end_party)
    revoke_user = _awaited(verbs.revoke_user)
    set_endpoint = _awaited(verbs.set_endpoint)
    rebuild_description = _awaited(verbs.rebuild_description)
    rebuild_candidate = _awaited(verbs.rebuild_candidate)
    decide_permission = _awaited(verbs.decide_permission)
    status = _awaited(verbs.status)
    drain = _awaited(verbs.drain)
    reload = _awaited(verbs.reload)
    is_ready = _awaited(verbs.is_ready)

    async def _send(self, asked: Request[T]) -> T:
        content, fault = Content(), None
        try:
            response = await self._transport.handle_async_request(self._origin.request(asked))
            try:
                async for chunk in response.aiter_bytes():
                    content.add(chunk)
            finally:
                await response.aclose()
        except (*_FAULTS, ClientError) as error:
            fault = _fault_of(error)
        if fault is not None:
            raise fault
        return asked.read(Answer(response.status_code, content.whole()))


def _checked(url: str) -> str:
    """The URL of an API without a slash at its end. Raises: ValueError, which does not show it."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    is_plain = url.isascii() and url.isprintable() and not set(url) & set(" @?#")
    if not is_url or not is_plain:
        raise ValueError("url: expected http://host:port")
    return url.rstrip("/")


def _fault_of(error: Exception) -> ClientError:
    """What a fault below is for whoever asked, with the system's own words where it has any."""
    if isinstance(error, ClientError):
        return error
    causes: list[BaseException] = [error]
    while (below := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(below)
    system = [each for each in causes if isinstance(each, OSError)]
    said = [words for each in system if (words := _words(each))]
    return NoAnswer(said[0] if said else type([*system, error][0]).__name__)


def _words(error: OSError) -> str:
    """What the system says of an error. Its own text may have the address in it (asyncio's do)."""
    if isinstance(error, socket.gaierror | ssl.SSLError):  # numbers of another list
        return error.strerror or ""
    return os.strerror(error.errno) if error.errno else ""
