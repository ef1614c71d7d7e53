"""The signaling server as an ASGI application: the page, and a WebSocket for each of them.

Rules of this file: a page of another site, or of a name that is not this server's, is refused; one
that does not read is let go.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from examples.signaling import messages
from examples.signaling.calls import RING_S
from examples.signaling.hosts import OwnHosts
from examples.signaling.switchboard import Switchboard
from relay.client import AsyncClient

PAGE = Path(__file__).parents[1] / "page"
MAX_UNSENT = 1_000
"""Messages that wait for one page; it is let go when there are more."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def make_app(callveil: AsyncClient, ring_s: float = RING_S, names: Iterable[str] = ()) -> FastAPI:
    """Make the application.

    Args:
        callveil: the relay's API.
        ring_s: how long a call may ring.
        names: host names under which it is found, besides localhost and addresses.
    """
    app = FastAPI(title="callveil demo", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(OwnHosts, names=names)
    switchboard = Switchboard(callveil, ring_s)

    @app.websocket("/signaling")
    async def signaling(socket: WebSocket) -> None:
        if not _is_own_page(socket.headers):
            await socket.close(1008)
            return
        await socket.accept()
        await _serve(socket, switchboard)

    app.mount("/", _Files(directory=PAGE, html=True))
    return app


class _Files(StaticFiles):
    """The page's files, which load nothing from anywhere else."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


class _Page:
    """The far end of one WebSocket: what it is told waits here until it is sent."""

    def __init__(self) -> None:
        self._unsent: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MAX_UNSENT)
        self.is_lost = asyncio.Event()

    def tell(self, message: dict[str, Any]) -> None:
        try:
            self._unsent.put_nowait(message)
        except asyncio.QueueFull:
            self.is_lost.set()

    async def send_to(self, socket: WebSocket) -> None:
        """Send what there is, until the other end has gone."""
        with suppress(WebSocketDisconnect, RuntimeError):  # it went while this was being sent
            while True:
                await socket.send_text(json.dumps(await self._unsent.get()))
        self.is_lost.set()


async def _serve(socket: WebSocket, switchboard: Switchboard) -> None:
    """One page, from its first message to its end."""
    page = _Page()
    tasks = [
        asyncio.create_task(page.send_to(socket)),
        asyncio.create_task(_receive_from(socket, page, switchboard)),
        asyncio.create_task(page.is_lost.wait()),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await switchboard.left(page)
        with suppress(RuntimeError, WebSocketDisconnect):  # closed already
            await socket.close()


async def _receive_from(socket: WebSocket, page: _Page, switchboard: Switchboard) -> None:
    """Take one message after the other, until the other end has gone."""
    with suppress(WebSocketDisconnect):
        while True:
            text = await socket.receive_text()
            try:
                message = messages.parse(text)
            except ValueError:
                page.tell({"type": "refused", "detail": "That was not understood."})
                continue
            await switchboard.take(page, message)


def _is_own_page(headers: Mapping[str, str]) -> bool:
    """Whether a page of this server asks; what is no browser sends no origin."""
    origin = headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc == headers.get("host")
    except ValueError:
        return False
