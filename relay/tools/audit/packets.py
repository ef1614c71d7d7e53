"""Parses captured frames into packets: link layer, IPv4 and IPv6, UDP and TCP.

Rules of this file: `parse` takes any bytes and raises nothing. A frame that is not IP, not UDP or
TCP, or cut within a header is still a packet, and is searched like the others. It lacks the fields
that cannot be read, and `unread` says why. Nothing is reassembled.
"""

import struct
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Any

UDP, TCP = 17, 6

ETHERNET = 1
_COOKED, _COOKED_V2 = 113, 276
_RAW = {12, 14, 101, 228, 229}
_FAMILY_FIRST = {0, 108}  # BSD loopback: a family of four bytes, whose value differs by system
_VLAN_TAGS = {0x8100, 0x88A8, 0x9100}
_SENT_BY_US = 4  # packet type of cooked captures
_LENGTHS = 1500  # up to here the type of an Ethernet frame is the length of an IEEE 802.3 one
_NEIGHBOURS_ONLY = {
    *(0x0806, 0x8035, 0x0842),  # ARP, reverse ARP, wake on LAN
    *(0x8863, 0x888E, 0x88CC),  # PPPoE discovery, EAPOL, LLDP
    *(0x8899, 0x88E1, 0x8912, 0x893A, 0x890D),  # of switches, power line, and wireless neighbours
    *(0x88F7, 0x9000),  # PTP, loopback test
}
"""Types of frames that hold no packet: what neighbours say to each other, in the clear."""
_IPV6_FRAGMENT = 44

_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")
_PORTS = struct.Struct("!HH")
"""Reads source and destination port, and also length and checksum of UDP."""


class Unread(Enum):
    """Why a frame could not be read to its end. Its bytes are searched as they stand."""

    LINK = "link"
    """The link type is unknown."""
    FRAME = "frame"
    """The protocol is unknown, and may hold a packet: wrapped, or encrypted."""
    MALFORMED = "malformed"
    """A header is cut, or a length does not fit."""
    FRAGMENT = "fragment"
    """The frame holds a fragment of an IP packet."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One captured frame.

    Args:
        frame: all bytes of the frame, link layer included.
        time_s: Unix time of the capture, where it is known.
        version: 4, 6, or 0 for what is not IP.
        source, destination: numeric addresses, empty if not IP.
        ttl, identification, traffic_class, dont_fragment: of the IP header; IPv6 has no
            identification and is never fragmented on the way.
        protocol: of the IP payload, 0 if not IP.
        source_port, destination_port: of UDP or TCP, else 0.
        checksum: as it stands in the UDP or TCP header, else 0.
        payload: of UDP or TCP, as long as its header says.
        trailer: bytes of the frame after the IP packet, and of the IP packet after UDP's length.
        network_at, transport_at, payload_at: offsets in the frame; the frame's length if not there.
        is_outgoing: the capturing host sent it; None where the capture does not say.
        unread: why the frame could not be read to its end; None if it could.
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
    network_at: int = 0
    transport_at: int = 0
    payload_at: int = 0
    is_outgoing: bool | None = None
    unread: Unread | None = None

    @property
    def sender(self) -> tuple[str, int]:
        """Source address and port."""
        return self.source, self.source_port

    @property
    def receiver(self) -> tuple[str, int]:
        """Destination address and port."""
        return self.destination, self.destination_port


def parse(
    frame: bytes, time_s: float = 0.0, link: int = ETHERNET, *, is_outgoing: bool | None = None
) -> Packet:
    """Parse one frame as far as it can be read.

    Args:
        link: the link type, as capture files number them. A frame of an unknown type is not read.
        is_outgoing: what the file says, for link layers that do not tell the direction.
    """
    fields: _Fields = dict.fromkeys(("network_at", "transport_at", "payload_at"), len(frame))
    fields |= {"is_outgoing": is_outgoing, "unread": Unread.MALFORMED}
    with suppress(struct.error, IndexError):
        at = _link_layer(frame, link, fields)
        version = frame[at] >> 4
        if version == 4:
            _ipv4(frame, at, fields)
        elif version == 6:
            _ipv6(frame, at, fields)
    return Packet(frame, time_s, **fields)


_Fields = dict[str, Any]
"""The fields of a packet that are known so far. Replacing them one by one would copy the packet."""


def _link_layer(frame: bytes, link: int, fields: _Fields) -> int:
    """Find where the IP header begins, and note the direction if the link layer tells it.

    Raises: IndexError, where there is no IP header.
    """
    if link == ETHERNET:
        at = 12
        while (kind := _word(frame, at)) in _VLAN_TAGS:
            at += 4
        return _if_ip(kind, at + 2, fields)
    if link == _COOKED:
        fields["is_outgoing"] = _word(frame, 0) == _SENT_BY_US
        return _if_ip(_word(frame, 14), 16, fields)
    if link == _COOKED_V2:
        fields["is_outgoing"] = frame[10] == _SENT_BY_US
        return _if_ip(_word(frame, 0), 20, fields)
    if link in _RAW:
        return 0
    if link in _FAMILY_FIRST:
        return 4
    fields["unread"] = Unread.LINK
    raise IndexError


def _if_ip(kind: int, at: int, fields: _Fields) -> int:
    if kind not in (0x0800, 0x86DD):
        is_whole = kind <= _LENGTHS or kind in _NEIGHBOURS_ONLY
        fields["unread"] = None if is_whole else Unread.FRAME
        raise IndexError
    return at


def _word(frame: bytes, at: int) -> int:
    return frame[at] << 8 | frame[at + 1]


def _ipv4(frame: bytes, at: int, fields: _Fields) -> None:
    first, tos, length, identification, flags, ttl, protocol, _, source, destination = (
        _IPV4.unpack_from(frame, at)
    )
    fields |= {
        "version": 4,
        "source": inet_ntop(AF_INET, source),
        "destination": inet_ntop(AF_INET, destination),
        "ttl": ttl,
        "identification": identification,
        "traffic_class": tos,
        "dont_fragment": bool(flags & 0x4000),
        "protocol": protocol,
        "network_at": at,
        "unread": Unread.FRAGMENT if flags & 0x3FFF else None,
    }
    length = length or len(frame) - at  # of a segment that the network card has yet to divide
    header = 4 * max(first & 0xF, 5)
    if first & 0xF < 5 or length < header or at + length > len(frame):
        fields["unread"] = Unread.MALFORMED
    if not flags & 0x1FFF:  # a fragment that is not the first has no ports
        _transport(frame, at + header, at + length, fields)


def _ipv6(frame: bytes, at: int, fields: _Fields) -> None:
    word, length, protocol, hops, source, destination = _IPV6.unpack_from(frame, at)
    start = at + _IPV6.size
    fields |= {
        "version": 6,
        "source": inet_ntop(AF_INET6, source),
        "destination": inet_ntop(AF_INET6, destination),
        "ttl": hops,
        "traffic_class": word >> 20 & 0xFF,
        "flow_label": word & 0xFFFFF,
        "dont_fragment": True,
        "protocol": protocol,
        "network_at": at,
        "unread": Unread.FRAGMENT if protocol == _IPV6_FRAGMENT else None,
    }
    length = length or len(frame) - start
    if start + length > len(frame):
        fields["unread"] = Unread.MALFORMED
    _transport(frame, start, start + length, fields)


def _transport(frame: bytes, start: int, end: int, fields: _Fields) -> None:
    """Read UDP or TCP at `start`; `end` is where the IP packet ends by its own length."""
    end = max(min(end, len(frame)), start)
    checksum = 0
    if fields["protocol"] == UDP and end - start >= 8:
        length, checksum = _PORTS.unpack_from(frame, start + 4)
        body = start + 8
        stop = max(min(start + length, end), body)
        fits = 8 <= length <= end - start
    elif fields["protocol"] == TCP and end - start >= 20:
        checksum = _word(frame, start + 16)
        header = 4 * (frame[start + 12] >> 4)
        body = min(start + max(header, 20), end)
        stop = end
        fits = 20 <= header <= end - start
    else:
        fields |= {"trailer": frame[end:], "transport_at": min(start, len(frame))}
        if fields["protocol"] in (UDP, TCP):
            _note_malformed(fields)
        return
    if not fits:
        _note_malformed(fields)
    source_port, destination_port = _PORTS.unpack_from(frame, start)
    fields |= {
        "source_port": source_port,
        "destination_port": destination_port,
        "checksum": checksum,
        "payload": frame[body:stop],
        "trailer": frame[stop:],
        "transport_at": start,
        "payload_at": body,
    }


def _note_malformed(fields: _Fields) -> None:
    """Note a length that does not fit, except in a first fragment: its lengths are the whole's."""
    fields["unread"] = fields["unread"] or Unread.MALFORMED
