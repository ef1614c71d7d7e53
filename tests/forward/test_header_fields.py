"""What leaves carries header fields of the relay's own, whatever the sender's were.

A packet socket on the loopback interface sees what the listener emits, next to what it received.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from relay.effects import Deliver, Send
from tests.forward.clients import UdpClient, channel_data
from tests.forward.loopback import ALICE, BATCHES, V4, V6, Stage
from tests.kit.loops import on_uvloop

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="packet sockets: run as root"),
    pytest.mark.parametrize("batch", BATCHES),
]

_ETHERTYPES = {V4: 0x0800, V6: 0x86DD}
_EF = 0xB8  # DSCP 46, what a phone marks its voice with
_IP_MTU_DISCOVER, _PMTUDISC_DONT, _IPV6_AUTOFLOWLABEL = 10, 0, 70


class Fields(NamedTuple):
    """What of an IP header could tell one sender from another."""

    hop_limit: int
    traffic_class: int
    flow_label: int = 0
    identification: int = 0
    dont_fragment: bool = True
    options: int = 0


RELAYS_OWN = Fields(hop_limit=64, traffic_class=0)


def parse(packet: bytes) -> tuple[Fields, int, bytes]:
    """The fields, the UDP source port and the payload of an IP packet."""
    if packet[0] >> 4 == 4:
        size = (packet[0] & 15) * 4
        identification, fragment = struct.unpack_from("!HH", packet, 4)
        fields = Fields(packet[8], packet[1], 0, identification, bool(fragment & 0x4000), size - 20)
    else:
        size = 40
        word = int.from_bytes(packet[:4])
        fields = Fields(packet[7], word >> 20 & 0xFF, word & 0xFFFFF)
    port, _, length = struct.unpack_from("!HHH", packet, size)
    return fields, port, packet[size + 8 : size + length]


@pytest.fixture(params=[V4, V6])
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def wire(host: str) -> Iterator[socket.socket]:
    """Everything that leaves over the loopback interface."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as sock:
        sock.bind(("lo", _ETHERTYPES[host]))
        sock.setblocking(False)
        yield sock


async def emitted(wire: socket.socket, port: int, last: bytes) -> dict[bytes, Fields]:
    """What a UDP port has emitted, payload by payload, up to that one."""
    seen: dict[bytes, Fields] = {}
    while last not in seen:
        packet = await asyncio.get_running_loop().sock_recv(wire, 65536)
        if packet[9 if packet[0] >> 4 == 4 else 6] == socket.IPPROTO_UDP:
            fields, source, payload = parse(packet)
            if source == port:
                seen[payload] = fields
    return seen


def disguise(client: UdpClient, host: str) -> None:
    """Give a client's packets header fields that one would know again."""
    if host == V4:
        client.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 33)
        client.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _EF)
        client.sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DONT)
        client.sock.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\x01\x01\x01\x00")
    else:
        client.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 33)
        client.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _EF)
        client.sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_AUTOFLOWLABEL, 1)


def disguised(host: str, fields: Fields) -> Fields:
    """What a packet of a disguised client carries; the kernel chooses its id and label."""
    if host == V4:
        return Fields(33, _EF, 0, fields.identification, dont_fragment=False, options=4)
    return Fields(33, _EF, fields.flow_label or 1)  # the kernel's hash of the flow


@on_uvloop
async def test_every_packet_has_the_relays_own_fields(
    stage: Stage, host: str, wire: socket.socket
) -> None:
    listener = stage.udp(host)
    alice, bob = stage.client(listener), stage.client(listener)
    disguise(alice, host)
    stage.route(alice, 0x4001, bob, 0x4002)
    for size in (0, 160, 1200, 9000):
        alice.say(channel_data(0x4001, bytes(size)))
    theirs = await emitted(wire, alice.five_tuple.client.port, channel_data(0x4001, bytes(9000)))
    assert len(theirs) == 4
    assert all(fields == disguised(host, fields) != RELAYS_OWN for fields in theirs.values())
    await stage.settle(alice)
    stage.apply(Deliver(ALICE, bob.five_tuple, b"by the core", 11))
    stage.apply(Send(bob.five_tuple, b"an answer"))
    seen = await emitted(wire, listener.address.port, b"an answer")
    assert len(seen) == 6
    assert set(seen.values()) == {RELAYS_OWN}


@on_uvloop
async def test_a_route_between_sockets_has_the_relays_own_fields(
    stage: Stage, host: str, wire: socket.socket
) -> None:
    listener, other = stage.udp(V4 if host == V6 else V6), stage.udp(host)
    alice, bob = stage.client(listener), stage.client(other)
    disguise(alice, V4 if host == V6 else V6)
    stage.route(alice, 0x4001, bob, 0x4002)
    for size in (0, 160, 9000):
        alice.say(channel_data(0x4001, bytes(size)))
    seen = await emitted(wire, other.address.port, channel_data(0x4002, bytes(9000)))
    assert len(seen) == 3
    assert set(seen.values()) == {RELAYS_OWN}
