"""A TURN client with a plain socket, UDP, TCP or TLS: it says whatever it is told to.

It repeats what UDP may have lost, and keeps what is no response for later.
"""

import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Sequence
from typing import Self

from relay.address import PeerAddress
from tests.kit import wire
from tests.kit.polling import PATIENCE_S
from tests.kit.turn import Client, Credential, Exchange

_RETRY_S, _TRIES = 1, PATIENCE_S


class TurnClient:
    """One five-tuple with one pair of credentials; `turn` is what it knows."""

    def __init__(self, sock: socket.socket | ssl.SSLSocket, username: str, password: str) -> None:
        self.sock = sock
        self.turn = Client(Credential(username, password))
        self.inbox: deque[bytes] = deque()
        self._is_stream = sock.type == socket.SOCK_STREAM
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    @property
    def relayed(self) -> PeerAddress:
        """The relayed transport address of its allocation."""
        return self.turn.relayed

    def request(
        self, method: int, *attributes: wire.Pair, peers: Sequence[PeerAddress] = ()
    ) -> wire.Stun:
        """Send a request, answering one challenge on the way, and return the last response."""
        return self._run(self.turn.request(method, *attributes, peers=peers))

    def allocate(self, *attributes: wire.Pair) -> wire.Stun:
        """Allocate, and remember the relayed address if it worked."""
        return self._run(self.turn.allocate(*attributes))

    def permit(self, peer: PeerAddress) -> int:
        """CreatePermission; 0 or the error code."""
        return self._run(self.turn.permit(peer)).code

    def bind(self, channel: int, peer: PeerAddress) -> int:
        """ChannelBind; 0 or the error code."""
        return self._run(self.turn.bind(channel, peer)).code

    def send(self, peer: PeerAddress, data: bytes, *more: wire.Pair) -> None:
        """A Send indication."""
        self.send_raw(self.turn.send(peer, data, *more))

    def send_on(self, channel: int, data: bytes) -> None:
        """A ChannelData message, padded where the transport wants it."""
        padding = bytes(-len(data) % 4) if self._is_stream else b""
        self.send_raw(wire.channel_data(channel, data) + padding)

    def send_raw(self, data: bytes) -> None:
        """Whatever it is."""
        self.sock.sendall(data)

    def _run(self, exchange: Exchange) -> wire.Stun:
        """Carry an exchange's requests and answers. Returns: the last answer."""
        request = next(exchange)
        while True:
            answer = self.exchange(request)
            try:
                request = exchange.send(answer)
            except StopIteration:
                return answer

    def exchange(self, datagram: bytes) -> wire.Stun:
        """Send one request as it is until its response comes.

        Raises: TimeoutError.
        """
        for _ in range(1 if self._is_stream else _TRIES):
            self.send_raw(datagram)
            end = time.monotonic() + (_RETRY_S * _TRIES if self._is_stream else _RETRY_S)
            while (frame := self._next_frame(end - time.monotonic())) is not None:
                if frame[0] < 0x40 and frame[8:20] == datagram[8:20]:
                    return wire.parse(frame)
                if not _is_response(frame):  # one to a request that was sent twice comes late
                    self.inbox.append(frame)
        raise TimeoutError("no response")

    def receive(self, timeout_s: float = PATIENCE_S) -> bytes | None:
        """The next thing that is no response: ChannelData or an indication; None if none comes."""
        if self.inbox:
            return self.inbox.popleft()
        return self._next_frame(timeout_s)

    def _next_frame(self, timeout_s: float) -> bytes | None:
        """One message: a datagram, or as much of the stream as one message is."""
        end = time.monotonic() + timeout_s
        while True:
            if self._is_stream and (first := wire.cut(self._buffer)):
                frame, self._buffer = first
                return frame
            if not self._wait_readable(end - time.monotonic()):
                return None
            data = self.sock.recv(65536)
            if self._is_stream:
                if not data:
                    raise ConnectionError("the relay closed the connection")
                self._buffer += data
            else:
                return data

    def _wait_readable(self, timeout_s: float) -> bool:
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            return True
        poll = select.poll()  # unlike select, for any number of open files
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(max(timeout_s, 0) * 1000))


def _is_response(frame: bytes) -> bool:
    """Success or error. Spec: RFC 8489 section 5."""
    return frame[0] < 0x40 and bool(frame[0] & 1)
