"""A SIP proxy for two phones: takes their registrations, and rebuilds each description.

Only what one call between two registered users needs of RFC 3261: what one sends goes to the other,
over the address that it has registered from, and every SDP body passes through callveil's API.
"""

import asyncio
import re
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Self

import asyncio_dgram
from asyncio_dgram.aio import DatagramServer

_USER = re.compile(rb"^From:[^\r\n]*<sip:([^@>]+)@", re.MULTILINE | re.IGNORECASE)
_VIA = re.compile(rb"^Via:[^\r\n]*\r\n", re.MULTILINE | re.IGNORECASE)
_ROUTE = re.compile(rb"^Route:[^\r\n]*\r\n", re.MULTILINE | re.IGNORECASE)
_LENGTH = re.compile(rb"^Content-Length:[^\r\n]*", re.MULTILINE | re.IGNORECASE)
_ECHOED = re.compile(
    rb"^(?:Via|From|To|Call-ID|CSeq|Contact):[^\r\n]*\r\n", re.MULTILINE | re.IGNORECASE
)
_BRANCH = b"z9hG4bK-callveil-"  # RFC 3261 section 8.1.1.7

Address = tuple[str, int]


class SipProxy:
    """
    Args:
        sock: bound, UDP.
        rebuild: gives the description that the other party may see, of a user's own.
    """

    def __init__(self, sock: socket.socket, rebuild: Callable[[str, str], str]) -> None:
        self._rebuild = rebuild
        self._place = "{}:{}".format(*sock.getsockname()[:2]).encode()
        self._users: dict[str, Address] = {}
        self._sent = 0
        self._sock = sock
        self._close: Future[Callable[[], object]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    @property
    def registered(self) -> set[str]:
        """Who has registered so far."""
        return set(self._users)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._close.result()()
        self._thread.join()

    async def _serve(self) -> None:
        """Pass messages on until the proxy is closed."""
        loop = asyncio.get_running_loop()
        stream = await asyncio_dgram.from_socket(self._sock)
        assert isinstance(stream, DatagramServer)
        self._close.set_result(partial(loop.call_soon_threadsafe, stream.close))
        try:
            while True:
                message, source = await stream.recv()
                assert isinstance(source, tuple)
                if b"\r\n\r\n" in message:
                    for answer, target in self._answers(message, source):
                        await stream.send(answer, target)
        except asyncio_dgram.TransportClosed:
            return

    def _answers(self, message: bytes, source: Address) -> list[tuple[bytes, Address]]:
        """What to send where for one message."""
        if message.startswith(b"REGISTER "):
            return [(self._register(message, source), source)]
        user = next((name for name, place in self._users.items() if place == source), None)
        other = next((name for name in self._users if name != user), None)
        if user is None or other is None:
            return []
        if message.startswith(b"SIP/2.0 "):
            passed = _VIA.sub(b"", message, count=1)
        else:
            self._sent += 1
            via = b"Via: SIP/2.0/UDP %s;branch=%s%d\r\n" % (self._place, _BRANCH, self._sent)
            record = b"Record-Route: <sip:%s;lr>\r\n" % self._place
            start, _, rest = message.partition(b"\r\n")
            passed = start + b"\r\n" + via + record + _ROUTE.sub(b"", rest)
        return [(self._with_rebuilt(passed, user), self._users[other])]

    def _register(self, message: bytes, source: Address) -> bytes:
        """Note where a user is. Returns: the answer."""
        user = _USER.search(message)
        if user is not None:
            self._users[user[1].decode()] = source
        headers = b"".join(_ECHOED.findall(message))
        return b"SIP/2.0 200 OK\r\n" + headers + b"Expires: 3600\r\nContent-Length: 0\r\n\r\n"

    def _with_rebuilt(self, message: bytes, user: str) -> bytes:
        head, _, body = message.partition(b"\r\n\r\n")
        if b"application/sdp" not in head:
            return message
        rebuilt = self._rebuild(user, body.decode()).encode()
        return _LENGTH.sub(b"Content-Length: %d" % len(rebuilt), head) + b"\r\n\r\n" + rebuilt
