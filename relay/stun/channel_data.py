"""ChannelData messages: four bytes in front of the payload. Spec: RFC 8656 section 12.4."""

import struct

from relay.errors import DropReason, Malformed
from relay.stun.demux import CHANNELS

FIRST_CHANNEL, LAST_CHANNEL = CHANNELS[0] << 8, CHANNELS[-1] << 8 | 0xFF
"""0x4000 and 0x7FFF."""

HEADER_SIZE = 4
"""Bytes: channel number and length."""

_HEADER = struct.Struct("!HH")


def parse(datagram: bytes | memoryview) -> tuple[int, memoryview]:
    """Split one ChannelData message into channel number and payload.

    Args:
        datagram: one whole UDP payload or one frame of a stream. Not copied.
    Returns:
        The channel (0x4000..=0x7FFF) and a view of exactly `Length` bytes; what follows it over
        UDP, padding or anything else, is not part of the view.
    Raises:
        Malformed: TOO_SHORT, BAD_CHANNEL or BAD_LENGTH. Nothing else.
    Spec: RFC 8656 section 12.4.
    """
    if len(datagram) < HEADER_SIZE:
        raise Malformed(DropReason.TOO_SHORT)
    channel, length = _HEADER.unpack_from(datagram)
    if not FIRST_CHANNEL <= channel <= LAST_CHANNEL:
        raise Malformed(DropReason.BAD_CHANNEL)
    if HEADER_SIZE + length > len(datagram):
        raise Malformed(DropReason.BAD_LENGTH)
    return channel, memoryview(datagram)[HEADER_SIZE : HEADER_SIZE + length]


def build(channel: int, payload: bytes | memoryview) -> bytes:
    """Write one ChannelData message without padding, as UDP carries it.

    Args:
        channel: 0x4000..=0x7FFF.
        payload: 0..=65535 bytes.
    """
    return b"".join((_HEADER.pack(channel, len(payload)), payload))
