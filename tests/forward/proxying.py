"""PROXY headers as load balancers send them, written from the specification's section 2.2."""

import ipaddress

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
LOCAL, PROXY = 0x20, 0x21
UNSPEC, TCP4, UDP4, TCP6, UDP6, UNIX, UNIX_DATAGRAM = 0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32


def header(command: int, family: int, rest: bytes, length: int | None = None) -> bytes:
    """Any header; `length` for one that is wrong."""
    size = len(rest) if length is None else length
    return SIGNATURE + bytes([command, family]) + size.to_bytes(2) + rest


def of(host: str, port: int, tlvs: bytes = b"") -> bytes:
    """The header of a client at that address."""
    ip = ipaddress.ip_address(host)
    ends = ip.packed + bytes(len(ip.packed)) + port.to_bytes(2) + (443).to_bytes(2)
    return header(PROXY, TCP4 if ip.version == 4 else TCP6, ends + tlvs)
