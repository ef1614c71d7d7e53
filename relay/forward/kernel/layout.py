"""The structures that the daemon and the kernel program share, as layout.h has them.

A test compares names, offsets and sizes with the type information in the compiled object.
"""

import struct

from relay.address import Address, FiveTuple
from relay.effects import Via
from relay.forward.user.slots import PAYLOAD_MAX

LAYOUT = 3
"""Of the maps; a map of another layout is never adopted."""

V4_MAPPED = bytes(10) + b"\xff\xff"

_NO_PEER = 0
_UDP_HEADER, _IPV4_HEADER, _IPV6_HEADER = 8, 20, 40


class Layout:
    """One C structure.

    Args:
        name: of the structure in layout.h.
        fields: names and `struct` formats in order, without padding between them.
    """

    def __init__(self, name: str, **fields: str) -> None:
        self.name = name
        self.struct = struct.Struct("=" + "".join(fields.values()))
        self.size = self.struct.size
        self.pack = self.struct.pack
        self.unpack_from = self.struct.unpack_from
        self.offsets: dict[str, int] = {}
        before = "="
        for field, form in fields.items():
            self.offsets[field] = struct.calcsize(before)
            before += form

    def word(self, field: str) -> int:
        """Where a 64-bit field is, in words."""
        return self.offsets[field] // 8


ROUTE_KEY = Layout(
    "route_key",
    source="16s",
    server="16s",
    source_port="2s",
    server_port="2s",
    channel="2s",
    peer_family="H",
)
ROUTE = Layout(
    "route",
    expires_ns="Q",
    key="40s",
    target="16s",
    server="16s",
    target_port="2s",
    server_port="2s",
    channel="2s",
    mtu="H",
    ifindex="I",
    leg="I",
    target_peer_family="H",
    zero="6s",
)
LEG = Layout(
    "leg",
    ns_per_kib="Q",
    ns_per_packet="Q",
    byte_due_ns="Q",
    packet_due_ns="Q",
    packets="Q",
    bytes="Q",
    dropped="Q",
    digest="Q",
)
CONFIG = Layout(
    "config",
    lease_until_ns="Q",
    burst_ns="Q",
    layout="Q",
    clock_ns="Q",
    relayed4="16s",
    relayed6="16s",
)
TOTALS = Layout("totals", packets="Q", bytes="Q")
DROPS = Layout("__u64", count="Q")
LISTENER = Layout("listener", address="16s", port="2s", zero="H")
INDEX = Layout("__u32", index="I")

MAPS = {
    "routes": (ROUTE_KEY, INDEX),
    "slots": (INDEX, ROUTE),
    "legs": (INDEX, LEG),
    "config": (INDEX, CONFIG),
    "totals": (INDEX, TOTALS),
    "drops": (INDEX, DROPS),
    "listeners": (LISTENER, INDEX),
}
"""The maps by name: what the key is, what the value."""


def mapped(packed: bytes) -> bytes:
    """An address as the maps hold it: 16 bytes, IPv4 as ::ffff:a.b.c.d."""
    return packed if len(packed) == 16 else V4_MAPPED + packed


def listener_key(address: Address) -> bytes:
    """The key of one of the relay's own transport addresses."""
    return LISTENER.pack(mapped(address.packed), address.port.to_bytes(2), 0)


def route_key(source: FiveTuple, channel: Via) -> bytes:
    """What a client's data is found by.

    Args:
        channel: of its ChannelData; NO_CHANNEL for all that comes to a relayed port; the peer of
            its Send indications.
    """
    client, server = source.client, source.server
    return ROUTE_KEY.pack(
        mapped(client.packed),
        mapped(server.packed),
        client.port.to_bytes(2),
        server.port.to_bytes(2),
        *via(channel),
    )


def via(channel: Via) -> tuple[bytes, int]:
    """A channel, or a peer by port and family. Every peer has the relayed IP of its family."""
    if isinstance(channel, int):
        return channel.to_bytes(2), _NO_PEER
    return channel.port.to_bytes(2), channel.family


def packet_size_max(target: bytes, mtu: int) -> int:
    """The largest IP packet to this packed address that the kernel forwards.

    What is larger than the path takes whole, or than what the user path forwards, goes up to it.
    """
    header = _IPV4_HEADER if len(target) == 4 else _IPV6_HEADER
    return min(mtu, header + _UDP_HEADER + PAYLOAD_MAX - 1)
