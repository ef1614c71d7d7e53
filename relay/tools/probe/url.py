"""TURN URLs: `turn:host:port?transport=udp`. Spec: RFC 7065 section 3.1."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from relay.address import Transport
from relay.config import Listen

_URL = re.compile(
    r"(?P<scheme>turns?):(?://)?(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<host>[a-z0-9._-]+))"
    r"(?::(?P<port>[0-9]{1,5}))?(?:\?transport=(?P<transport>udp|tcp))?",
    re.ASCII | re.IGNORECASE,
)
_LOCAL = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  not bound to, replaced


@dataclass(frozen=True, slots=True)
class TurnUrl:
    """One TURN server.

    Args:
        host: a name, or a numeric address without brackets.
        port: 3478 and for turns: 5349 where the URL says nothing.
        transport: udp or tcp.
        is_tls: turns: over TCP. TLS over UDP (DTLS) is not offered.
    """

    host: str
    port: int
    transport: str
    is_tls: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URL. `turn://` is accepted as well: it is often written so.

        Raises: ValueError, with a sentence that starts with "expected".
        """
        match = _URL.fullmatch(text)
        if match is None:
            raise ValueError("expected turn:HOST:PORT?transport=udp or tcp, or turns:HOST:PORT")
        is_tls = match["scheme"].lower() == "turns"
        transport = (match["transport"] or ("tcp" if is_tls else "udp")).lower()
        if is_tls and transport == "udp":
            raise ValueError("expected turns: over tcp; DTLS is not available in this version")
        port = int(match["port"] or (5349 if is_tls else 3478))
        if not 1 <= port <= 65535:
            raise ValueError("expected a port from 1 to 65535")
        return cls(match["v6"] or match["host"], port, transport, is_tls)

    @classmethod
    def of(cls, listen: Listen, names: Sequence[str]) -> Self:
        """How to reach a listener.

        Args:
            names: what clients are told; without any, the listener's address on its own host.
        """
        host, _, port = listen.url.partition("://")[2].rpartition(":")
        scheme = "turns" if listen.transport is Transport.TLS else "turn"
        transport = "udp" if listen.transport is Transport.UDP else "tcp"
        return cls.parse(
            f"{scheme}:{names[0] if names else _LOCAL.get(host, host)}:{port}?transport={transport}"
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "turns" if self.is_tls else "turn"
        return f"{scheme}:{host}:{self.port}?transport={self.transport}"
