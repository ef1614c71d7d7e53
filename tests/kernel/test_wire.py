"""Packets through an interface: what the kernel sends, and that both paths send the same."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from relay.effects import Effect
from relay.errors import DropReason
from relay.forward.kernel import FastPath
from tests.kernel.bench_rig import Route
from tests.kernel.cases import (
    B4,
    B6,
    CHANNEL,
    EVERY_ROUTE,
    PAYLOAD,
    PORT_ROUTE4,
    PORT_ROUTE6,
    PORT_ROUTES,
    ROUTE4,
    ROUTE6,
    ROUTE46,
    ROUTE64,
    SERVER4,
    SERVER6,
    data_of,
    misfits,
    not_understood,
    relayed,
    rewritten,
    sent,
)
from tests.kernel.paths import LEG, SET_LEG, open_kernel_path, set_route
from tests.kernel.tap import (
    NEEDS_CHECKSUM,
    UDP_SEGMENTS,
    Tap,
    offload,
    sum_of_pseudo_header,
    to_be_completed,
)
from tests.kernel.user_path import UserPath
from tests.kit.frames import End, Header, channel_data, ipv4, udp

_SERVERS = [SERVER4, SERVER6]
_PORTS_MIXED = [PORT_ROUTES["v4-v6"], PORT_ROUTES["v6-v4"]]
_MARKER = b"the last packet of the trace"

_each_family = pytest.mark.parametrize(
    "route",
    [ROUTE4, ROUTE6, PORT_ROUTE4, PORT_ROUTE6],
    ids=["v4", "v6", "ports v4", "ports v6"],
)


@pytest.mark.parametrize("family", EVERY_ROUTE)
def test_kernel_forwards_alone(tap: Tap, path: FastPath, family: str) -> None:
    route = EVERY_ROUTE[family]
    assert path.set_route(set_route(route))
    tap.send(sent(route, PAYLOAD))
    assert tap.received(route.target) == [relayed(route, PAYLOAD)]
    assert path.leg(LEG) == (1, len(PAYLOAD), 0)
    tally = path.counters()
    assert (tally.packets, tally.bytes, sum(tally.drops)) == (1, len(PAYLOAD), 0)


@pytest.mark.parametrize("family", EVERY_ROUTE)
def test_checksum_that_a_card_has_yet_to_complete(tap: Tap, path: FastPath, family: str) -> None:
    """As a virtual machine's or a container's packets come: only the pseudo-header is summed up."""
    route = EVERY_ROUTE[family]
    assert path.set_route(set_route(route))
    tap.send(*to_be_completed(route, data_of(route.channel, PAYLOAD)))
    assert tap.received(route.target) == [relayed(route, PAYLOAD)]


@_each_family
def test_checksum_that_a_card_would_complete_wrong_is_not_forwarded(
    tap: Tap, path: FastPath, route: Route
) -> None:
    assert path.set_route(set_route(route))
    tap.send(*to_be_completed(route, data_of(route.channel, PAYLOAD), error=1))
    _assert_only_marker(tap, path, route)


@pytest.mark.parametrize("family", EVERY_ROUTE)
@pytest.mark.parametrize("linear", [14, 34, 54, 60])
def test_packet_whose_headers_are_scattered_in_memory(
    tap: Tap, path: FastPath, family: str, linear: int
) -> None:
    route = EVERY_ROUTE[family]
    payload = b"\x80" + bytes(range(256)) * 24
    assert path.set_route(set_route(route))
    tap.send(sent(route, payload), offload(header_size=linear))
    assert tap.received(route.target) == [relayed(route, payload)]


@_each_family
def test_packet_with_a_vlan_tag_is_not_forwarded(tap: Tap, path: FastPath, route: Route) -> None:
    assert path.set_route(set_route(route))
    frame = tap.to_relay(sent(route, PAYLOAD))
    tap.send_frame(frame[:12] + b"\x81\x00\x00\x07" + frame[12:])
    _assert_only_marker(tap, path, route)


def test_segments_of_a_super_packet_are_not_forwarded_as_one(tap: Tap, path: FastPath) -> None:
    assert path.set_route(set_route(ROUTE4))
    one = channel_data(CHANNEL, PAYLOAD)
    # Its first ChannelData length covers the whole, so nothing but the segment size tells.
    data = channel_data(CHANNEL, PAYLOAD + one)
    start = sum_of_pseudo_header(ROUTE4, len(data))
    packet = ipv4(ROUTE4.source, ROUTE4.server, udp(ROUTE4.source, ROUTE4.server, data, start))
    tap.send(packet, offload(NEEDS_CHECKSUM, UDP_SEGMENTS, 42, len(one), 34))
    _assert_only_marker(tap, path, ROUTE4)


@_each_family
def test_every_truncation_of_a_frame_is_harmless(tap: Tap, path: FastPath, route: Route) -> None:
    assert path.set_route(set_route(route))
    whole = tap.to_relay(sent(route, PAYLOAD))
    for size in range(14, len(whole)):
        tap.send_frame(whole[:size])
    _assert_only_marker(tap, path, route)


def test_spoofed_source_of_the_relays_own_is_dropped(tap: Tap, path: FastPath) -> None:
    for route in (ROUTE4, ROUTE6):
        tap.send(sent(replace(route, source=route.server), PAYLOAD))
    assert path.counters().drops[DropReason.OWN_SOURCE] == 2


def _on_channel(route: Route) -> Route:
    return replace(route, channel=0x4100)


def _at_another_port(route: Route) -> Route:
    return replace(route, server=End(route.server.host, 50002))


_BY_KIND = {
    "channels": [ROUTE4, ROUTE6, _on_channel(ROUTE46), _on_channel(ROUTE64)],
    "ports": [PORT_ROUTE4, PORT_ROUTE6, *map(_at_another_port, _PORTS_MIXED)],
}
"""The four pairs of families, such that all of a kind can exist at once."""


def _trace(routes: Sequence[Route]) -> list[bytes]:
    """Every case there is, and a marker for each route at the end."""
    packets = [case.packet for route in routes for case in rewritten(route)]
    packets += [case.packet for route in routes[:2] for case in not_understood(route)]
    packets += [case.packet for route in routes[:2] for case in misfits(route)]
    return packets + [sent(route, _MARKER) for route in routes]


@pytest.mark.parametrize("kind", _BY_KIND)
async def test_both_paths_send_the_same_bytes_and_count_the_same(tap: Tap, kind: str) -> None:
    routes = _BY_KIND[kind]
    ports = {end for route in routes for end in (route.server, route.target_server)}
    ports -= {*_SERVERS}
    trace, last = _trace(routes), (_MARKER, len(routes))
    effects: list[Effect] = [SET_LEG, *map(set_route, routes)]

    async with UserPath(_SERVERS, [*ports]) as alone:
        for effect in effects:
            alone.apply(effect)
        by_user = await alone.run(tap, trace, (B4, B6), last)

    path = open_kernel_path(_SERVERS)
    async with UserPath(_SERVERS, [*ports], path) as beside:
        for effect in effects:
            beside.apply(effect)
        assert path.routes == len(routes)
        by_both = await beside.run(tap, trace, (B4, B6), last)
        counted, meter, leg = path.counters(), beside.forwarder.meter(LEG), path.leg(LEG)
    path.close(leave_running=False)

    assert by_both == by_user
    assert len(by_user) > 40
    assert counted.packets > 0 < beside.tally.packets  # each had its part
    assert counted.packets + beside.tally.packets == alone.tally.packets
    assert counted.bytes + beside.tally.bytes == alone.tally.bytes
    assert sum(counted.drops) == 0
    assert beside.core.asked == alone.core.asked > 0
    assert meter
    assert leg
    assert leg.packets + meter.packets == alone.tally.packets


def _assert_only_marker(tap: Tap, path: FastPath, route: Route) -> None:
    """Nothing was forwarded so far, and the next packet is."""
    assert path.counters().packets == 0
    tap.send(sent(route, _MARKER, Header()))
    assert tap.received(route.target) == [relayed(route, _MARKER)]
