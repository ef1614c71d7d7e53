"""An HTTP server that runs in the loop of the daemon: the API's."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import uvicorn

from relay.daemon.http_connection import KEPT_S, HttpConnection, Waiting
from relay.errors import RelayError

_STOP_S = 1
"""For how long a stop waits for requests that are not complete; an answer takes milliseconds."""


class HttpServer(uvicorn.Server):
    """A uvicorn server that leaves the signals to the daemon and sets `listening` when it listens.

    Args:
        app: an ASGI application.
        connections: how many connections the server may have.
    """

    def __init__(self, app: Any, connections: int) -> None:
        options: dict[str, Any] = {"log_config": None, "access_log": False, "lifespan": "off"}
        options |= {"server_header": False, "proxy_headers": False}
        options |= {"timeout_graceful_shutdown": _STOP_S}
        options |= {"timeout_keep_alive": KEPT_S}
        options |= {"ws": "none", "http": partial(HttpConnection, waiting=Waiting(connections))}
        super().__init__(uvicorn.Config(app, **options))
        self.config.load()  # while every file of the installation can still be read
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int, key: str) -> socket.socket:
    """Open a socket that listens.

    Args:
        key: the key of the configuration that a fault names.
    Raises: RelayError, where the address or the port cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen()  # a port that another process listens at shows only here
    except OSError as error:
        sock.close()
        shown = f"[{host}]" if family == socket.AF_INET6 else host
        raise RelayError(f"{key}: {shown}:{port}: {error.strerror}") from None
    return sock


def url_of(sock: socket.socket) -> str:
    """Write the URL of a server at a bound socket."""
    host, port = sock.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
