"""Packets through an interface: what the kernel sends, and that both paths send the same."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from relay.address import FiveTuple
from relay.errors import DropReason
from relay.forward.fastpath import FastPath
from relay.forward.forwarder import Forwarder
from relay.forward.routes import Tally
from relay.forward.udp import UdpListener
from relay.turn.effects import Effect
from tests.fastpath.bench_rig import Route
from tests.fastpath.cases import (
    B4,
    B6,
    GOES_UP_4,
    GOES_UP_6,
    PAYLOAD,
    ROUTE4,
    ROUTE6,
    ROUTE46,
    ROUTE64,
    ROUTES,
    SERVER4,
    SERVER6,
    misfits,
    relayed,
    rewritten,
    sent,
)
from tests.fastpath.frames import Header, channel_data, internet_checksum, ipv4, udp
from tests.fastpath.paths import LEG, SET_LEG, open_kernel_path, server_address, set_route
from tests.fastpath.tap import NEEDS_CHECKSUM, UDP_SEGMENTS, Tap, offload
from tests.lab.namespaces import Namespace

_SERVERS = [SERVER4, SERVER6]
_MARKER = b"the last packet of the trace"
_DEADLINE_S = 30


@pytest.fixture
def tap(namespace: Namespace) -> Iterator[Tap]:
    made = Tap(namespace, "cvf-tap", _SERVERS)
    made.know(B4, B6)
    yield made
    made.close()


@pytest.fixture
def kernel(tap: Tap) -> Iterator[FastPath]:
    made = open_kernel_path(_SERVERS)
    yield made
    made.close(leave_running=False)


@pytest.mark.parametrize("family", ROUTES)
def test_kernel_forwards_alone(tap: Tap, kernel: FastPath, family: str) -> None:
    route = ROUTES[family]
    assert kernel.set_route(set_route(route))
    tap.send(sent(route, PAYLOAD))
    assert tap.received(route.target) == [relayed(route, PAYLOAD)]
    assert kernel.leg(LEG) == (1, len(PAYLOAD), 0)
    tally = kernel.counters()
    assert (tally.packets, tally.bytes, sum(tally.drops)) == (1, len(PAYLOAD), 0)


@pytest.mark.parametrize("family", ROUTES)
def test_checksum_that_a_card_has_yet_to_complete(tap: Tap, kernel: FastPath, family: str) -> None:
    """As a virtual machine's or a container's packets come: only the pseudo-header is summed up."""
    route = ROUTES[family]
    assert kernel.set_route(set_route(route))
    whole = sent(route, PAYLOAD)
    at = len(whole) - len(PAYLOAD) - 12
    pseudo = route.source.packed + route.server.packed + (len(whole) - at).to_bytes(4) + bytes(3)
    partial = udp(route.source, route.server, channel_data(route.channel, PAYLOAD), 0)
    start = 0xFFFF ^ internet_checksum(pseudo + b"\x11")
    packet = whole[:at] + partial[:6] + start.to_bytes(2) + partial[8:]
    tap.send(packet, offload(NEEDS_CHECKSUM, start=14 + at))
    assert tap.received(route.target) == [relayed(route, PAYLOAD)]


@pytest.mark.parametrize("family", ROUTES)
@pytest.mark.parametrize("linear", [14, 34, 54, 60])
def test_packet_whose_headers_are_scattered_in_memory(
    tap: Tap, kernel: FastPath, family: str, linear: int
) -> None:
    route = ROUTES[family]
    payload = bytes(range(256)) * 24
    assert kernel.set_route(set_route(route))
    tap.send(sent(route, payload), offload(header_size=linear))
    assert tap.received(route.target) == [relayed(route, payload)]


@pytest.mark.parametrize("route", [ROUTE4, ROUTE6], ids=["v4", "v6"])
def test_packet_with_a_vlan_tag_is_not_forwarded(tap: Tap, kernel: FastPath, route: Route) -> None:
    assert kernel.set_route(set_route(route))
    frame = tap.to_relay(sent(route, PAYLOAD))
    tap.send_frame(frame[:12] + b"\x81\x00\x00\x07" + frame[12:])
    _assert_only_marker(tap, kernel, route)


def test_segments_of_a_super_packet_are_not_forwarded_as_one(tap: Tap, kernel: FastPath) -> None:
    assert kernel.set_route(set_route(ROUTE4))
    one = channel_data(ROUTE4.channel, PAYLOAD)
    # Its first ChannelData length covers the whole, so nothing but the segment size tells.
    data = channel_data(ROUTE4.channel, PAYLOAD + one)
    pseudo = ROUTE4.source.packed + ROUTE4.server.packed + (8 + len(data)).to_bytes(4) + bytes(3)
    start = 0xFFFF ^ internet_checksum(pseudo + b"\x11")
    packet = ipv4(ROUTE4.source, ROUTE4.server, udp(ROUTE4.source, ROUTE4.server, data, start))
    tap.send(packet, offload(NEEDS_CHECKSUM, UDP_SEGMENTS, 42, len(one), 34))
    _assert_only_marker(tap, kernel, ROUTE4)


@pytest.mark.parametrize("route", [ROUTE4, ROUTE6], ids=["v4", "v6"])
def test_every_truncation_of_a_frame_is_harmless(tap: Tap, kernel: FastPath, route: Route) -> None:
    assert kernel.set_route(set_route(route))
    whole = tap.to_relay(sent(route, PAYLOAD))
    for size in range(14, len(whole)):
        tap.send_frame(whole[:size])
    _assert_only_marker(tap, kernel, route)


def test_spoofed_source_of_the_relays_own_is_dropped(tap: Tap, kernel: FastPath) -> None:
    for route in (ROUTE4, ROUTE6):
        tap.send(sent(replace(route, source=route.server), PAYLOAD))
    assert kernel.counters().drops[DropReason.OWN_SOURCE] == 2


class _NoCore:
    """What goes up and has no route in user space either: counted, not answered."""

    def __init__(self) -> None:
        self.asked = 0

    def receive(self, datagram: bytes, client: FiveTuple) -> None:
        self.asked += 1

    def disconnect(self, client: FiveTuple) -> None:
        raise AssertionError

    def is_known(self, client: FiveTuple) -> bool:
        return True


class _UserPath:
    """The user path as the daemon has it, without a core."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.core = _NoCore()
        self.forwarder = Forwarder(self.tally, lambda: 0)
        self.listeners = [
            UdpListener(server_address(end), self.core, self.tally) for end in _SERVERS
        ]
        for listener in self.listeners:
            self.forwarder.add_udp(listener)

    def apply(self, effect: Effect) -> None:
        self.forwarder.handlers[type(effect)](effect)

    async def run(self, tap: Tap, trace: list[bytes]) -> list[bytes]:
        """Send a trace through; what A's peers got, in order of bytes."""
        loop = asyncio.get_running_loop()
        for listener in self.listeners:
            listener.start(loop)
        got: list[bytes] = []
        for packet in trace:
            tap.send(packet)
            await asyncio.sleep(0)
        async with asyncio.timeout(_DEADLINE_S):
            while sum(packet.endswith(_MARKER) for packet in got) < len(ROUTES):
                await asyncio.sleep(0)
                got += tap.received(B4, B6)
        return sorted(got)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        for listener in self.listeners:
            listener.close(loop)


def _trace() -> list[bytes]:
    """Every case there is, and a marker for each route at the end."""
    packets = [case.packet for route in ROUTES.values() for case in rewritten(route)]
    packets += [case.packet for case in (*GOES_UP_4, *GOES_UP_6)]
    packets += [case.packet for route in (ROUTE4, ROUTE6) for case in misfits(route)]
    return packets + [sent(route, _MARKER) for route in _distinct()]


def _distinct() -> list[Route]:
    """The four routes with channels of their own, so that all of them can exist at once."""
    return [ROUTE4, ROUTE6, _on_channel(ROUTE46, 0x4100), _on_channel(ROUTE64, 0x4100)]


def _on_channel(route: Route, channel: int) -> Route:
    return replace(route, channel=channel)


async def test_both_paths_send_the_same_bytes_and_count_the_same(tap: Tap) -> None:
    loop = asyncio.get_running_loop()
    alone = _UserPath()
    alone.apply(SET_LEG)
    for effect in map(set_route, _distinct()):
        alone.apply(effect)
    by_user = await alone.run(tap, _trace())
    alone.close(loop)

    beside = _UserPath()
    kernel = open_kernel_path(_SERVERS)
    beside.apply(SET_LEG)
    for effect in map(set_route, _distinct()):
        beside.apply(effect)
        assert kernel.set_route(effect)
    by_both = await beside.run(tap, _trace())
    beside.close(loop)
    counted, meter, leg = kernel.counters(), beside.forwarder.meter(LEG), kernel.leg(LEG)
    kernel.close(leave_running=False)

    assert by_both == by_user
    assert len(by_user) > 40
    assert counted.packets > 0 < beside.tally.packets  # each had its part
    assert counted.packets + beside.tally.packets == alone.tally.packets
    assert counted.bytes + beside.tally.bytes == alone.tally.bytes
    assert sum(counted.drops) == 0
    assert beside.core.asked == alone.core.asked
    assert meter
    assert leg
    assert leg.packets + meter.packets == alone.tally.packets


def _assert_only_marker(tap: Tap, kernel: FastPath, route: Route) -> None:
    """Nothing was forwarded so far, and the next packet is."""
    assert kernel.counters().packets == 0
    tap.send(sent(route, _MARKER, Header()))
    assert tap.received(route.target) == [relayed(route, _MARKER)]
