"""A network card whose cable ends in this process: frames in, frames out.

What is written arrives at the interface as if a card had received it, with the offload state that
the test says; what the kernel sends over the interface can be read. Both happen at once, without
waiting: a write returns when the kernel has dealt with the frame.
"""

import fcntl
import os
import struct

from tests.kernel.bench_rig import Route
from tests.kit.frames import (
    ETHERNET_SIZE,
    End,
    internet_checksum,
    ipv4,
    ipv6,
    pseudo_header,
    udp,
)
from tests.kit.namespaces import Namespace

ADDRESS = bytes.fromhex("02cf00000001")
_CLIENTS = "02:cf:00:00:00:02"
_CLIENTS_ADDRESS = bytes.fromhex("02cf00000002")

_TUNSETIFF = 0x400454CA
_TAP, _NO_PACKET_INFORMATION, _OFFLOAD_HEADER = 0x0002, 0x1000, 0x4000
_OFFLOAD = struct.Struct("<BBHHHH")  # struct virtio_net_hdr
NEEDS_CHECKSUM = 1
UDP_SEGMENTS = 5


class Tap:
    """An interface of a namespace that the calling thread has entered."""

    def __init__(self, namespace: Namespace, name: str, servers: list[End]) -> None:
        self.name = name
        self._namespace = namespace
        self._fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        flags = _TAP | _NO_PACKET_INFORMATION | _OFFLOAD_HEADER
        fcntl.ioctl(self._fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        namespace.set_kernel({"ipv6/conf/all/accept_dad": 0, f"ipv6/conf/{name}/accept_dad": 0})
        lines = [f"link set {name} address {ADDRESS.hex(':')} mtu 9000 up"]
        for server in servers:
            bits = len(server.packed) * 8
            lines.append(f"addr add {server.host}/{bits} dev {name} {'nodad' * (bits == 128)}")
        if servers:
            lines += [f"route add {every} dev {name}" for every in ("default", "::/0")]
        namespace.set_up(lines)

    def know(self, *clients: End) -> None:
        """Let the kernel know the hardware address of these clients."""
        self._namespace.set_up(
            [
                f"neigh replace {client.host} lladdr {_CLIENTS} dev {self.name} nud permanent"
                for client in clients
            ]
        )

    def send(self, ip: bytes, offload: bytes = bytes(10)) -> None:
        """Let the interface receive an IP packet."""
        self.send_frame(self.to_relay(ip), offload)

    def send_frame(self, frame: bytes, offload: bytes = bytes(10)) -> None:
        """Let the interface receive a frame."""
        os.write(self._fd, offload + frame)

    @staticmethod
    def to_relay(ip: bytes) -> bytes:
        """The frame of an IP packet from a client to the relay."""
        kind = 0x0800 if ip[0] >> 4 == 4 else 0x86DD
        return ADDRESS + _CLIENTS_ADDRESS + kind.to_bytes(2) + ip

    def received(self, *clients: End) -> list[bytes]:
        """The IP packets sent to one of these clients since the last call; others are left out."""
        packets: list[bytes] = []
        while True:
            try:
                frame = os.read(self._fd, 1 << 16)[_OFFLOAD.size :]
            except BlockingIOError:
                return packets
            ip = frame[ETHERNET_SIZE:]
            destination = ip[16:20] if ip[0] >> 4 == 4 else ip[24:40]
            if frame[:6] == _CLIENTS_ADDRESS and destination in {end.packed for end in clients}:
                assert frame[6:12] == ADDRESS
                packets.append(ip)

    def close(self) -> None:
        """Remove the interface."""
        os.close(self._fd)


def offload(
    flags: int = 0, kind: int = 0, header_size: int = 0, segment_size: int = 0, start: int = 0
) -> bytes:
    """What a card says of a frame; a UDP checksum is at `start` + 6."""
    return _OFFLOAD.pack(flags, kind, header_size, segment_size, start, 6 if start else 0)


def to_be_completed(route: Route, data: bytes, error: int = 0) -> tuple[bytes, bytes]:
    """A packet of the route's source of which only the pseudo-header is summed up, and what a card
    says of it, as virtual machines and containers send them.

    Args:
        error: what is wrong in that sum.
    """
    start = sum_of_pseudo_header(route, len(data)) ^ error
    build = ipv4 if len(route.source.packed) == 4 else ipv6
    packet = build(route.source, route.server, udp(route.source, route.server, data, start))
    return packet, offload(NEEDS_CHECKSUM, start=ETHERNET_SIZE + len(packet) - len(data) - 8)


def sum_of_pseudo_header(route: Route, size: int) -> int:
    """Of so many bytes from the route's source."""
    return 0xFFFF ^ internet_checksum(pseudo_header(route.source, route.server, 8 + size))
