"""Checks every request before its handler: who sends it, and how large it is; hides tracebacks.

Rules of this file: plain ASGI, since a middleware that wraps requests in tasks costs more than most
handlers. It reads the whole body before it calls the handler, so that no handler waits for one.
"""

import ipaddress
import logging
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relay import logs
from relay.api.dialects import Dialect, first_good
from relay.api.paths import canonical
from relay.api.relay import ControlSettings
from relay.api.requirements import Requirements, look_up
from relay.api.turns import Turns

_WHICH_HOST = "No API token is configured, so requests must use Host: localhost or an IP address."
_WHICH_ORIGIN = "The Origin header and the Host header must name the same host."

_log = logging.getLogger(__name__)


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, settings: ControlSettings) -> None:
        self._app = app
        self._settings = settings
        self._turns = Turns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = {**scope, "path": canonical(scope)}
        headers = Headers(scope=scope)
        required, call = look_up(scope["path"])
        refusal = self._refusal(scope, headers, required)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        async with self._turns.of(call if required.takes_turns else ""):
            most = required.max_body_bytes
            body = await _read(receive, headers, most)
            if body is None:
                said = f"The body may have {most} bytes at most."
                await required.dialect.fault("too_large", said)(scope, receive, send)
                return
            await self._run(scope, _Replay(body, receive), send, required.dialect)

    def _refusal(self, scope: Scope, headers: Headers, required: Requirements) -> Response | None:
        """Why the request is not answered; None where it may be."""
        dialect = required.dialect
        if _is_cross_site(scope["method"], headers):
            return dialect.fault("cross_site", _WHICH_ORIGIN)
        if not required.needs_token:
            return None
        if not self._settings.tokens and not _is_this_host(headers.get("host", "")):
            return dialect.fault("cross_site", _WHICH_HOST)
        if self._is_authenticated(dialect.presented(scope)):
            return None
        challenge = {"WWW-Authenticate": dialect.challenge}
        return dialect.fault("unauthenticated", dialect.which_token, headers=challenge)

    def _is_authenticated(self, presented: tuple[bytes, ...]) -> bool:
        """Whether a good token came along, or none is needed."""
        tokens = self._settings.tokens
        return not tokens or bool(first_good(tokens, presented))

    async def _run(self, scope: Scope, receive: Receive, send: Send, dialect: Dialect) -> None:
        """Let the application answer. An exception becomes a 500 that says nothing."""
        is_started = False

        async def note_and_send(message: Message) -> None:
            nonlocal is_started
            is_started = True
            await send(message)

        try:
            await self._app(scope, receive, note_and_send)
        except Exception as error:  # its message may quote a body, so places and types only
            _log.error("api_internal_error", extra={"trace": logs.trace(error)})
            if not is_started:
                await dialect.fault("internal_error")(scope, receive, send)


class _Replay:
    """Gives the application a body that has been read, then what the client does next."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


async def _read(receive: Receive, headers: Headers, most: int) -> bytes | None:
    """The whole body; None where it is too large, or its sender has gone."""
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > most:
        return None
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > most:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _is_cross_site(method: str, headers: Headers) -> bool:
    """Whether a page of another site sends this from somebody's browser.

    An API on loopback may be open; a page must not be able to drain the relay of who visits it.
    """
    origin = headers.get("origin")
    if origin is None or method in ("GET", "HEAD"):
        return False
    try:
        return urlsplit(origin).netloc != headers.get("host")
    except ValueError:
        return True


def _is_this_host(host: str) -> bool:
    """Whether `Host` is no name that somebody else might point here, to have a browser ask in it.

    A page whose name leads to loopback a moment later is of the same site as the API (DNS
    rebinding), and tokens are what else keeps it out.
    """
    try:
        name = urlsplit(f"//{host}").hostname or "localhost"  # HTTP/1.0: no browser
        if name == "localhost" or name.endswith(".localhost"):
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
