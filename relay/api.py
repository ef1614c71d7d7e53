"""The HTTP API's server: uvicorn in the daemon's own loop."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from relay.config import Settings
from relay.control.relay import ControlSettings
from relay.engine import Engine
from relay.errors import RelayError

_API_STOP_S = 1  # then whoever sends half a request is cut off; answers take milliseconds


class ApiServer(uvicorn.Server):
    """uvicorn, which leaves the signals to the daemon and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def make_api(engine: Engine, settings: ControlSettings) -> ApiServer:
    from relay.control.app import make_app  # noqa: PLC0415 - a third of a second, after the ports are bound

    app = make_app(engine, settings)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=_API_STOP_S,
    )
    config.load()  # while every file of the installation can still be read
    return ApiServer(config)


def bind_api(settings: Settings) -> socket.socket:
    listen = settings.api.listen
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    sock = socket.socket(family)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((listen.host, listen.port))
    except OSError as error:
        sock.close()
        raise RelayError(f"api.listen: {listen}: {error.strerror}") from None
    return sock
