"""At which addresses outside of the relay somebody may be.

What a signaling server declares it has from a session description, and that from the other side's
world; what a client names is its own choice; what a datagram comes from may be forged. An address
of this relay, of its host or of a network behind it must not become a destination by any of them.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from relay.address import Address
from relay.special_use import LOOPBACK, NOWHERE, Denied, IPNetwork, is_in

_PORTS = re.compile(r"([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?", re.ASCII)


def ports_of(text: str) -> range:
    """Read `10000-20000`, both ends included, or `10000`. Raises: ValueError. Nothing else."""
    match = _PORTS.fullmatch(text)
    if match is None:
        raise ValueError
    first = int(match[1])
    last = int(match[2] or first)
    if not first <= last <= 65535:
        raise ValueError
    return range(first, last + 1)


class Listed(NamedTuple):
    """Where media servers are: at these addresses, on these ports.

    Args:
        network: a single address has a prefix of its whole length.
        ports: both ends are in it.
    """

    network: IPNetwork
    ports: range

    def has(self, address: Address) -> bool:
        """Whether one of them is at this transport address."""
        return address.port in self.ports and is_in(address.packed, (self.network,))


class Reach:
    """
    Args:
        own: what clients are told and what this host calls it, packed.
        ports: those that the relay listens on; where it is on loopback, nobody else is there.
        relayed: likewise, ports that it may open.
        denied: networks that nobody is in.
        is_this_host: whether a packed IP address is one of this host's, now.
    """

    def __init__(
        self,
        own: Iterable[bytes],
        ports: Iterable[int],
        denied: Denied,
        is_this_host: Callable[[bytes], bool],
        relayed: range = range(0),
    ) -> None:
        self._own = frozenset(own)
        self._ports = set(ports)
        self._relayed = relayed
        self._denied = denied
        self._is_this_host = is_this_host
        self._is_local = all(is_in(packed, LOOPBACK) for packed in self._own)

    def open(self, port: int) -> None:
        """A relayed port is open from now on."""
        self._ports.add(port)

    def close(self, port: int) -> None:
        """A relayed port is open no longer."""
        self._ports.discard(port)

    def admits(self, address: Address) -> bool:
        """Whether somebody else may be there."""
        return not self.is_own(address) and self.is_reachable(address)

    def is_own(self, address: Address) -> bool:
        """Whether it is the relay's or its host's; on loopback the port tells."""
        if self._is_loopback(address):
            return address.port in self._ports or address.port in self._relayed
        return address.packed in self._own or self._is_this_host(address.packed)

    def is_reachable(self, address: Address) -> bool:
        """Whether one other host can be there."""
        if self._is_loopback(address):
            return True
        return not is_in(address.packed, NOWHERE) and not self._denied.has(address.packed)

    def _is_loopback(self, address: Address) -> bool:
        """A relay on loopback serves this host alone: its parties are there as well."""
        return self._is_local and is_in(address.packed, LOOPBACK)
