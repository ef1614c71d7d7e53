"""A SIP proxy for two phones: takes their registrations, and rebuilds each description.

Only what one call between two registered users needs of RFC 3261: what one sends goes to the other,
over the address that it has registered from, and every SDP body passes through callveil's API.
"""

import re
import select
import socket
import threading
from collections.abc import Callable
from typing import Self

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
        self._socket = sock
        self._rebuild = rebuild
        self._place = "{}:{}".format(*sock.getsockname()[:2]).encode()
        self._users: dict[str, Address] = {}
        self._sent = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def registered(self) -> set[str]:
        """Who has registered so far."""
        return set(self._users)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            if select.select([self._socket], [], [], 0.1)[0]:
                message, source = self._socket.recvfrom(65536)
                if b"\r\n\r\n" in message:
                    self._on_message(message, source)

    def _on_message(self, message: bytes, source: Address) -> None:
        if message.startswith(b"REGISTER "):
            self._register(message, source)
            return
        user = next((name for name, place in self._users.items() if place == source), None)
        other = next((name for name in self._users if name != user), None)
        if user is None or other is None:
            return
        if message.startswith(b"SIP/2.0 "):
            passed = _VIA.sub(b"", message, count=1)
        else:
            self._sent += 1
            via = b"Via: SIP/2.0/UDP %s;branch=%s%d\r\n" % (self._place, _BRANCH, self._sent)
            record = b"Record-Route: <sip:%s;lr>\r\n" % self._place
            start, _, rest = message.partition(b"\r\n")
            passed = start + b"\r\n" + via + record + _ROUTE.sub(b"", rest)
        self._socket.sendto(self._with_rebuilt(passed, user), self._users[other])

    def _register(self, message: bytes, source: Address) -> None:
        user = _USER.search(message)
        if user is not None:
            self._users[user[1].decode()] = source
        headers = b"".join(_ECHOED.findall(message))
        answer = b"SIP/2.0 200 OK\r\n" + headers + b"Expires: 3600\r\nContent-Length: 0\r\n\r\n"
        self._socket.sendto(answer, source)

    def _with_rebuilt(self, message: bytes, user: str) -> bytes:
        head, _, body = message.partition(b"\r\n\r\n")
        if b"application/sdp" not in head:
            return message
        rebuilt = self._rebuild(user, body.decode()).encode()
        return _LENGTH.sub(b"Content-Length: %d" % len(rebuilt), head) + b"\r\n\r\n" + rebuilt
