"""Captures, read: Ethernet, IPv4 and IPv6, UDP and TCP.

Rules: a frame that is not IP, or not UDP or TCP, is still a frame and is searched like the others;
only its fields are absent. No reassembly: the lab's packets are not fragmented.
"""

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_GLOBAL = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")
_ETHERNET = 14
_MAGIC = 0xA1B2C3D4
UDP, TCP = 17, 6


@dataclass(frozen=True, slots=True)
class Packet:
    """One captured frame.

    Args:
        frame: the whole of it, link layer included.
        time_s: Unix time of the capture, where it is known.
        version: 4, 6, or 0 for what is not IP.
        source, destination: numeric addresses, empty if not IP.
        ttl, identification, traffic_class, dont_fragment: of the IP header; IPv6 has no
            identification and is never fragmented on the way.
        protocol: of the IP payload, 0 if not IP.
        source_port, destination_port: of UDP or TCP, else 0.
        checksum: as it stands in the UDP or TCP header, else 0.
        payload: of UDP or TCP, what its length says.
        trailer: bytes of the frame after the IP packet, and of the IP packet after UDP's length.
    """

    frame: bytes
    time_s: float = 0.0
    version: int = 0
    source: str = ""
    destination: str = ""
    ttl: int = 0
    identification: int = 0
    traffic_class: int = 0
    flow_label: int = 0
    dont_fragment: bool = False
    protocol: int = 0
    source_port: int = 0
    destination_port: int = 0
    checksum: int = 0
    payload: bytes = b""
    trailer: bytes = b""

    @property
    def sender(self) -> tuple[str, int]:
        """Where it came from."""
        return self.source, self.source_port

    @property
    def receiver(self) -> tuple[str, int]:
        """Where it was going."""
        return self.destination, self.destination_port


class Reader:
    """A capture file that may still be written: read as far as it goes, then further."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._rest = b""

    def read(self) -> Iterator[tuple[float, bytes]]:
        """Unix time and bytes of every whole frame since the last time.

        Raises: ValueError if it is no little-endian Ethernet capture, or a frame was cut.
        """
        with self._path.open("rb") as file:
            file.seek(self._at)
            data = self._rest + file.read()
            self._at = file.tell()
        at = 0
        if self._at == len(data):  # nothing has been taken from it yet
            if len(data) < _GLOBAL.size:
                self._rest = data
                return
            _check_header(data)
            at = _GLOBAL.size
        while at + _RECORD.size <= len(data):
            seconds, microseconds, kept, length = _RECORD.unpack_from(data, at)
            end = at + _RECORD.size + kept
            if kept != length:
                raise ValueError("a frame was cut short")
            if end > len(data):
                break
            yield seconds + microseconds / 1e6, data[at + _RECORD.size : end]
            at = end
        self._rest = data[at:]


def _check_header(data: bytes) -> None:
    magic, *_, link = _GLOBAL.unpack_from(data)
    if magic != _MAGIC or link != 1:
        raise ValueError("not a little-endian Ethernet capture")


def parse(frame: bytes, time_s: float = 0.0) -> Packet:
    """One frame, as far as it can be read."""
    (kind,) = struct.unpack_from("!H", frame, 12)
    if kind == 0x0800:
        return _ipv4(frame, time_s)
    if kind == 0x86DD:
        return _ipv6(frame, time_s)
    return Packet(frame, time_s)


def _ipv4(frame: bytes, time_s: float) -> Packet:
    at = _ETHERNET
    _, tos, length, identification, flags, ttl, protocol, _, source, destination = (
        struct.unpack_from("!BBHHHBBH4s4s", frame, at)
    )
    start = at + 4 * (frame[at] & 0xF)
    port_s, port_d, checksum, payload, trailer = _transport(frame, start, at + length, protocol)
    return Packet(
        frame,
        time_s,
        4,
        str(ipaddress.ip_address(source)),
        str(ipaddress.ip_address(destination)),
        ttl,
        identification,
        tos,
        0,
        bool(flags & 0x4000),
        protocol,
        port_s,
        port_d,
        checksum,
        payload,
        trailer,
    )


def _ipv6(frame: bytes, time_s: float) -> Packet:
    at = _ETHERNET
    word, length, protocol, hops, source, destination = struct.unpack_from("!IHBB16s16s", frame, at)
    start = at + 40
    port_s, port_d, checksum, payload, trailer = _transport(frame, start, start + length, protocol)
    return Packet(
        frame,
        time_s,
        6,
        str(ipaddress.ip_address(source)),
        str(ipaddress.ip_address(destination)),
        hops,
        0,
        word >> 20 & 0xFF,
        word & 0xFFFFF,
        True,
        protocol,
        port_s,
        port_d,
        checksum,
        payload,
        trailer,
    )


def _transport(
    frame: bytes, start: int, end: int, protocol: int
) -> tuple[int, int, int, bytes, bytes]:
    """Ports, checksum, payload and trailer of what lies at `start`."""
    if protocol == UDP:
        source, destination, length, checksum = struct.unpack_from("!HHHH", frame, start)
        stop = min(start + length, end)
        return source, destination, checksum, frame[start + 8 : stop], frame[stop:]
    if protocol == TCP:
        source, destination = struct.unpack_from("!HH", frame, start)
        (checksum,) = struct.unpack_from("!H", frame, start + 16)
        body = start + 4 * (frame[start + 12] >> 4)
        return source, destination, checksum, frame[body:end], frame[end:]
    return 0, 0, 0, b"", frame[end:]


def checksum_is_right(packet: Packet) -> bool:
    """Whether the UDP or TCP checksum is there and sums up (RFC 768, RFC 8200 section 8.1)."""
    if not packet.checksum:
        return False
    source = ipaddress.ip_address(packet.source).packed
    destination = ipaddress.ip_address(packet.destination).packed
    start = _ETHERNET + (4 * (packet.frame[_ETHERNET] & 0xF) if packet.version == 4 else 40)
    segment = packet.frame[start : len(packet.frame) - len(packet.trailer)]
    data = source + destination + struct.pack("!II", len(segment), packet.protocol) + segment
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF
