"""What the program does with which packet, as data: for the bench and for the wire.

The route is from A to B. Every packet is one of A's, right but for what its description says.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from tests.fastpath.bench_rig import NOW_NS, Route
from tests.fastpath.frames import (
    SENDERS_OWN,
    End,
    Header,
    channel_data,
    ipv4,
    ipv6,
    packet,
    udp,
)

SERVER4, SERVER6 = End("192.0.2.1", 3478), End("2001:db8::1", 3478)
A4, A6 = End("198.51.100.7", 40001), End("2001:db8:a::7", 40001)
B4, B6 = End("203.0.113.9", 50002), End("2001:db8:b::9", 50002)
CHANNEL, TARGET_CHANNEL = 0x4001, 0x4FFE
PAYLOAD = b"\x80\x60" + bytes(range(158))

ROUTE4 = Route(A4, SERVER4, CHANNEL, B4, SERVER4, TARGET_CHANNEL)
ROUTE6 = Route(A6, SERVER6, CHANNEL, B6, SERVER6, TARGET_CHANNEL)
ROUTE46 = Route(A4, SERVER4, CHANNEL, B6, SERVER6, TARGET_CHANNEL)
ROUTE64 = Route(A6, SERVER6, CHANNEL, B4, SERVER4, TARGET_CHANNEL)
ROUTES = {"v4-v4": ROUTE4, "v6-v6": ROUTE6, "v4-v6": ROUTE46, "v6-v4": ROUTE64}

_DATA = channel_data(CHANNEL, PAYLOAD)
_UDP4, _UDP6 = udp(A4, SERVER4, _DATA), udp(A6, SERVER6, _DATA)
_HOP_BY_HOP, _FRAGMENT, _DESTINATION = 0, 44, 60
_PADN = bytes([17, 0, 1, 4, 0, 0, 0, 0])  # the next header is UDP; six bytes of padding


class Case(NamedTuple):
    """One packet, and what leaves in its place; None: it goes up."""

    description: str
    packet: bytes
    leaves: bytes | None = None


def sent(route: Route, payload: bytes, header: Header = SENDERS_OWN) -> bytes:
    """The IP packet that the route's source sends."""
    return packet(route.source, route.server, channel_data(route.channel, payload), header)


def relayed(route: Route, payload: bytes) -> bytes:
    """The IP packet that the route's target gets for it."""
    data = channel_data(route.target_channel, payload)
    return packet(route.target_server, route.target, data, Header())


HEADERS = {
    "the relay's own header": Header(),
    "another hop limit": Header(hop_limit=1),
    "DSCP and ECN": Header(traffic_class=0xFF),
    "an IP-ID": Header(ident=0xFFFF, dont_fragment=False),
    "a flow label": Header(flow_label=0xFFFFF),
    "everything its own": SENDERS_OWN,
}
PAYLOADS = {"empty": b"", "odd": b"x", "media": PAYLOAD, "large": bytes(range(256)) * 5}


def rewritten(route: Route) -> Iterator[Case]:
    """What crosses, and how it comes out."""
    for description, header in HEADERS.items():
        yield Case(description, sent(route, PAYLOAD, header), relayed(route, PAYLOAD))
    for description, payload in PAYLOADS.items():
        yield Case(f"{description} payload", sent(route, payload), relayed(route, payload))


GOES_UP_4 = (
    Case("IP options", ipv4(A4, SERVER4, _UDP4, options=bytes([1, 1, 1, 0]))),
    Case("IP options like UDP", ipv4(A4, SERVER4, _UDP4[24:], options=_UDP4[:24])),
    Case("a first fragment", ipv4(A4, SERVER4, _UDP4, fragment=0x2000)),
    Case("a later fragment", ipv4(A4, SERVER4, _UDP4, fragment=0x0010)),
    Case("a last fragment with DF", ipv4(A4, SERVER4, _UDP4, fragment=0x4010)),
    Case("the reserved bit", ipv4(A4, SERVER4, _UDP4, fragment=0x8000)),
    Case("TCP", ipv4(A4, SERVER4, _UDP4, protocol=6)),
    Case("UDP-Lite", ipv4(A4, SERVER4, _UDP4, protocol=136)),
    Case("no UDP checksum", ipv4(A4, SERVER4, udp(A4, SERVER4, _DATA, checksum=0))),
    Case("an Ethernet trailer", ipv4(A4, SERVER4, _UDP4) + b"\0"),
    Case("IP longer than UDP", ipv4(A4, SERVER4, _UDP4 + b"\0\0\0\0")),
    Case("IP shorter than UDP", ipv4(A4, SERVER4, _UDP4, total_size=20 + len(_UDP4) - 1)),
    Case("IP longer than the packet", ipv4(A4, SERVER4, _UDP4, total_size=21 + len(_UDP4))),
)
GOES_UP_6 = (
    Case("hop-by-hop options", ipv6(A6, SERVER6, _PADN + _UDP6, next_header=_HOP_BY_HOP)),
    Case("destination options", ipv6(A6, SERVER6, _PADN + _UDP6, next_header=_DESTINATION)),
    Case(
        "a fragment header",
        ipv6(A6, SERVER6, bytes([17, 0, 0, 0, 0, 0, 0, 1]) + _UDP6, next_header=_FRAGMENT),
    ),
    Case("TCP", ipv6(A6, SERVER6, _UDP6, next_header=6)),
    Case("no UDP checksum", ipv6(A6, SERVER6, udp(A6, SERVER6, _DATA, checksum=0))),
    Case("an Ethernet trailer", ipv6(A6, SERVER6, _UDP6) + b"\0"),
    Case("IP longer than UDP", ipv6(A6, SERVER6, _UDP6 + b"\0\0\0\0")),
    Case("IP longer than the packet", ipv6(A6, SERVER6, _UDP6, payload_size=len(_UDP6) + 1)),
)


def misfits(route: Route) -> Iterator[Case]:
    """UDP datagrams that no route carries."""
    source, server = route.source, route.server
    for description, data in {
        "a STUN message": struct.pack("!HHI", 1, 0, 0x2112A442) + bytes(12),
        "channel below the range": channel_data(0x3FFF, PAYLOAD),
        "channel above the range": channel_data(0x8001, PAYLOAD),
        "another channel": channel_data(CHANNEL + 1, PAYLOAD),
        "padding": channel_data(CHANNEL, b"abc") + b"\0",
        "three bytes of padding": channel_data(CHANNEL, b"a") + b"\0\0\0",
        "a trailer": _DATA + b"trailer",
        "a length beyond the datagram": struct.pack("!HH", CHANNEL, 9) + b"8 bytes.",
        "no length": CHANNEL.to_bytes(2),
        "nothing": b"",
    }.items():
        yield Case(description, packet(source, server, data))
    elsewhere = End(source.host, source.port ^ 1)
    yield Case("another source port", packet(elsewhere, server, _DATA))
    elsewhere = End(source.host[:-1] + "8", source.port)
    yield Case("another source address", packet(elsewhere, server, _DATA))
    elsewhere = End(server.host, server.port + 1)
    yield Case("another port of the relay", packet(source, elsewhere, _DATA))
    elsewhere = End(server.host[:-1] + "2", server.port)
    yield Case("another address of the relay", packet(source, elsewhere, _DATA))


BAD_ROUTES = {
    "expired": {"expires_ns": NOW_NS - 1},
    "expires now": {"expires_ns": NOW_NS},
    "over": {"expires_ns": 0},
    "a leg that cannot be": {"leg": 1 << 20},
}
"""Routes that forward nothing, by what is different about them."""
