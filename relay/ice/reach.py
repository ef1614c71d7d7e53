"""At which addresses a party may be, declared or learned.

What a signaling server declares it has from a session description, and that from the other side's
world; what a check comes from may be forged. An address of this relay, of this host or of a network
behind it must not become a destination by either.
"""

from relay.address import Address, ClientAddress
from relay.errors import CallError, DropReason, Malformed
from relay.ice.settings import PortSettings
from relay.special_use import LOOPBACK, NOWHERE, is_in


class Reach:
    """
    Args:
        settings: the relay's own addresses, and what the operator denies.
    """

    def __init__(self, settings: PortSettings) -> None:
        self._denied = settings.denied
        self._is_this_host = settings.is_this_host
        pairs = [address for pair in settings.addresses for address in pair]
        self._own = {address.packed for address in pairs}
        self._is_local = all(is_in(packed, LOOPBACK) for packed in self._own)
        self._ports = set(settings.own_ports)

    def open(self, port: int) -> None:
        """A relayed port is open from now on."""
        self._ports.add(port)

    def close(self, port: int) -> None:
        """A relayed port is open no longer."""
        self._ports.discard(port)

    def check_source(self, address: ClientAddress) -> None:
        """Check that a party may be where a check comes from.

        Raises: Malformed OWN_SOURCE or UNKNOWN_SOURCE. Nothing else.
        """
        if self._is_own(address):
            raise Malformed(DropReason.OWN_SOURCE)
        if not self._is_reachable(address):
            raise Malformed(DropReason.UNKNOWN_SOURCE)

    def check_declared(self, address: ClientAddress) -> None:
        """Check that a party may be declared there.

        Raises: CallError `invalid_request`, without the address. Nothing else.
        """
        if self._is_own(address):
            raise CallError(
                "invalid_request", "address: give the party's address, not one of the relay's host."
            )
        if not self._is_reachable(address):
            raise CallError(
                "invalid_request",
                "address: the relay does not send to this address (ports.denied). For phones in a "
                "private network, list it in ports.allow_private.",
            )

    def _is_own(self, address: Address) -> bool:
        """Whether it is the relay's or its host's; on loopback the port tells."""
        if self._is_loopback(address):
            return address.port in self._ports
        return address.packed in self._own or self._is_this_host(address.packed)

    def _is_reachable(self, address: Address) -> bool:
        """Whether one other host can be there."""
        if self._is_loopback(address):
            return True
        return not is_in(address.packed, NOWHERE) and not self._denied.has(address.packed)

    def _is_loopback(self, address: Address) -> bool:
        """A relay on loopback serves this host alone: its parties are there as well."""
        return self._is_local and is_in(address.packed, LOOPBACK)
