"""Ethernet frames with ChannelData in them, written field by field and with whole checksums.

Rules of this file: nothing of callveil is used, so that what the program writes is compared with
something else than itself.
"""

import ipaddress
import struct
from dataclasses import dataclass
from typing import NamedTuple

ETHERNET_SIZE = 14
_UDP = 17


class End(NamedTuple):
    """A transport address as text and number."""

    host: str
    port: int

    @property
    def packed(self) -> bytes:
        """4 or 16 bytes."""
        return ipaddress.ip_address(self.host).packed


@dataclass(frozen=True)
class Header:
    """The fields of IP that could tell one sender from another; these defaults are the relay's.

    Args:
        hop_limit: TTL of IPv4.
        traffic_class: DSCP and ECN.
        ident, dont_fragment: IPv4's.
        flow_label: IPv6's.
    """

    hop_limit: int = 64
    traffic_class: int = 0
    ident: int = 0
    dont_fragment: bool = True
    flow_label: int = 0


SENDERS_OWN = Header(57, 0xB9, 0x1234, False, 0xABCDE)
"""What no packet may leave with."""


def channel_data(channel: int, payload: bytes) -> bytes:
    """RFC 8656 section 12.4, without padding."""
    return struct.pack("!HH", channel, len(payload)) + payload


TRANSACTION_ID = bytes(range(0xA0, 0xAC))
_COOKIE = bytes.fromhex("2112A442")


def send_indication(peer: End, data: bytes, end: bytes = b"") -> bytes:
    """RFC 8656 section 11.1; `end` follows the padding."""
    return _indication(0x0016, peer, TRANSACTION_ID, data + bytes(-len(data) % 4) + end, len(data))


def data_indication(peer: End, data: bytes, transaction_id: bytes = TRANSACTION_ID) -> bytes:
    """RFC 8656 section 11.4."""
    return _indication(0x0017, peer, transaction_id, data + bytes(-len(data) % 4), len(data))


def _indication(kind: int, peer: End, transaction_id: bytes, rest: bytes, size: int) -> bytes:
    key = int.from_bytes(_COOKIE + transaction_id)
    packed = peer.packed.ljust(16, b"\0")
    xored = (int.from_bytes(packed) ^ key).to_bytes(16)[: len(peer.packed)]
    family, port = 1 if len(xored) == 4 else 2, peer.port ^ 0x2112
    named = struct.pack("!HHHH", 0x0012, 4 + len(xored), family, port) + xored
    body = named + struct.pack("!HH", 0x0013, size) + rest
    return struct.pack("!HH", kind, len(body)) + _COOKIE + transaction_id + body


def udp(source: End, destination: End, data: bytes, checksum: int | None = None) -> bytes:
    """A UDP datagram; its checksum is right unless one is given."""
    size = 8 + len(data)
    ports = struct.pack("!HHH", source.port, destination.port, size)
    if checksum is None:
        pseudo = pseudo_header(source, destination, size)
        checksum = internet_checksum(pseudo + ports + bytes(2) + data) or 0xFFFF
    return ports + checksum.to_bytes(2) + data


def pseudo_header(source: End, destination: End, size: int) -> bytes:
    """What a UDP checksum is over besides the datagram of `size` bytes. Spec: RFC 8200 section 8.1,
    and RFC 768, which sums up to the same.
    """
    return source.packed + destination.packed + struct.pack("!II", size, _UDP)


def ipv4(
    source: End,
    destination: End,
    body: bytes,
    header: Header = SENDERS_OWN,
    *,
    options: bytes = b"",
    fragment: int | None = None,
    protocol: int = _UDP,
    total_size: int | None = None,
) -> bytes:
    """An IPv4 packet.

    Args:
        fragment: flags and offset, in place of those the header says.
        total_size: in place of the right one.
    """
    if fragment is None:
        fragment = 0x4000 if header.dont_fragment else 0
    size = 20 + len(options) + len(body) if total_size is None else total_size
    start = struct.pack(
        "!BBHHHBB",
        0x45 + len(options) // 4,
        header.traffic_class,
        size,
        header.ident,
        fragment,
        header.hop_limit,
        protocol,
    )
    end = source.packed + destination.packed + options
    return start + internet_checksum(start + bytes(2) + end).to_bytes(2) + end + body


def ipv6(
    source: End,
    destination: End,
    body: bytes,
    header: Header = SENDERS_OWN,
    *,
    next_header: int = _UDP,
    payload_size: int | None = None,
) -> bytes:
    """An IPv6 packet; extension headers are part of the body."""
    first = 6 << 28 | header.traffic_class << 20 | header.flow_label
    size = len(body) if payload_size is None else payload_size
    start = struct.pack("!IHBB", first, size, next_header, header.hop_limit)
    return start + source.packed + destination.packed + body


def packet(source: End, destination: End, data: bytes, header: Header = SENDERS_OWN) -> bytes:
    """An IP packet with one UDP datagram, of the family of its addresses."""
    build = ipv4 if len(source.packed) == 4 else ipv6
    return build(source, destination, udp(source, destination, data), header)


def frame(ip: bytes, destination: bytes = bytes(6), source: bytes = bytes(6)) -> bytes:
    """An Ethernet frame around an IP packet."""
    kind = 0x0800 if ip[0] >> 4 == 4 else 0x86DD
    return destination + source + kind.to_bytes(2) + ip


def internet_checksum(data: bytes) -> int:
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
