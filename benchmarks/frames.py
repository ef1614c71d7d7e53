"""Ethernet frames with UDP datagrams in them, and the packet sockets they go through.

One packet socket stands for all clients of a party: ten thousand five-tuples need no ten thousand
sockets in the generator, whose cost would be measured with the relay's. Every frame carries the
header of virtio that says "checksum to be completed", which is how a datagram of an ordinary UDP
socket travels over veth too, so that the relay's kernel does the same work for both.
"""

import ipaddress
import socket
import struct

from benchmarks.topology import RELAY_ADDRESS, Link, Topology
from tests.kit.frames import internet_checksum

TURN_PORT = 3478
ETHERNET_AT = 10
"""After `struct virtio_net_hdr`, in frames that are sent; received ones come without it."""

UDP_DATA_AT = 14 + 20 + 8
_VNET_NEEDS_CHECKSUM = struct.pack("=BBHHHH", 1, 0, 0, 0, 14 + 20, 6)
_SOL_PACKET, _PACKET_STATISTICS, _PACKET_VNET_HDR = 263, 6, 15
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 32, 33, 35
_ETH_P_IP = 0x0800
_BUFFER_BYTES = 64 << 20
"""So that nothing is lost in the generator; what is lost there all the same is counted."""


class Line:
    """One party's end of its link.

    Args:
        topology: the namespaces, which exist.
        link: which of the two.
    """

    def __init__(self, topology: Topology, link: Link) -> None:
        self.link = link
        self._headers = Headers(link)
        # Protocol 0 receives nothing: what goes out has a socket of its own.
        with topology.party(link).entered():
            self.outgoing = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.incoming = socket.socket(
                socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_IP)
            )
            self.outgoing.bind(("relay", 0))
            self.incoming.bind(("relay", _ETH_P_IP))
        self.outgoing.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
        self.outgoing.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _BUFFER_BYTES)
        self.incoming.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self.incoming.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.incoming.setblocking(False)

    def close(self) -> None:
        """Close both sockets."""
        self.outgoing.close()
        self.incoming.close()

    def frame(
        self,
        source_port: int,
        payload: bytes,
        target: str = RELAY_ADDRESS,
        target_port: int = TURN_PORT,
    ) -> bytes:
        """A datagram from one of this party's ports to a port of `target`."""
        return self._headers.frame(source_port, payload, target, target_port)

    def dropped(self) -> int:
        """Packets this party's receive buffer had no room for, since this was last asked."""
        statistics = self.incoming.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        return int(struct.unpack("=II", statistics)[1])

    def drain(self) -> None:
        """Throw away what has arrived and was not read."""
        try:
            while self.incoming.recv(64):
                pass
        except BlockingIOError:
            self.dropped()


class Headers:
    """Writes frames from one party; headers of one length and target are built once."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._built: dict[tuple[int, str, int], tuple[bytes, bytes]] = {}

    def frame(
        self, source_port: int, payload: bytes, target: str, target_port: int = TURN_PORT
    ) -> bytes:
        """A datagram from one of the party's ports to a port of `target`."""
        key = len(payload), target, target_port
        if key not in self._built:
            self._built[key] = self._build(*key)
        start, end = self._built[key]
        return start + source_port.to_bytes(2, "big") + end + payload

    def _build(self, payload: int, target: str, target_port: int) -> tuple[bytes, bytes]:
        """What comes before and after the source port, for so many bytes of payload."""
        addresses = _packed(self._link.address) + _packed(target)
        ethernet = _mac(self._link.relay_mac) + _mac(self._link.party_mac) + b"\x08\x00"
        length = 20 + 8 + payload
        ip = struct.pack("!BBHHHBBH", 0x45, 0, length, 0, 0x4000, 64, socket.IPPROTO_UDP, 0)
        checksum = internet_checksum(ip + addresses)
        ip = ip[:10] + checksum.to_bytes(2, "big") + addresses
        pseudo = addresses + struct.pack("!HH", socket.IPPROTO_UDP, 8 + payload)
        start = _VNET_NEEDS_CHECKSUM + ethernet + ip
        summed = 0xFFFF ^ internet_checksum(pseudo)
        return start, struct.pack("!HHH", target_port, 8 + payload, summed)


def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def _mac(address: str) -> bytes:
    return bytes.fromhex(address.replace(":", ""))
