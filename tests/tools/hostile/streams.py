"""Hostile frames over TCP and TLS, each connection from another address."""

import random
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress

from tests.lab.relay import TCP_PORT, TLS_PORT, Relay
from tests.lab.topology import RELAY, anywhere

_IP_TRANSPARENT = 19  # Linux's number, which the socket module does not name
_PATIENCE_S = 20


def connect_from_anywhere(relay: Relay, rng: random.Random, port: int = TCP_PORT) -> socket.socket:
    """A TCP connection to the relay from an address of nobody else. Raises: OSError."""
    stream = relay.lab.sink.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        stream.setsockopt(socket.SOL_IP, _IP_TRANSPARENT, 1)
        stream.bind((str(anywhere(rng)), 0))
        stream.settimeout(_PATIENCE_S)
        stream.connect((RELAY.v4, port))
    except BaseException:
        stream.close()
        raise
    return stream


def pour(relay: Relay, frames: Sequence[bytes], rng: random.Random, *, tls: bool) -> int:
    """Send frames until all are sent, beginning a new connection wherever one is cut.

    Returns: how many were sent.
    """
    sent = 0
    while sent < len(frames):
        with suppress(OSError), _opened(relay, rng, tls=tls) as stream:
            sent += _pour_into(stream, frames[sent:])
    return sent


def _opened(relay: Relay, rng: random.Random, *, tls: bool) -> socket.socket:
    stream = connect_from_anywhere(relay, rng, TLS_PORT if tls else TCP_PORT)
    if not tls:
        return stream
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(stream)


def _pour_into(stream: socket.socket, frames: Sequence[bytes]) -> int:
    """As many frames as this connection takes, one at least: that one has ended it."""
    sent = 0
    with suppress(OSError):
        for frame in frames:
            sent += 1
            stream.sendall(frame)
            drain(stream)
    return sent


def drain(stream: socket.socket) -> None:
    """Read away what has been answered. Raises: ConnectionError where the relay has hung up."""
    stream.setblocking(False)
    try:
        while stream.recv(65536):
            pass
    except (BlockingIOError, ssl.SSLWantReadError):
        return
    finally:
        stream.settimeout(_PATIENCE_S)
    raise ConnectionError("the relay has hung up")
