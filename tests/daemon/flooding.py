"""A flood of what one party sends, over keep-alive connections, each sent without waiting."""

import json
import socket
import threading
from collections import Counter
from collections.abc import Sequence
from io import BufferedReader

from tests.kit.api import TOKEN
from tests.kit.daemon import Config, Daemon

CANDIDATE = (
    "candidate:842163049 1 udp 1677729535 198.51.100.7 40000 typ srflx raddr 10.0.0.7 rport 40000"
    " generation 0 ufrag EEtu network-id 1"
)
_DEADLINE_S = 60


def candidate_of(call: Config, party: str) -> bytes:
    """One request."""
    return _request(call, "candidate", {"from": party, "candidate": CANDIDATE})


def description_of(call: Config, party: str) -> bytes:
    """The same of a description, which is short and no good."""
    return _request(call, "description", {"from": party, "sdp": "v=0\r\n"})


def _request(call: Config, what: str, document: object) -> bytes:
    body = json.dumps(document).encode()
    head = [
        f"POST /v1/calls/{call['id']}/{what} HTTP/1.1",
        "Host: relay",
        f"Authorization: Bearer {TOKEN}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "",
        "",
    ]
    return "\r\n".join(head).encode() + body


class Flood:
    """Requests on one connection, one behind the other; they are sent while answers come.

    Args:
        requests: all of them are on their way before the first answer is looked at.
    """

    def __init__(self, daemon: Daemon, requests: Sequence[bytes]) -> None:
        self.statuses: list[int] = []
        self._is_refused = threading.Event()
        self._count = len(requests)
        self._sock = socket.create_connection(daemon.api_at, timeout=_DEADLINE_S)
        self._threads = [
            threading.Thread(target=self._sock.sendall, args=(b"".join(requests),)),
            threading.Thread(target=self._read),
        ]
        for thread in self._threads:
            thread.start()

    def until_refused(self) -> None:
        """Wait until one of them has been answered with 429."""
        assert self._is_refused.wait(_DEADLINE_S)

    def answered(self) -> Counter[int]:
        """How many had which status, once all have been answered."""
        for thread in self._threads:
            thread.join(_DEADLINE_S)
        self._sock.close()
        assert len(self.statuses) == self._count
        return Counter(self.statuses)

    def _read(self) -> None:
        with self._sock.makefile("rb") as stream:
            for _ in range(self._count):
                self.statuses.append(_status(stream))
                if self.statuses[-1] == 429:
                    self._is_refused.set()


def _status(stream: BufferedReader) -> int:
    """The status of the next answer, which is read to its end."""
    status = int(stream.readline().split()[1])
    length = 0
    while line := stream.readline().strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    stream.read(length)
    return status
