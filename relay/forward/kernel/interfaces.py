"""Where packets for the relay arrive, and which way packets to a client leave.

The kernel is asked for each route: its tables and rules hold, and nothing has to be mirrored.
"""

from collections.abc import Sequence
from typing import NamedTuple

from relay.address import ServerAddress
from relay.errors import FastPathError
from relay.forward.kernel import layout
from relay.forward.netlink import Changes, Link, Netlink

_PARTS_PER_CALL = 8  # of what the kernel answers, some 250 addresses each: 5 ms


class Way(NamedTuple):
    """How packets to a client leave: by which interface, and the largest IP packet that crosses the
    path whole.
    """

    ifindex: int
    packet_size_max: int


class Interfaces:
    """Knows the interfaces of this network namespace, and which way packets leave.

    Args:
        names: those to use; empty for those that carry the addresses given here.
        listeners: where UDP listeners are bound; none is a wildcard.
        relayed: addresses that relayed ports are opened on; none is a wildcard.
    Raises: FastPathError for an interface that cannot be used. OSError.
    """

    def __init__(
        self,
        names: Sequence[str],
        listeners: Sequence[ServerAddress],
        relayed: Sequence[ServerAddress],
    ) -> None:
        self._names = names
        self._served = {address.packed for address in (*listeners, *relayed)}
        self._netlink, self._mtu_netlink = Netlink(), Netlink()
        self.changes = Changes()
        self._links: dict[int, Link] = {}
        self._addresses: dict[bytes, int] = {}
        self._path_mtus: set[tuple[bytes, int]] = set()
        self._begin_look()
        try:
            self.refresh()
            self._check_names()
        except BaseException:
            self.close()
            raise

    def refresh(self) -> None:
        """Read interfaces and addresses again."""
        self._links = {link.ifindex: link for link in self._netlink.links()}
        self._addresses = self._netlink.addresses()

    def all(self) -> list[int]:
        """Every interface, by index."""
        return list(self._links)

    def filters(self, priority: int) -> list[tuple[int, int]]:
        """Interface and handle of every BPF filter of this priority."""
        return [(i, handle) for i in self._links for handle in self._netlink.filters(i, priority)]

    def ingress(self) -> list[int]:
        """The interfaces to filter, by index."""
        if self._names:
            chosen = {link.ifindex for link in self._links.values() if link.name in self._names}
        else:
            chosen = {i for packed, i in self._addresses.items() if packed in self._served}
        return sorted(i for i in chosen if i in self._links and self._links[i].has_ethernet)

    def way(self, client: bytes, server: bytes) -> Way | None:
        """How packets from `server` to `client` leave; None if the kernel path has no way."""
        if is_link_local(client):
            return None
        hop = self._netlink.next_hop(client, server)
        link = self._links.get(hop.ifindex) if hop else None
        if hop is None or link is None or not link.has_ethernet:
            return None
        mtu = min(link.mtu, hop.mtu or link.mtu)
        return Way(link.ifindex, layout.packet_size_max(client, mtu))

    def new_path_mtus(self) -> set[bytes]:
        """Addresses, packed, to which another path MTU holds than before.

        Some two thousand are looked at a call, and what is new is told once all have been: whoever
        has ICMP teach this host thousands of them holds up nobody.
        Raises: OSError; the next call begins anew.
        """
        try:
            for _ in range(_PARTS_PER_CALL):
                self._mtus_seen |= next(self._mtu_parts)
        except StopIteration:
            before, self._path_mtus = self._path_mtus, self._mtus_seen
            self._begin_look()
            return {packed for packed, _ in before ^ self._path_mtus}
        except OSError:
            self._begin_look()
            raise
        return set()

    def close(self) -> None:
        """Close the sockets."""
        self._netlink.close()
        self._mtu_netlink.close()
        self.changes.close()

    def _begin_look(self) -> None:
        self._mtu_parts = self._mtu_netlink.path_mtus()
        self._mtus_seen: set[tuple[bytes, int]] = set()

    def _check_names(self) -> None:
        by_name = {link.name: link for link in self._links.values()}
        for name in self._names:
            if name not in by_name:
                raise FastPathError(f"there is no interface {name}")
            if not by_name[name].has_ethernet:
                raise FastPathError(f"interface {name} is not an Ethernet")


def is_link_local(packed: bytes) -> bool:
    """Whether it means something on one link only, which no route here says (RFC 4291 2.5.6)."""
    return len(packed) == 16 and packed[0] == 0xFE and packed[1] & 0xC0 == 0x80
