"""Which addresses a signaling server may declare for a party that does no ICE.

What it declares it has from a session description, and that from the other side's world: an address
inside of this host or of its network's machinery must not become a destination by it.
"""

import ipaddress

from relay.address import ClientAddress, canonical
from relay.errors import CallError

_BROADCAST = ipaddress.IPv4Network("240.0.0.0/4")  # RFC 1112 section 4: reserved, broadcast in it
_THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")  # RFC 1122 section 3.2.1.3


def check_declared(address: ClientAddress, own: bytes) -> None:
    """Check that an address is one of another host's.

    Args:
        own: the relay's own address of that family, packed; loopback is for loopback.
    Raises: CallError `invalid_request`, without the address. Nothing else.
    """
    ip = ipaddress.ip_address(address.packed)
    is_one_host = not (ip.is_multicast or ip.is_unspecified or ip.is_link_local)
    if isinstance(ip, ipaddress.IPv4Address):
        is_one_host = is_one_host and ip not in _BROADCAST and ip not in _THIS_NETWORK
    elif canonical(address.packed) != address.packed:  # IPv4 spelt in another way
        is_one_host = False
    if not is_one_host or (ip.is_loopback and not ipaddress.ip_address(own).is_loopback):
        raise CallError("invalid_request", "address: the address of one other host is expected.")
