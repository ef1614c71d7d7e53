"""Parses the values that a configuration writes as text: listeners, ranges, addresses.

Rules of this file: every parser takes whatever stood in the document. It raises ValueError with a
sentence that starts with "expected", and nothing else.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Self

from relay.address import Address, PeerAddress, ServerAddress, Transport

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_HOST_PORT = re.compile(r"(?:\[(?P<v6>[^\[\]]*)\]|(?P<v4>[^\[\]:]*)):(?P<port>[0-9]{1,5})", re.A)
_PORTS = re.compile(r"([0-9]{1,5})-([0-9]{1,5})", re.A)

_LISTEN = 'expected udp://, tcp:// or tls:// with a numeric address and a port, "[…]" around IPv6'
_API = 'expected a numeric address and a port, "[…]" around IPv6'
_PORT_RANGE = "expected LOW-HIGH, both from 1024 to 65535, LOW not above HIGH"
_RELAY = "expected a numeric address of this relay, or PUBLIC/LOCAL of the same family"


def _ip(text: str, expected: str) -> IPAddress:
    """Read a numeric address. IPv4 inside IPv6 becomes IPv4, as dual-stack sockets mean it."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(expected) from None
    if "%" in text:  # a zone id names an interface, not a host
        raise ValueError(expected)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_multicast or ip == ipaddress.IPv4Address("255.255.255.255"):
        raise ValueError("expected an address of one host, not multicast or broadcast")
    return ip


def _host_port(text: str, expected: str) -> tuple[IPAddress, int]:
    """Split `1.2.3.4:5` or `[::1]:5`."""
    match = _HOST_PORT.fullmatch(text)
    if match is None:
        raise ValueError(expected)
    port = int(match["port"])
    if port > 65535:
        raise ValueError("expected a port from 0 to 65535")
    ip = _ip(match["v4"] if match["v6"] is None else match["v6"], expected)
    return ip, port


@dataclass(frozen=True, slots=True)
class Listen:
    """One listener for clients.

    Args:
        transport: UDP, TCP or TLS.
        address: where to bind. May be the wildcard. With port 0 the kernel chooses the port.
        url: as the operator wrote it. Messages may show it, since it is the operator's own.
    """

    transport: Transport
    address: ServerAddress
    url: str

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `udp://127.0.0.1:3478`. Raises: ValueError."""
        if not isinstance(text, str):
            raise ValueError(_LISTEN)
        scheme, separator, rest = text.partition("://")
        if not separator or scheme not in ("udp", "tcp", "tls"):
            raise ValueError(_LISTEN)
        ip, port = _host_port(rest, _LISTEN)
        return cls(Transport(scheme), ServerAddress(ip.packed, port), text)

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can reach it."""
        return ipaddress.ip_address(self.address.packed).is_loopback


@dataclass(frozen=True, slots=True)
class RelayAddress:
    """An IP address of relayed transport addresses; the ports are 0.

    Args:
        public: the address that clients are told.
        local: the same address as this host knows it; another one where NAT maps one to the other.
    """

    public: PeerAddress
    local: ServerAddress

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `192.0.2.1` or `192.0.2.1/10.0.0.1` (public/local). Raises: ValueError."""
        if not isinstance(text, str):
            raise ValueError(_RELAY)
        first, separator, second = text.partition("/")
        public = _ip(first, _RELAY)
        local = _ip(second, _RELAY) if separator else public
        if public.version != local.version:
            raise ValueError(_RELAY)
        if public.is_unspecified or local.is_unspecified:
            raise ValueError("expected an address that clients can be told, not the wildcard")
        return cls(PeerAddress(public.packed, 0), ServerAddress(local.packed, 0))

    @property
    def family(self) -> int:
        """IPV4 or IPV6 of `relay.address`."""
        return self.public.family

    @property
    def is_loopback(self) -> bool:
        """Whether the address means nothing outside of this host."""
        return ipaddress.ip_address(self.public.packed).is_loopback


def ip_of(address: Address) -> IPAddress:
    """Convert an address for a comparison with networks; the port is lost."""
    return ipaddress.ip_address(address.packed)


def advertised(
    listening: ServerAddress, addresses: tuple[RelayAddress, ...]
) -> PeerAddress | ServerAddress | None:
    """Find the address that clients are told for a listener: the public side of NAT.

    A wildcard listener is told as the relay address of its family. The other addresses of this
    host, loopback among them, are of no use to clients, and they are not told.

    Returns: the address; None for a wildcard whose family has no relay address.
    """
    is_wildcard = not any(listening.packed)
    for each in addresses:
        if each.family == listening.family and (
            is_wildcard or each.local.packed == listening.packed
        ):
            return each.public
    return None if is_wildcard else listening


@dataclass(frozen=True, slots=True)
class PortRange:
    """Ports of relayed transport addresses, both ends included, 1024..=65535."""

    low: int
    high: int

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `49152-65535`. Raises: ValueError."""
        match = _PORTS.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ValueError(_PORT_RANGE)
        low, high = int(match[1]), int(match[2])
        if not 1024 <= low <= high <= 65535:
            raise ValueError(_PORT_RANGE)
        return cls(low, high)

    def __len__(self) -> int:
        return self.high - self.low + 1


@dataclass(frozen=True, slots=True)
class ApiListen:
    """Where the HTTP API listens: a numeric host and a port. With port 0 the kernel chooses it."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `127.0.0.1:8080`. Raises: ValueError."""
        if not isinstance(text, str):
            raise ValueError(_API)
        ip, port = _host_port(text.replace("localhost:", "127.0.0.1:", 1), _API)
        return cls(str(ip), port)

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
