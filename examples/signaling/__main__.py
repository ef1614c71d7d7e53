"""Run the signaling server in a process of its own: `python -m examples.signaling --help`.

The token of callveil's API, where it asks for one, is CALLVEIL_API_TOKEN in the environment.
"""

import asyncio
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated
from urllib.parse import urlsplit

import typer
import uvicorn
from fastapi import FastAPI

from examples.signaling.app import make_app
from examples.signaling.calls import RING_S
from examples.signaling.messages import MAX_BYTES
from relay import logs
from relay.client import AsyncClient, ClientError
from relay.daemon.privileges import set_core_dumps
from relay.daemon.serving import bind, url_of
from relay.errors import RelayError

RETRY_S = 0.5
STOP_S = 1
"""How long a page may take to let go when the server stops."""


def main(
    api: Annotated[str, typer.Option(help="callveil's HTTP API")] = "http://127.0.0.1:8080",
    host: Annotated[str, typer.Option(help="where the page is served")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="where the page is served.  [default: the port after the API's; where that is "
            "taken, a free one]",
        ),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="a host name under which it is found")
    ] = None,
    ring_s: Annotated[float, typer.Option(min=0.1, help="seconds that a call may ring")] = RING_S,
) -> None:
    """Wait for the relay, then serve the demo page and its signaling, and say where.

    Browsers give camera and microphone to pages of localhost and of https:// addresses only.
    """
    set_core_dumps(False)
    logs.configure()
    try:
        callveil = AsyncClient(api, os.environ.get("CALLVEIL_API_TOKEN", ""))
        after = (urlsplit(api).port or 8080) + 1
    except ValueError:
        raise typer.BadParameter(
            f"{api!r}: expected http://host:port", param_hint="--api"
        ) from None
    server = _Server(_configured(make_app(callveil, ring_s, name or ())))

    async def run() -> None:
        async with callveil:
            await _wait_for(callveil, api)
            await server.serve([_bind(host, [after % 65536, 0] if port is None else [port])])

    with suppress(KeyboardInterrupt):
        asyncio.run(run())


def _configured(app: FastAPI) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=STOP_S,
        ws="websockets-sansio",
        ws_max_size=MAX_BYTES,
    )
    try:
        config.load()
    except ModuleNotFoundError as error:
        fault = f"{error.name} is not installed; `make run` installs all that the demo needs"
        logs.say("fault", f"demo: {fault}", "error", fault=fault)
        raise typer.Exit(1) from None
    return config


async def _wait_for(callveil: AsyncClient, api: str) -> None:
    """Ask the relay until it is ready and takes our token, and say what is waited for."""
    said = ""
    while missing := await _missing(callveil):
        if missing != said:
            said = missing
            hint = "--api names another relay, CALLVEIL_API_TOKEN its token"
            text = f"demo: waiting for the relay at {api}: {said} ({hint})"
            logs.say("waiting", text, "warning", api=api, reason=said)
        await asyncio.sleep(RETRY_S)


async def _missing(callveil: AsyncClient) -> str:
    """Why the relay makes no calls for us yet; empty if it does."""
    try:
        status = await callveil.status()
    except ClientError as error:
        return str(error)
    return "" if status["ready"] else "The relay takes no new calls."


def _bind(host: str, ports: Sequence[int]) -> socket.socket:
    """A socket at the first of the ports that can be had."""
    faults = []
    for port in ports:
        try:
            return bind(host, port, "--port")
        except RelayError as error:
            faults.append(str(error))
    logs.say("fault", f"demo: {faults[0]}", "error", fault=faults[0])
    raise typer.Exit(1)


class _Server(uvicorn.Server):
    """uvicorn, which says where the page is as soon as it can be opened."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for sock in sockets or ():
            url = url_of(sock)
            logs.say("demo", f"demo {url}/", url=url)


if __name__ == "__main__":
    typer.run(main)
