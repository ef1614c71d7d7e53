"""One connection of an HTTP server: what it may wait for, and for how long.

Rules of this file: whoever asks and whoever reads an answer has ten seconds for it, and whoever has
read it may come again later; where there are too many connections, the oldest goes that is not
being answered.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from relay.address import Address
from relay.crowd import Crowd, source_of

PATIENCE_S = 10.0
"""For a whole request, head and body; for reading an answer. Requests are short, and clients of the
API are servers nearby."""

KEPT_S = 75
"""For the next request to begin: longer than clients and proxies commonly keep a connection, sixty
seconds, so that the end of it is theirs and crosses no request on its way."""

_READ = (h11.DONE, h11.MUST_CLOSE)  # the client's state once its request is there to the end


class Waiting(Crowd["HttpConnection"]):
    """The connections of one server that are not being answered.

    Args:
        connections: so many there may be, those that are being answered included. One source may
            have three of four: behind a proxy all come from one.
    """

    def __init__(self, connections: int) -> None:
        super().__init__(max(1, connections * 3 // 4), connections)
        self.connections = connections


class HttpConnection(H11Protocol):
    """uvicorn's, with an end to waiting."""

    def __init__(self, *args: Any, waiting: Waiting, **options: Any) -> None:
        super().__init__(*args, **options)
        self._waiting = waiting
        self._source = b""
        self._deadline: asyncio.TimerHandle | None = None
        self._is_kept = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
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
        """It is gone, for whatever reason."""
        self._go_on()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """The first byte of a next request, or more of one."""
        if self._is_kept:
            self._wait()
        super().data_received(data)

    def handle_events(self) -> None:
        """Take what has come, and see whether the request is there to its end."""
        super().handle_events()
        if self.conn.their_state in _READ and not self._is_answered():
            self._go_on()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """The connection is another protocol's from now on."""
        self._go_on()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """An answer has been written: it is to be read, and the next request may come."""
        self._wait()
        super().on_response_complete()
        if self._deadline is not None and not self.flow.write_paused:
            self._keep()

    def pause_writing(self) -> None:
        """The client does not read what it is answered."""
        super().pause_writing()
        self._wait()

    def resume_writing(self) -> None:
        """It reads again."""
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
        """The answer has been read, as far as we know; the client may have begun its next request
        before it was.
        """
        has_begun = self.conn.their_state is not h11.IDLE or bool(self.conn.trailing_data[0])
        self._wait(PATIENCE_S if has_begun else KEPT_S)
        self._is_kept = not has_begun

    def _wait(self, patience_s: float = PATIENCE_S) -> bool:
        """From now on it is for the client to do something.

        Returns: whether another of its source had to go for it.
        """
        self._go_on()
        self._deadline = self.loop.call_later(patience_s, self.cut)
        crowded = self._waiting.join(self, self._source)
        if crowded is not None:
            crowded.cut()
        return crowded is not None

    def _go_on(self) -> None:
        """From now on it is for the server."""
        self._waiting.leave(self)
        self._is_kept = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
