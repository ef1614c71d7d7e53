"""The addresses of this host, as they are now."""

import logging

from relay.forward.netlink import ADDRESS_GROUPS, Changes, Netlink

log = logging.getLogger(__name__)


class OwnAddresses:
    """Knows the addresses of this host: it lists them once, and again after each change.

    Where the kernel cannot be asked, every address may be this host's.
    """

    def __init__(self) -> None:
        self._is_stale = True
        self._known: dict[bytes, int] = {}
        try:
            self._changes: Changes | None = Changes(ADDRESS_GROUPS)
            self._netlink = Netlink()
        except OSError as error:
            log.warning("own_addresses_unknown", extra={"errno": error.errno})
            self._changes = None

    def has(self, packed: bytes) -> bool:
        """Whether this host has this IP address, on any interface. Raises: OSError."""
        if self._changes is None:
            return True
        if self._changes.drain():
            self._is_stale = True
        if self._is_stale:
            self._known = self._netlink.addresses()
            self._is_stale = False
        return packed in self._known

    def close(self) -> None:
        """Close both sockets."""
        if self._changes is not None:
            self._changes.close()
            self._netlink.close()
