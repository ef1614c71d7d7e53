"""Shares out the file descriptors of the process, so that no part of it takes another's."""

import contextlib
import resource
from typing import NamedTuple

_HTTP_CONNECTIONS = 512  # a signaling server keeps a few open
_HTTP_SHARE = 8  # at most one of so many descriptors, where there are few
_OWN = 128  # listeners, logs, the loop, and the maps and programs of the fast path
_WITHOUT_LIMIT = 1 << 20

FEW = 4096
"""Descriptors for clients below which the daemon warns: as many as strangers alone may take."""


class Files(NamedTuple):
    """How many file descriptors each part of the process may take.

    Args:
        clients: how many sockets TURN clients, relayed ports and outer ports may take.
        http: how many connections the HTTP server may have.
    """

    clients: int
    http: int


def share() -> Files:
    """Raise the limit of file descriptors as far as possible, and share the descriptors out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    limit = _WITHOUT_LIMIT if soft == resource.RLIM_INFINITY else soft
    http = max(1, min(_HTTP_CONNECTIONS, limit // _HTTP_SHARE))
    return Files(max(1, limit - http - _OWN), http)
