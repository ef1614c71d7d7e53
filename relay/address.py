"""Addresses that cannot be printed by accident.

Rules of this file: `repr`, `str` and `format` redact every address. `.reveal()` is the one way out,
and `tests/architecture/privacy.py` lists the files that may call it. The three roles are distinct
types, so that mypy finds a peer's address where a client's is meant; addresses of different roles
are never equal.
"""

import ipaddress
import socket
from enum import StrEnum
from typing import NamedTuple, Self

IPV4, IPV6 = 0x01, 0x02
"""Address families as STUN writes them (RFC 8489 section 14.1)."""


class Address:
    """An IP address and a port: `packed` of 4 or 16 bytes in network order, port 0..=65535."""

    __slots__ = ("_hash", "packed", "port")

    def __init__(self, packed: bytes, port: int) -> None:
        self.packed = packed
        self.port = port
        self._hash = hash((packed, port))

    @classmethod
    def parse(cls, host: str, port: int) -> Self:
        """Parse a numeric address. `::ffff:a.b.c.d` becomes IPv4, as dual-stack sockets mean it.

        Raises: ValueError, without the text that was given. Nothing else.
        """
        try:
            ip = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            raise ValueError("not an IP address") from None
        packed = ip.packed
        return cls(packed[12:] if packed[:12] == _V4_MAPPED else packed, port)

    @property
    def family(self) -> int:
        """IPV4 or IPV6."""
        return IPV4 if len(self.packed) == 4 else IPV6

    def reveal(self) -> tuple[str, int]:
        """Return numeric host and port, as the socket module takes them: the one way out."""
        family = socket.AF_INET if len(self.packed) == 4 else socket.AF_INET6
        return socket.inet_ntop(family, self.packed), self.port

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Address)
            and type(self) is type(other)
            and self.port == other.port
            and self.packed == other.packed
        )

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("addresses are not pickled")


class ClientAddress(Address):
    """The address that a client sends from: what privacy is about."""

    __slots__ = ()


class PeerAddress(Address):
    """The address of a peer: what a client names as the other end of its data."""

    __slots__ = ()


class ServerAddress(Address):
    """An address of the relay, at which a socket listens."""

    __slots__ = ()


class Transport(StrEnum):
    """The transport between client and relay; always UDP between relay and peer."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class FiveTuple(NamedTuple):
    """A client, as the relay tells clients apart: two addresses and the transport between them.

    Spec: RFC 8656 section 3.
    """

    transport: Transport
    client: ClientAddress
    server: ServerAddress


_V4_MAPPED = bytes(10) + b"\xff\xff"
_V4_COMPATIBLE = bytes(12)
_V4_TRANSLATED = bytes(8) + b"\xff\xff\x00\x00"
_NAT64 = bytes.fromhex("0064ff9b") + bytes(8)


def canonical(packed: bytes) -> bytes:
    """Find the IPv4 address inside an IPv6 one; if there is none, return the same bytes.

    Covers mapped (RFC 4291 section 2.5.5.2), compatible (2.5.5.1), translated (RFC 2765), the NAT64
    well-known prefix (RFC 6052) and 6to4 (RFC 3056), so that a rule about an IPv4 address holds for
    every spelling. `::` and `::1` stay IPv6.
    """
    if len(packed) == 4:
        return packed
    prefix = packed[:12]
    if prefix in (_V4_MAPPED, _V4_TRANSLATED, _NAT64):
        return packed[12:]
    if prefix == _V4_COMPATIBLE and packed[12:] not in (bytes(4), b"\x00\x00\x00\x01"):
        return packed[12:]
    if packed[:2] == b"\x20\x02":
        return packed[2:6]
    return packed
