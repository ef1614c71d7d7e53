"""Opens the certificate and its key for a daemon that may not read them itself any more.

Rules of this file: what opens them is a process of its own, forked before the daemon gives up its
privileges. It keeps what reading takes and no other privilege, opens the two files that were named
at start and no others, and ends with the daemon.
"""

import os
import signal
import socket
import threading
from contextlib import ExitStack
from typing import IO, NoReturn

from relay.config import Pair, open_file, pair_of
from relay.config.settings import TlsSettings
from relay.daemon import privileges

_PATIENCE_S = 5.0
"""For how long a file system may take to open two files."""
_OPENED, _MISSING = b"+", b"-"


class Opener:
    """The daemon's end of that process.

    Args:
        tls: names the files.
    """

    def __init__(self, tls: TlsSettings) -> None:
        self._names = (tls.certificate, tls.key)
        self._lock = threading.Lock()
        self._asked = 0
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            _serve(theirs, self._names)
        theirs.close()
        self._socket.settimeout(_PATIENCE_S)

    def is_for(self, tls: TlsSettings) -> bool:
        """Whether it opens these files."""
        return (tls.certificate, tls.key) == self._names

    def read_pair(self, tls: TlsSettings) -> Pair:
        """Read both files as they are now. Raises: ConfigError. Nothing else."""
        with self._lock, ExitStack() as stack:
            try:
                certificate, key = self._ask(stack)
            except OSError:  # the process is gone, or has been waiting for a disk
                certificate = key = None
            return pair_of(tls, certificate, key)

    def close(self) -> None:
        """End the process. Nobody waits for it here: a disk may keep it."""
        self._socket.close()

    def _ask(self, stack: ExitStack) -> tuple[IO[bytes] | None, IO[bytes] | None]:
        """Have both opened. Raises: OSError."""
        self._asked = (self._asked + 1) % 256
        self._socket.send(bytes([self._asked]))
        while True:
            said, numbers, _, _ = socket.recv_fds(self._socket, 3, 2)
            files = [stack.enter_context(os.fdopen(number, "rb")) for number in numbers]
            if not said:
                raise OSError
            if said[0] == self._asked:  # else it answers a question that has been given up
                opened = iter(files)
                first, second = (
                    next(opened) if said[at : at + 1] == _OPENED else None for at in (1, 2)
                )
                return first, second


def _serve(theirs: socket.socket, names: tuple[str, str]) -> NoReturn:
    """In the child: open the files whenever the daemon asks, until it is gone."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # they are the daemon's; its end is heard of
        _close_all_but(theirs.fileno())
        privileges.keep_reading()
        while asked := theirs.recv(1):
            _answer(theirs, asked, names)
    finally:
        os._exit(0)


def _close_all_but(kept: int) -> None:
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    os.close(nothing)


def _answer(theirs: socket.socket, asked: bytes, names: tuple[str, str]) -> None:
    opened: list[int] = []
    said = asked
    for name in names:
        try:
            opened.append(open_file(name))
            said += _OPENED
        except (OSError, ValueError):
            said += _MISSING
    socket.send_fds(theirs, [said], opened)
    for number in opened:
        os.close(number)
