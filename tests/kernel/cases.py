"""What the program does with which packet, as data: for the bench and for the wire.

The route is from A to B, between channels or between relayed ports. Every packet is one of A's,
right but for what its description says.
"""

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from relay.address import PeerAddress
from relay.effects import NO_CHANNEL, Via
from tests.kernel.bench_rig import NOW_NS, Route
from tests.kit.frames import (
    SENDERS_OWN,
    End,
    Header,
    channel_data,
    data_indication,
    internet_checksum,
    ipv4,
    ipv6,
    packet,
    pseudo_header,
    send_indication,
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

PORT_A4, PORT_A6 = End(SERVER4.host, 50000), End(SERVER6.host, 50000)
PORT_B4, PORT_B6 = End(SERVER4.host, 50001), End(SERVER6.host, 50001)
PORT_ROUTE4 = Route(A4, PORT_A4, NO_CHANNEL, B4, PORT_B4, NO_CHANNEL)
PORT_ROUTE6 = Route(A6, PORT_A6, NO_CHANNEL, B6, PORT_B6, NO_CHANNEL)
PORT_ROUTES = {
    "v4-v4": PORT_ROUTE4,
    "v6-v6": PORT_ROUTE6,
    "v4-v6": Route(A4, PORT_A4, NO_CHANNEL, B6, PORT_B6, NO_CHANNEL),
    "v6-v4": Route(A6, PORT_A6, NO_CHANNEL, B4, PORT_B4, NO_CHANNEL),
}

PEER_A4, PEER_B4 = (
    PeerAddress(End("192.0.2.9", 0).packed, 60001),
    PeerAddress(End("192.0.2.9", 0).packed, 60002),
)
PEER_A6 = PeerAddress(End("2001:db8:9::9", 0).packed, 60001)
PEER_B6 = PeerAddress(End("2001:db8:9::9", 0).packed, 60002)
"""The relayed addresses of A and B, as indications name them."""


def _indicated() -> Iterator[tuple[str, Route]]:
    for name, route in ROUTES.items():
        for a, b, kind in ((PEER_A4, PEER_B4, ""), (PEER_A6, PEER_B6, ", IPv6 peers")):
            yield f"{name} Send to channel{kind}", replace(route, channel=b)
            yield f"{name} channel to Data{kind}", replace(route, target_channel=a)
            yield f"{name} Send to Data{kind}", replace(route, channel=b, target_channel=a)


INDICATION_ROUTES = dict(_indicated())


def _mixed() -> Iterator[tuple[str, Route]]:
    """Routes between a client and an end that knows no TURN."""
    for name, route in PORT_ROUTES.items():
        yield f"{name} channel to bare", replace(route, channel=CHANNEL)
        yield f"{name} bare to channel", replace(route, target_channel=CHANNEL)


MIXED_ROUTES = dict(_mixed())
EVERY_ROUTE = (
    ROUTES | {f"ports {name}": route for name, route in PORT_ROUTES.items()} | MIXED_ROUTES
)

_HOP_BY_HOP, _FRAGMENT, _DESTINATION, _UDP = 0, 44, 60, 17
_PADN = bytes([_UDP, 0, 1, 4, 0, 0, 0, 0])  # the next header is UDP; six bytes of padding


class Case(NamedTuple):
    """One packet, and what leaves in its place; None: it goes up."""

    description: str
    packet: bytes
    leaves: bytes | None = None


def sent(route: Route, payload: bytes, header: Header = SENDERS_OWN) -> bytes:
    """The IP packet that the route's source sends."""
    return packet(route.source, route.server, data_of(route.channel, payload), header)


def relayed(route: Route, payload: bytes, like: bytes = b"") -> bytes:
    """The IP packet that the route's target gets for it.

    Args:
        like: the one it got, which has chosen the transaction id of an indication.
    """
    data = data_of(route.target_channel, payload)
    if isinstance(route.target_channel, PeerAddress):
        at = (48 if len(route.target.packed) == 16 else 28) + 8
        peer = End(*route.target_channel.reveal())
        data = data_indication(peer, payload, like[at : at + 12].ljust(12, b"\0"))
    return packet(route.target_server, route.target, data, Header())


def data_of(channel: Via, payload: bytes) -> bytes:
    """As a client sends it: ChannelData, or to a peer, or the payload alone to a relayed port."""
    if isinstance(channel, PeerAddress):
        return send_indication(End(*channel.reveal()), payload)
    return payload if channel == NO_CHANNEL else channel_data(channel, payload)


_LEAST_BARE = 4
"""Bytes of a datagram without framing that the program looks at: what is shorter goes up."""

HEADERS = {
    "the relay's own header": Header(),
    "another hop limit": Header(hop_limit=1),
    "DSCP and ECN": Header(traffic_class=0xFF),
    "an IP-ID": Header(ident=0xFFFF, dont_fragment=False),
    "a flow label": Header(flow_label=0xFFFFF),
    "everything its own": SENDERS_OWN,
}
_LARGE = bytes(range(256)) * 5
_PAYLOADS = {"empty": b"", "odd": b"x", "media": PAYLOAD, "large": _LARGE}
_PORT_PAYLOADS = {
    "shortest": b"\x80\0\0\0",
    "odd": PAYLOAD + b"x",
    "large": b"\x80" + _LARGE,
    "next to STUN": b"\x04" + PAYLOAD,
    "DTLS": b"\x16\xfe\xfd" + PAYLOAD,
    "highest": b"\xff" * 20,
    "ChannelData-like": channel_data(CHANNEL, PAYLOAD),
    "empty ChannelData-like": channel_data(0x7FFF, b""),
    "padded ChannelData-like": channel_data(CHANNEL, b"abc") + b"\0",
    "cut ChannelData-like": channel_data(CHANNEL, PAYLOAD)[:-1],
}


def is_too_short(route: Route, payload: bytes) -> bool:
    """Whether the datagram that would leave is shorter than the program looks at."""
    return route.target_channel == NO_CHANNEL and len(payload) < _LEAST_BARE


def rewritten(route: Route) -> Iterator[Case]:
    """What crosses, and how it comes out."""
    for description, header in HEADERS.items():
        yield Case(description, sent(route, PAYLOAD, header), relayed(route, PAYLOAD))
    payloads = _PORT_PAYLOADS if route.channel == NO_CHANNEL else _PAYLOADS
    for description, payload in payloads.items():
        if not is_too_short(route, payload):
            yield Case(f"{description} payload", sent(route, payload), relayed(route, payload))


def not_understood(route: Route) -> Iterator[Case]:
    """IP packets that are not exactly one UDP datagram with a right checksum."""
    data = data_of(route.channel, PAYLOAD)
    yield from _wrong_checksums(route, data)
    is_ipv4 = len(route.source.packed) == 4
    others = _not_understood_4 if is_ipv4 else _not_understood_6
    yield from others(route.source, route.server, data)


def _wrong_checksums(route: Route, data: bytes) -> Iterator[Case]:
    source, server = route.source, route.server
    right = udp(source, server, data)
    check, pseudo = int.from_bytes(right[6:8]), pseudo_header(source, server, len(right))
    for description, wrong in {
        "a wrong checksum": check ^ 0x0100,
        "a checksum one too large": check % 0xFFFF + 1,
        "a checksum of other addresses": internet_checksum(right[:6] + bytes(2) + data),
        "a checksum that nobody has completed": 0xFFFF ^ internet_checksum(pseudo),
    }.items():
        datagram = udp(source, server, data, wrong)
        build = ipv4 if len(source.packed) == 4 else ipv6
        yield Case(description, build(source, server, datagram))
    whole = bytearray(packet(source, server, data))
    whole[-1] ^= 0x10
    yield Case("a damaged payload", bytes(whole))


def _not_understood_4(source: End, server: End, data: bytes) -> Iterator[Case]:
    whole, unsummed = udp(source, server, data), udp(source, server, data, checksum=0)
    good, size = ipv4(source, server, whole), 20 + len(whole)
    for description, packet_ in {
        "IP options": ipv4(source, server, whole, options=bytes([1, 1, 1, 0])),
        "IP options like UDP": ipv4(source, server, whole[24:], options=whole[:24]),
        "a first fragment": ipv4(source, server, whole, fragment=0x2000),
        "a later fragment": ipv4(source, server, whole, fragment=0x0010),
        "a last fragment with DF": ipv4(source, server, whole, fragment=0x4010),
        "the reserved bit": ipv4(source, server, whole, fragment=0x8000),
        "TCP": ipv4(source, server, whole, protocol=6),
        "UDP-Lite": ipv4(source, server, whole, protocol=136),
        "no UDP checksum": ipv4(source, server, unsummed),
        "a wrong header checksum": good[:10] + bytes([good[10] ^ 1]) + good[11:],
        "an Ethernet trailer": good + b"\0",
        "IP longer than UDP": ipv4(source, server, whole + bytes(4)),
        "IP shorter than UDP": ipv4(source, server, whole, total_size=size - 1),
        "IP longer than the packet": ipv4(source, server, whole, total_size=size + 1),
    }.items():
        yield Case(description, packet_)


def _not_understood_6(source: End, server: End, data: bytes) -> Iterator[Case]:
    whole, unsummed = udp(source, server, data), udp(source, server, data, checksum=0)
    fragment = bytes([_UDP, 0, 0, 0, 0, 0, 0, 1])
    for description, packet_ in {
        "hop-by-hop options": ipv6(source, server, _PADN + whole, next_header=_HOP_BY_HOP),
        "destination options": ipv6(source, server, _PADN + whole, next_header=_DESTINATION),
        "a fragment header": ipv6(source, server, fragment + whole, next_header=_FRAGMENT),
        "TCP": ipv6(source, server, whole, next_header=6),
        "no UDP checksum": ipv6(source, server, unsummed),
        "an Ethernet trailer": ipv6(source, server, whole) + b"\0",
        "IP longer than UDP": ipv6(source, server, whole + bytes(4)),
        "IP longer than the packet": ipv6(source, server, whole, payload_size=len(whole) + 1),
    }.items():
        yield Case(description, packet_)


def misfits(route: Route) -> Iterator[Case]:
    """UDP datagrams that the route does not carry, in the kernel at least."""
    return (_port_misfits if route.channel == NO_CHANNEL else _channel_misfits)(route)


def _channel_misfits(route: Route) -> Iterator[Case]:
    source, server = route.source, route.server
    whole = channel_data(CHANNEL, PAYLOAD)
    for description, data in {
        "a STUN message": struct.pack("!HHI", 1, 0, 0x2112A442) + bytes(12),
        "channel below the range": channel_data(0x3FFF, PAYLOAD),
        "channel above the range": channel_data(0x8001, PAYLOAD),
        "another channel": channel_data(CHANNEL + 1, PAYLOAD),
        "padding": channel_data(CHANNEL, b"abc") + b"\0",
        "three bytes of padding": channel_data(CHANNEL, b"a") + b"\0\0\0",
        "a trailer": whole + b"trailer",
        "a length beyond the datagram": struct.pack("!HH", CHANNEL, 9) + b"8 bytes.",
        "no length": CHANNEL.to_bytes(2),
        "nothing": b"",
    }.items():
        yield Case(description, packet(source, server, data))
    yield from _elsewhere(route, whole)


def _port_misfits(route: Route) -> Iterator[Case]:
    stun = struct.pack("!HHI", 1, 0, 0x2112A442) + bytes(12)
    for first in range(4):
        for description, rest in (("STUN", stun[1:]), ("four bytes", b"\x80" * 3), ("one", b"")):
            data = bytes([first]) + rest
            yield Case(f"{description} from {first}", packet(route.source, route.server, data))
    for size in range(4):
        data = b"\x80" * size
        yield Case(f"{size} bytes", packet(route.source, route.server, data))
    yield from _elsewhere(route, PAYLOAD)
    yield from _elsewhere(route, channel_data(CHANNEL, PAYLOAD))


def _elsewhere(route: Route, data: bytes) -> Iterator[Case]:
    source, server = route.source, route.server
    elsewhere = End(source.host, source.port ^ 1)
    yield Case("another source port", packet(elsewhere, server, data))
    elsewhere = End(source.host[:-1] + "8", source.port)
    yield Case("another source address", packet(elsewhere, server, data))
    elsewhere = End(server.host, server.port + 1)
    yield Case("another port of the relay", packet(source, elsewhere, data))
    elsewhere = End(server.host[:-1] + "2", server.port)
    yield Case("another address of the relay", packet(source, elsewhere, data))


BAD_ROUTES = {
    "expired": {"expires_ns": NOW_NS - 1},
    "expires now": {"expires_ns": NOW_NS},
    "over": {"expires_ns": 0},
    "a leg that cannot be": {"leg": 1 << 20},
}
"""Routes that forward nothing, by what is different about them."""
