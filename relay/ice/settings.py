"""The settings of ports mode, which the server is given once, at start."""

from collections.abc import Callable
from dataclasses import dataclass

from relay.address import PeerAddress, ServerAddress
from relay.special_use import Denied


@dataclass(frozen=True, slots=True)
class PortSettings:
    """
    Args:
        addresses: what parties are told and what this host calls it, at most one pair per family;
            their ports are 0.
        mask_mapped_address: tell a masked leg its relayed address instead of its mapped one.
        unauthenticated_per_s: answers per second to one source that has not authenticated.
        rate_key: secret bytes that sources are hashed with.
        denied: networks that no party is in.
        is_this_host: whether a packed IP address is one of this host's, now.
        own_ports: those that this relay listens on; where it is on loopback, nobody is there.
    """

    addresses: tuple[tuple[PeerAddress, ServerAddress], ...]
    mask_mapped_address: bool
    unauthenticated_per_s: int
    rate_key: bytes
    denied: Denied
    is_this_host: Callable[[bytes], bool]
    own_ports: frozenset[int] = frozenset()
