"""At which addresses a party may be: `relay.calls.reach`, with a fault for each way to be told."""

from relay.address import ClientAddress
from relay.calls.reach import Reach
from relay.errors import CallError, DropReason, Malformed
from relay.ice.settings import PortSettings


def reach_of(settings: PortSettings) -> Reach:
    """Where parties in ports mode may be."""
    own = (address.packed for pair in settings.addresses for address in pair)
    return Reach(own, settings.own_ports, settings.denied, settings.is_this_host)


def check_source(reach: Reach, address: ClientAddress) -> None:
    """Check that a party may be where a check comes from.

    Raises: Malformed OWN_SOURCE or UNKNOWN_SOURCE. Nothing else.
    """
    if reach.is_own(address):
        raise Malformed(DropReason.OWN_SOURCE)
    if not reach.is_reachable(address):
        raise Malformed(DropReason.UNKNOWN_SOURCE)


def check_declared(reach: Reach, address: ClientAddress) -> None:
    """Check that a party may be declared there.

    Raises: CallError `invalid_request`, without the address. Nothing else.
    """
    if reach.is_own(address):
        raise CallError(
            "invalid_request", "address: give the party's address, not one of the relay's host."
        )
    if not reach.is_reachable(address):
        raise CallError(
            "invalid_request",
            "address: the relay does not send to this address (ports.denied). For phones in a "
            "private network, list it in ports.allow_private.",
        )
