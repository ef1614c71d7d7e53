"""Strangers in numbers: connections that say nothing or too much, from addresses of loopback."""

import resource
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tests.kit import wire
from tests.kit.daemon import Config, Daemon, place_of
from tests.kit.sockets import TurnClient
from tests.kit.turn import credential_of

HERE, THERE = "127.0.0.1", "127.0.1.1"
"""Of two networks."""
DEADLINE_S = 60
ALLOCATE = wire.build(3, 0, b"transaction!", [wire.transport(17)])
HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01"

Place = tuple[str, int]


def where(url: str) -> Place:
    """The place of a `turn:` URL."""
    place = place_of(url)
    return place.host, place.port


def connected(place: Place, source: str = HERE) -> socket.socket:
    """A connection from there."""
    return socket.create_connection(place, DEADLINE_S, (source, 0))


@contextmanager
def crowd(places: Sequence[Place], count: int, said: bytes = b"") -> Iterator[None]:
    """So many connections to each of these places that say no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with ExitStack() as stack:
            for place in places:
                for _ in range(count):
                    stack.enter_context(connected(place)).sendall(said)
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Pipeline:
    """A connection that sends requests as fast as it can, and comes again when it is cut."""

    def __init__(self, place: Place) -> None:
        self.cuts = 0
        self._place = place
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Pipeline":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._is_over.set()
        self._thread.join(DEADLINE_S)

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                with connected(self._place) as sock:
                    while not self._is_over.is_set():
                        sock.sendall(ALLOCATE * 1000)
            except ConnectionError:
                self.cuts += 1


def party_from(daemon: Daemon, call: Config, party: str, url: str, source: str) -> TurnClient:
    """A party's client without TLS that comes from there."""
    return TurnClient(connected(where(url), source), *credential_of(call, party))
