"""One connection of an HTTP server: what the server waits for, and for how long.

Rules of this file: a client has ten seconds to send a request and ten to read the answer; then the
connection is kept for a next request. Where there are too many connections, the server cuts the
oldest one that it is not answering.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from relay.address import Address
from relay.crowd import Crowd, source_of

PATIENCE_S = 10.0
"""How long a client has for a whole request, head and body, and for reading an answer. Requests are
short, and clients of the API are servers nearby."""

KEPT_S = 75
"""How long a connection waits for its next request. Clients and proxies commonly keep it for sixty
seconds: so they end it, and the end crosses no request on its way."""

_READ = (h11.DONE, h11.MUST_CLOSE)  # the client's state once its request is there to the end


class Waiting(Crowd["HttpConnection"]):
    """The connections of one server that wait for their clients.

    Args:
        connections: how many connections the server may have, those that it is answering included.
            One source may have three quarters of them, since behind a proxy all come from one.
    """

    def __init__(self, connections: int) -> None:
        super().__init__(max(1, connections * 3 // 4), connections)
        self.connections = connections


class HttpConnection(H11Protocol):
    """A connection of uvicorn's that does not wait forever."""

    def __init__(self, *args: Any, waiting: Waiting, **options: Any) -> None:
        super().__init__(*args, **options)
        self._waiting = waiting
        self._source = b""
        self._deadline: asyncio.TimerHandle | None = None
        self._is_kept = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take in a new connection. Where there are too many, cut the oldest that waits."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        if peer:
            self._source = source_of(Address.parse(*peer[:2]))
        is_crowded = len(self.connections) > self._waiting.connections
        if not self._wait() and is_crowded:
            oldest = self._waiting.take_oldest()
            if oldest is not None:
                oldest.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection that is gone, for whatever reason."""
        self._go_on()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in bytes: the first of a next request, or more of one."""
        if self._is_kept:
            self._wait()
        super().data_received(data)

    def handle_events(self) -> None:
        """Read what has come. Once the request is complete, stop waiting for the client."""
        super().handle_events()
        if self.conn.their_state in _READ and not self._is_answered():
            self._go_on()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over to WebSocket, and stop waiting for the client."""
        self._go_on()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Wait for the client to read the answer, which is written, and for its next request."""
        self._wait()
        super().on_response_complete()
        if self._deadline is not None and not self.flow.write_paused:
            self._keep()

    def pause_writing(self) -> None:
        """Wait for the client, which does not read its answer."""
        super().pause_writing()
        self._wait()

    def resume_writing(self) -> None:
        """Go on with a client that reads again."""
        super().resume_writing()
        if self._is_answered():
            self._keep()
        else:
            self._go_on()

    def cut(self) -> None:
        """End the connection at once."""
        self.transport.abort()

    def _is_answered(self) -> bool:
        return self.cycle is not None and self.cycle.response_complete

    def _keep(self) -> None:
        """Keep the connection for a next request, which the client may have begun already.

        The client has read the answer, as far as the server can know.
        """
        has_begun = self.conn.their_state is not h11.IDLE or bool(self.conn.trailing_data[0])
        self._wait(PATIENCE_S if has_begun else KEPT_S)
        self._is_kept = not has_begun

    def _wait(self, patience_s: float = PATIENCE_S) -> bool:
        """Wait for the client, at most so many seconds.

        Returns: whether another connection of this source was cut to make room.
        """
        self._go_on()
        self._deadline = self.loop.call_later(patience_s, self.cut)
        crowded = self._waiting.join(self, self._source)
        if crowded is not None:
            crowded.cut()
        return crowded is not None

    def _go_on(self) -> None:
        """Stop waiting for the client: the server is at work."""
        self._waiting.leave(self)
        self._is_kept = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
