"""Parses `relay.alternates`: other relays, to which this one sends clients while it drains."""

from dataclasses import dataclass
from typing import Self

from relay.address import ServerAddress, Transport
from relay.config.names import host_name
from relay.config.values import Listen

_EXPECTED = (
    "expected a relay such as udp://198.51.100.7:3478 or tls://198.51.100.7:5349/turn.example.org, "
    "the name with tls:// only"
)


@dataclass(frozen=True, slots=True)
class AlternateRelay:
    """One listener of another relay.

    Args:
        transport: UDP, TCP or TLS.
        address: as clients of this relay reach it.
        name: that its certificate is for; empty for none.
    """

    transport: Transport
    address: ServerAddress
    name: str

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `tls://198.51.100.7:5349/turn.example.org`. Raises: ValueError."""
        if not isinstance(text, str):
            raise ValueError(_EXPECTED)
        scheme, _, rest = text.partition("://")
        place, slash, name = rest.partition("/")
        listen = Listen.parse(f"{scheme}://{place}")
        if not any(listen.address.packed) or not listen.address.port:
            raise ValueError("expected an address and a port that clients can be told")
        if slash and listen.transport is not Transport.TLS:
            raise ValueError(_EXPECTED)
        return cls(listen.transport, listen.address, host_name(name) if slash else "")


def distinct(alternates: tuple[AlternateRelay, ...]) -> tuple[AlternateRelay, ...]:
    """Accept one relay per transport and family. Raises: ValueError."""
    kinds = {(each.transport, each.address.family) for each in alternates}
    if len(kinds) < len(alternates):
        raise ValueError("expected at most one relay per transport and address family")
    return alternates
