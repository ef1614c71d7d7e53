"""A TURN client that says whatever it is told to: plain sockets and bytes of its own making.

It answers challenges, repeats what UDP may have lost, and keeps what is no response for later.
"""

import os
import select
import socket
import ssl
import struct
import time
from collections import deque
from typing import Self

from relay.address import PeerAddress
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method
from tests.kit import wire
from tests.kit.namespaces import Namespace
from tests.kit.polling import PATIENCE_S
from tests.lab.topology import RELAY

_REALM = "callveil"
_RETRY_S, _TRIES = 1, PATIENCE_S
_UDP_RELAYED = 17


class TurnClient:
    """One five-tuple with one pair of credentials."""

    def __init__(self, sock: socket.socket | ssl.SSLSocket, username: str, password: str) -> None:
        self.sock = sock
        self.username = username
        self.password = password
        self.nonce = b""
        self.relayed = PeerAddress(bytes(4), 0)
        self.inbox: deque[bytes] = deque()
        self._is_stream = sock.type == socket.SOCK_STREAM
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    @property
    def key(self) -> bytes:
        """Of MESSAGE-INTEGRITY."""
        return wire.long_term_key(self.username, _REALM, self.password)

    def signed(self, method: int, attributes: wire.Attributes, transaction_id: bytes) -> bytes:
        """A request with credentials and the latest nonce."""
        return wire.build(
            method,
            Class.REQUEST,
            transaction_id,
            [
                *attributes,
                (Attribute.USERNAME, self.username.encode()),
                (Attribute.REALM, _REALM.encode()),
                (Attribute.NONCE, self.nonce),
            ],
            key=self.key,
        )

    def request(self, method: int, *attributes: tuple[int, bytes]) -> wire.Stun:
        """Send a request, answering one challenge on the way, and return the last response.

        No attribute may depend on the transaction id; `about` is for those that name a peer.
        """
        transaction_id = os.urandom(12)
        if self.nonce:
            answer = self.exchange(self.signed(method, list(attributes), transaction_id))
        else:
            plain = wire.build(method, Class.REQUEST, transaction_id, list(attributes))
            answer = self.exchange(plain)
        if answer.code in (401, 438) and answer.values(Attribute.NONCE):
            fresh = answer.value(Attribute.NONCE)
            if fresh != self.nonce:
                self.nonce = fresh
                answer = self.exchange(self.signed(method, list(attributes), os.urandom(12)))
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

    def about(self, method: int, peer: PeerAddress, *more: tuple[int, bytes]) -> wire.Stun:
        """A request that names a peer, with the nonce that `allocate` has learnt."""
        transaction_id = os.urandom(12)
        attributes = [wire.peer(peer, transaction_id), *more]
        answer = self.exchange(self.signed(method, attributes, transaction_id))
        if answer.code == 438:
            self.nonce = answer.value(Attribute.NONCE)
            return self.about(method, peer, *more)
        return answer

    def allocate(self, *attributes: tuple[int, bytes]) -> wire.Stun:
        """Allocate, and remember the relayed address if it worked."""
        answer = self.request(Method.ALLOCATE, wire.transport(_UDP_RELAYED), *attributes)
        if answer.code == 0:
            self.relayed = PeerAddress(*answer.address(Attribute.XOR_RELAYED_ADDRESS))
        return answer

    def permit(self, peer: PeerAddress) -> int:
        """CreatePermission; 0 or the error code."""
        return self.about(Method.CREATE_PERMISSION, peer).code

    def bind(self, channel: int, peer: PeerAddress) -> int:
        """ChannelBind; 0 or the error code."""
        return self.about(Method.CHANNEL_BIND, peer, wire.channel_number(channel)).code

    def send(self, peer: PeerAddress, data: bytes) -> None:
        """A Send indication."""
        transaction_id = os.urandom(12)
        attributes = [wire.peer(peer, transaction_id), (int(Attribute.DATA), data)]
        self.send_raw(wire.build(Method.SEND, Class.INDICATION, transaction_id, attributes))

    def send_on(self, channel: int, data: bytes) -> None:
        """A ChannelData message, padded where the transport wants it."""
        padding = bytes(-len(data) % 4) if self._is_stream else b""
        self.send_raw(wire.channel_data(channel, data) + padding)

    def send_raw(self, data: bytes) -> None:
        """Whatever it is."""
        self.sock.sendall(data)

    def receive(self, timeout_s: float = PATIENCE_S) -> bytes | None:
        """The next thing that is no response: ChannelData or an indication; None if none comes."""
        if self.inbox:
            return self.inbox.popleft()
        return self._next_frame(timeout_s)

    def _next_frame(self, timeout_s: float) -> bytes | None:
        """One message: a datagram, or as much of the stream as one message is."""
        end = time.monotonic() + timeout_s
        while True:
            frame = self._take_frame()
            if frame is not None:
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

    def _take_frame(self) -> bytes | None:
        """Cut one whole message off the stream. Spec: RFC 8656 section 12.5."""
        if len(self._buffer) < 4:
            return None
        first, length = struct.unpack_from("!HH", self._buffer)
        size = 4 + length if first >= 0x4000 else 20 + length
        padded = size + -size % 4
        if len(self._buffer) < padded:
            return None
        frame, self._buffer = self._buffer[:size], self._buffer[padded:]
        return frame


def over_udp(
    where: Namespace, username: str, password: str, host: str = RELAY.v4, port: int = 3478
) -> TurnClient:
    """A client in a namespace, over UDP."""
    sock = where.socket(_family(host), socket.SOCK_DGRAM)
    sock.connect((host, port))
    return TurnClient(sock, username, password)


def over_tcp(
    where: Namespace, username: str, password: str, host: str = RELAY.v4, port: int = 3478
) -> TurnClient:
    """A client in a namespace, over TCP."""
    sock = where.socket(_family(host), socket.SOCK_STREAM)
    sock.settimeout(PATIENCE_S)
    sock.connect((host, port))
    return TurnClient(sock, username, password)


def over_tls(
    where: Namespace,
    username: str,
    password: str,
    context: ssl.SSLContext,
    host: str = RELAY.v4,
    port: int = 5349,
) -> TurnClient:
    """A client in a namespace, over TLS."""
    sock = where.socket(_family(host), socket.SOCK_STREAM)
    sock.settimeout(PATIENCE_S)
    sock.connect((host, port))
    return TurnClient(context.wrap_socket(sock, server_hostname=host), username, password)


def _is_response(frame: bytes) -> bool:
    """Success or error. Spec: RFC 8489 section 5."""
    return frame[0] < 0x40 and bool(frame[0] & 1)


def _family(host: str) -> int:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
