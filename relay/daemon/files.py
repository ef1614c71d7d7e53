"""How the file descriptors of the process are shared out, so that nobody takes another's."""

import contextlib
import resource
from typing import NamedTuple

_HTTP_CONNECTIONS = 512  # a signaling server keeps a few open
_HTTP_SHARE = 8  # at most one of so many descriptors, where there are few
_OWN = 128  # listeners, logs, the loop, and the maps and programs of the fast path
_WITHOUT_LIMIT = 1 << 20

FEW = 4096
"""For clients: as many as strangers alone may have."""


class Files(NamedTuple):
    """
    Args:
        clients: sockets that TURN clients and relayed ports may take.
        http: connections that the HTTP server may have.
    """

    clients: int
    http: int


def share() -> Files:
    """Take all the file descriptors we may, since a TCP client needs one each; share them out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    limit = _WITHOUT_LIMIT if soft == resource.RLIM_INFINITY else soft
    http = max(1, min(_HTTP_CONNECTIONS, limit // _HTTP_SHARE))
    return Files(max(1, limit - http - _OWN), http)
