"""ICMP errors about what a UDP socket has sent, as Linux queues them for it.

Rules of this file: who reported an error, and what of the packet it quotes, is not read: it would
say where on the way to a peer something stands.
"""

import asyncio
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator

from relay.address import ClientAddress, FiveTuple, ServerAddress, Transport
from relay.forward.user import sockets
from relay.forward.user.core import IcmpError, PortReceiver
from relay.forward.user.gate import Lane

# Linux's numbers, which the socket module of Python 3.11 does not name.
_IPV4, _IPV6 = (socket.IPPROTO_IP, 11), (socket.IPPROTO_IPV6, 25)  # IP_RECVERR, IPV6_RECVERR
_MSG_ERRQUEUE = 0x2000
_EXTENDED = struct.Struct("=IBBBxII")  # struct sock_extended_err
_FROM_ICMP = (2, 3)  # SO_EE_ORIGIN_ICMP and SO_EE_ORIGIN_ICMP6; not what this host found itself

PER_S = 20
"""Errors of one port that the core hears of: anybody can forge them."""

_AT_ONCE = 16  # then other sockets have their turn
_ANCILLARY = 128  # bytes: sock_extended_err, and the socket address of who has reported it


class Reporting:
    """Watches the sockets that report errors, all of them by one descriptor of the loop's.

    libuv would stop to watch a socket by itself as soon as it has an error.
    """

    def __init__(self) -> None:
        self._ready = select.epoll() if sockets.can_set_df() else None  # Linux, as for that
        self._callbacks: dict[int, Callable[[], None]] = {}

    def add(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, callback: Callable[[], None]
    ) -> bool:
        """Call back when a socket has something, if it can report errors. Returns: whether."""
        option = _IPV4 if sock.family == socket.AF_INET else _IPV6
        if self._ready is None:
            return False
        try:
            sock.setsockopt(*option, 1)
        except OSError:
            return False
        if not self._callbacks:
            loop.add_reader(self._ready.fileno(), self._on_ready)
        self._ready.register(sock, select.EPOLLIN)
        self._callbacks[sock.fileno()] = callback
        return True

    def remove(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        """Call back no longer for a socket that was added."""
        if self._ready is None or self._callbacks.pop(sock.fileno(), None) is None:
            return
        self._ready.unregister(sock)
        if not self._callbacks:
            loop.remove_reader(self._ready.fileno())

    def close(self) -> None:
        """Watch nothing any more."""
        if self._ready is not None:
            self._ready.close()

    def _on_ready(self) -> None:
        assert self._ready is not None  # noqa: S101  else nothing was added
        for descriptor, _ in self._ready.poll(0, _AT_ONCE):
            callback = self._callbacks.get(descriptor)
            if callback is not None:  # not closed by one before it
                callback()


class IcmpErrors:
    """Hands on the errors about what one socket has sent, a few per second.

    Args:
        sock: of `Reporting`. The call that comes after an error fails with it, whatever that call
            is about.
        address: where the socket is bound.
        core: hears of them.
    """

    def __init__(self, sock: socket.socket, address: ServerAddress, core: PortReceiver) -> None:
        self._socket = sock
        self._address = address
        self._core = core
        self._lane = Lane(PER_S)

    def hand_on(self) -> None:
        """Hand on what is queued. What is too much is forgotten."""
        for peer, error in _queued(self._socket):
            if self._lane.take(time.monotonic_ns()):
                self._core.receive_error(error, FiveTuple(Transport.UDP, peer, self._address))


def _queued(sock: socket.socket) -> Iterator[tuple[ClientAddress, IcmpError]]:
    """Take out the queued errors, each with where the datagram was sent that it is about."""
    for _ in range(_AT_ONCE):
        try:
            _, ancillary, _, name = sock.recvmsg(0, _ANCILLARY, _MSG_ERRQUEUE)
        except OSError:  # there is none left
            return
        for level, option, data in ancillary:
            if (level, option) in (_IPV4, _IPV6) and len(data) >= _EXTENDED.size:
                _, origin, kind, code, info, _ = _EXTENDED.unpack_from(data)
                if origin in _FROM_ICMP:
                    yield ClientAddress.parse(*name[:2]), IcmpError(kind, code, info)
