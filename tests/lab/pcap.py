"""A capture file that is still written, and the checksums of what is in it."""

import ipaddress
import struct
from collections.abc import Iterator
from pathlib import Path

from relay.tools.audit.capture_file import CaptureReader
from relay.tools.audit.packets import ETHERNET, Packet
from tests.kit.frames import internet_checksum


class Follower:
    """Reads a capture as far as it goes, then further."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._reader = CaptureReader()

    def read(self) -> Iterator[tuple[float, bytes]]:
        """Unix time and bytes of every whole frame since the last time.

        Raises: ValueError if it is no Ethernet capture, or a frame was cut.
        """
        with self._path.open("rb") as file:
            file.seek(self._at)
            data = file.read()
            self._at = file.tell()
        for frame in self._reader.feed(data):
            if frame.link != ETHERNET or frame.is_cut:
                raise ValueError("not a capture of whole Ethernet frames")
            yield frame.time_s, frame.data


def checksum_is_right(packet: Packet) -> bool:
    """Whether the UDP or TCP checksum is there and sums up (RFC 768, RFC 8200 section 8.1)."""
    if not packet.checksum:
        return False
    source = ipaddress.ip_address(packet.source).packed
    destination = ipaddress.ip_address(packet.destination).packed
    segment = packet.frame[packet.transport_at : len(packet.frame) - len(packet.trailer)]
    pseudo = source + destination + struct.pack("!II", len(segment), packet.protocol)
    return internet_checksum(pseudo + segment) == 0
