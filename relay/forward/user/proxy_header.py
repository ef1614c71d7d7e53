"""PROXY protocol v2: the header in which a load balancer says whose connection it passes on.

Rules of this file: any bytes give a value or raise `Malformed`, BAD_PROXY_HEADER, and nothing else;
version 1, which is text without a length, is not accepted.
Spec: https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt section 2.2.
"""

import ipaddress

from relay.address import ClientAddress
from relay.errors import DropReason, Malformed

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
HEAD = 16
"""Bytes: the signature, version and command, family and protocol, the length of the rest."""
LONGEST = HEAD + 536
"""Bytes: what passes any path in one segment, which section 2 asks senders to keep to."""

_LOCAL, _PROXY = 0x20, 0x21  # version 2 in the upper half
_IP_BYTES = {0x11: 4, 0x21: 16}  # TCP over IPv4, TCP over IPv6


def size_of(head: bytes) -> int:
    """Read how long a header is.

    Args:
        head: its first HEAD bytes.
    Returns: HEAD..=LONGEST, in bytes.
    Raises: Malformed: BAD_PROXY_HEADER. Nothing else.
    """
    size = HEAD + int.from_bytes(head[14:HEAD])
    if len(head) != HEAD or not head.startswith(SIGNATURE) or size > LONGEST:
        raise Malformed(DropReason.BAD_PROXY_HEADER)
    return size


def parse(header: bytes) -> ClientAddress | None:
    """Read who the client is. What follows the addresses (TLVs) is skipped.

    Args:
        header: exactly one header.
    Returns: the client's address; None for LOCAL, a connection of the load balancer's own.
    Raises: Malformed: BAD_PROXY_HEADER. Nothing else.
    Deviates: a client without an IP address (UNSPEC, UNIX), or not on TCP, is refused, as section
        2.2 leaves to the receiver: it would share the load balancer's caps with all the others.
    """
    if size_of(header[:HEAD]) != len(header):
        raise Malformed(DropReason.BAD_PROXY_HEADER)
    if header[12] == _LOCAL:
        return None
    size = _IP_BYTES.get(header[13], 0) if header[12] == _PROXY else 0
    ports = HEAD + 2 * size  # behind both addresses
    if not size or len(header) < ports + 4:
        raise Malformed(DropReason.BAD_PROXY_HEADER)
    ip = ipaddress.ip_address(header[HEAD : HEAD + size])
    return ClientAddress.parse(str(ip), int.from_bytes(header[ports : ports + 2]))
