"""A client that stops reading its stream loses its own media and delays nobody."""

import socket
import struct

import pytest

from relay.stun.message import Class, Method
from tests.kit import wire
from tests.kit.daemon import Config
from tests.kit.polling import PATIENCE_S, wait_until
from tests.lab.calls import TCP, Access, Legs, connect, flowing, legs, mint
from tests.lab.relay import TCP_PORT, TLS_PORT, Relay
from tests.lab.topology import RELAY

# Streams are not the kernel's.
PATHS = ("user",)
CONFIG: Config = {
    "limits": {
        "bitrate_bps": 10**10,
        "packets_per_s": 10**6,
        "unauthenticated_per_s": 1000,
    }
}

_BURST, _SIZE = 64, 1001
_QUEUE_BYTES = 1 << 20
_MOST = 100_000  # 100 MB, far beyond what the kernel's socket buffers hold
_GROWTH_BYTES = 8 << 20  # the kernel's socket buffers are not the daemon's memory


def test_a_client_that_stops_reading_loses_only_its_own_media(relay: Relay) -> None:
    with (
        legs(relay, caller=Access("tcp")) as stalled,
        legs(relay, caller=Access("tcp"), callee=Access("tls")) as healthy,
        legs(relay) as datagrams,
    ):
        for call in (stalled, healthy, datagrams):
            call.bind()
        stalled.caller.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        resident = relay.resident_bytes()
        with flowing(healthy, 100) as flow, flowing(datagrams, 100) as udp_flow:
            sent = _send_until_some_is_lost(relay, stalled)
            stalled.say(b"the other way still works")
            frame = stalled.callee.receive()
            assert frame is not None
            assert frame[4:].startswith(b"the other way still works")
        assert flow.sent > 0
        assert udp_flow.sent > 0
        assert flow.lost() == udp_flow.lost() == 0
        assert relay.resident_bytes() - resident < _GROWTH_BYTES

        lost = relay.drops("slow_reader")
        numbers = _read_on(stalled, sent - lost)
        assert numbers == sorted(set(numbers))
        stalled.reply(b"read again")
        fresh = stalled.caller.receive()
        assert fresh is not None
        assert fresh[4:] == b"read again"
        assert relay.overflowed() == 0


def _send_until_some_is_lost(relay: Relay, call: Legs) -> int:
    """Send numbered packets to the one who does not read; returns how many."""
    sent = 0
    while not relay.drops("slow_reader"):
        for _ in range(_BURST):
            call.reply(struct.pack("!Q", sent).ljust(_SIZE, b"\x5a"))
            sent += 1
        wait_until(lambda: relay.queued_bytes() < _QUEUE_BYTES, "the daemon reads")
        assert sent < _MOST, "nothing is lost: the daemon keeps it all"
    wait_until(lambda: relay.queued_bytes() == 0, "the daemon has read everything")
    return sent


def _read_on(call: Legs, count: int) -> list[int]:
    """Read as many packets as were not lost, each of them whole."""
    numbers = []
    for _ in range(count):
        frame = call.caller.receive()
        assert frame is not None
        assert len(frame) == 4 + _SIZE
        numbers.append(int(struct.unpack_from("!Q", frame, 4)[0]))
    return numbers


@pytest.fixture
def strangers(relay: Relay) -> dict[str, socket.socket]:
    """Connections without an allocation: silent, cut short, challenged, and without handshake."""
    request = wire.build(Method.ALLOCATE, Class.REQUEST, bytes(12), [wire.transport(17)])
    said = {
        "silent": (TCP_PORT, b""),
        "half a header": (TCP_PORT, request[:10]),
        "half of a large frame": (TCP_PORT, wire.channel_data(0x4000, bytes(60_000))[:1000]),
        "challenged": (TCP_PORT, request),
        "no handshake": (TLS_PORT, b""),
    }
    opened = {}
    for name, (port, data) in said.items():
        stream = relay.lab.callee.socket(socket.AF_INET, socket.SOCK_STREAM)
        stream.settimeout(PATIENCE_S)
        stream.connect((RELAY.v4, port))
        stream.sendall(data)
        opened[name] = stream
    return opened


def test_a_connection_without_an_allocation_is_closed_after_a_while(
    relay: Relay, strangers: dict[str, socket.socket]
) -> None:
    with connect(relay, relay.lab.caller, TCP, mint("idle", "a")) as client:
        assert client.allocate().code == 0
        for stream in strangers.values():
            with stream:
                while stream.recv(4096):
                    pass
        assert client.request(Method.REFRESH).code == 0  # it has one, and is as old
