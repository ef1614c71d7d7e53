"""The demo page with its signaling server, on loopback beside the API: `demo: true`.

Rules of this file: it is a user of the HTTP API like any other, and knows nothing of the relay.
`examples` is imported only where it is asked for, since it is not part of an installation.
"""

import asyncio
import socket
from collections.abc import Sequence

from relay import logs
from relay.daemon.serving import HttpServer, bind, url_of
from relay.errors import ConfigError, RelayError

_LOOPBACK = "127.0.0.1"
_ON_LOOPBACK = {"0.0.0.0": _LOOPBACK, "::": "::1"}  # noqa: S104  where a wildcard is found


class Demo:
    """The demo, bound.

    Args:
        api: the socket of the relay's API. The page is at the next port, or, where that is taken,
            at one that the kernel chooses.
        tokens: the API's.
        connections: so many its own server may have.
    Raises: RelayError, where it cannot be served.
    """

    def __init__(self, api: socket.socket, tokens: Sequence[str], connections: int) -> None:
        try:
            from examples.signaling import messages  # noqa: PLC0415
            from examples.signaling.app import make_app  # noqa: PLC0415
            from examples.signaling.callveil import Callveil  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"demo: True: expected false, since {error.name} is not installed; "
                "`make run` in a checkout has all that the demo needs"
            ) from None
        host, port = api.getsockname()[:2]
        host = _ON_LOOPBACK.get(host, host)
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self._socket = _bind_near(port)
        self._server = HttpServer(
            make_app(Callveil(url, tokens[0] if tokens else "")),
            connections,
            ws="websockets-sansio",
            ws_max_size=messages.MAX_BYTES,
        )

    async def start(self) -> None:
        """Serve it, and say where."""
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        await self._server.listening.wait()
        url = f"{url_of(self._socket)}/"
        logs.say("demo", f"demo {url}", url=url)

    async def stop(self) -> None:
        """End it, and the calls of its people."""
        self._server.should_exit = True
        await self._serving


def _bind_near(port: int) -> socket.socket:
    try:
        return bind(_LOOPBACK, port + 1 if port < 65535 else 0, "demo")
    except RelayError:
        return bind(_LOOPBACK, 0, "demo")
