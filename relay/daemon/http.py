"""Makes the server of the HTTP API."""

import socket

from relay.api.relay import ControlSettings
from relay.config import Settings
from relay.daemon.engine import Engine
from relay.daemon.serving import HttpServer, bind


def make_api(engine: Engine, settings: ControlSettings, connections: int) -> HttpServer:
    """Make the server of the API for so many connections. It does not serve yet."""
    from relay.api.app import make_app  # noqa: PLC0415 - a third of a second, after the ports are bound

    return HttpServer(make_app(engine, settings), connections)


def bind_api(settings: Settings) -> socket.socket:
    """Open the socket of the API. Raises: RelayError, where `api.listen` cannot be bound."""
    return bind(settings.api.listen.host, settings.api.listen.port, "api.listen")
