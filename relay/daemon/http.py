"""The HTTP API's server, in the daemon's own loop."""

import socket

from relay.api.relay import ControlSettings
from relay.config import Settings
from relay.daemon.engine import Engine
from relay.daemon.serving import HttpServer, bind


def make_api(engine: Engine, settings: ControlSettings, connections: int) -> HttpServer:
    """Make the server, for so many connections; nothing is served yet."""
    from relay.api.app import make_app  # noqa: PLC0415 - a third of a second, after the ports are bound

    return HttpServer(make_app(engine, settings), connections)


def bind_api(settings: Settings) -> socket.socket:
    """The socket that it listens on. Raises: RelayError, where the place cannot be had."""
    return bind(settings.api.listen.host, settings.api.listen.port, "api.listen")
