"""The relay's own addresses and ports as the program knows them: no packet may come from one.

Rules of this file: a port costs one system call to open and one to close. What does not fit the map
is refused by the user path, which every packet without a route goes to.
"""

from collections.abc import Sequence

from relay.address import Address, ServerAddress
from relay.forward.kernel import layout
from relay.forward.kernel.maps import HashMap


class OwnTransportAddresses:
    """Tells the program which transport addresses are the relay's own: listeners and open ports.

    Args:
        hashed: the map `listeners`; what an earlier daemon has left in it goes.
    """

    def __init__(self, hashed: HashMap, listeners: Sequence[ServerAddress]) -> None:
        self._hashed = hashed
        self._listeners = set(map(layout.listener_key, listeners))
        self._ports: set[bytes] = set()
        left = {key for key, _ in hashed.items()}
        for key in left - self._listeners:
            hashed.drop(key)
        for key in self._listeners - left:
            hashed.set(key, 0)

    def open_port(self, key: bytes) -> None:
        """Guard a relayed port that is open."""
        self._ports.add(key)
        self._hashed.set(key, 0)

    def close_port(self, key: bytes) -> None:
        """Guard a relayed port no longer; one that was not open is no error."""
        self._ports.discard(key)
        if key not in self._listeners:
            self._hashed.drop(key)

    def __contains__(self, address: Address) -> bool:
        key = layout.listener_key(address)
        return key in self._listeners or key in self._ports

    def close(self) -> None:
        """Close the map; what is in it stays."""
        self._hashed.close()
