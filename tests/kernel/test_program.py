"""The kernel program, packet by packet: BPF_PROG_TEST_RUN over the cases of cases.py."""

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.effects import NO_CHANNEL
from relay.errors import DropReason
from relay.forward.kernel import layout
from tests.kernel.bench_rig import CARDS, DROP, LEG, NOW_NS, OUT, UP, Bench, Context, Route
from tests.kernel.cases import (
    BAD_ROUTES,
    CHANNEL,
    EVERY_ROUTE,
    PAYLOAD,
    PORT_ROUTE4,
    PORT_ROUTE6,
    ROUTE4,
    ROUTE6,
    Case,
    data_of,
    misfits,
    not_understood,
    relayed,
    rewritten,
    sent,
)
from tests.kernel.paths import server_address
from tests.kit.frames import (
    ETHERNET_SIZE,
    End,
    Header,
    channel_data,
    frame,
    internet_checksum,
    udp,
)
from tests.kit.namespaces import Namespace

_BOTH = {"v4": ROUTE4, "v6": ROUTE6, "ports v4": PORT_ROUTE4, "ports v6": PORT_ROUTE6}
_OWN = bytes.fromhex("02cf00000001")


def _cases(by_family: Mapping[str, Iterable[Case]]) -> list[object]:
    return [
        pytest.param(family, case, id=f"{family}: {case.description}")
        for family, cases in by_family.items()
        for case in cases
    ]


_each_card = pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)


@_each_card
@pytest.mark.parametrize(
    ("family", "case"), _cases({name: rewritten(route) for name, route in EVERY_ROUTE.items()})
)
def test_packet_of_a_route_leaves_as_the_relays_own(
    bench: Bench, family: str, case: Case, card: int
) -> None:
    route, before = EVERY_ROUTE[family], bench.forwarded()
    with bench.routes(route):
        outcome = bench.run(frame(case.packet), flags=card)
    assert outcome.verdict == OUT
    assert outcome.frame[ETHERNET_SIZE:] == case.leaves
    size = len(case.leaves or b"") - len(relayed(route, b""))
    assert bench.forwarded() == (before[0] + 1, before[1] + size)


@_each_card
@pytest.mark.parametrize(
    ("family", "case"),
    _cases({name: [*not_understood(route), *misfits(route)] for name, route in _BOTH.items()}),
)
def test_packet_that_is_not_understood_goes_up_as_it_is(
    bench: Bench, family: str, case: Case, card: int
) -> None:
    before = bench.forwarded(), bench.drops()
    with bench.routes(_BOTH[family]):
        outcome = bench.run(frame(case.packet), flags=card)
    assert (outcome.verdict, outcome.frame) == (UP, frame(case.packet))
    assert (bench.forwarded(), bench.drops()) == before


@pytest.mark.parametrize("family", _BOTH)
def test_every_truncation_goes_up(bench: Bench, family: str) -> None:
    route = _BOTH[family]
    whole = frame(sent(route, PAYLOAD))
    with bench.routes(route):
        # BPF_PROG_TEST_RUN takes nothing shorter; test_wire.py sends what is.
        for size in range(ETHERNET_SIZE + (20 if family.endswith("v4") else 40), len(whole)):
            assert bench.run(whole[:size]).verdict == UP, size
        assert bench.run(whole).verdict == OUT


@pytest.mark.parametrize(("segments", "size"), [(2, 0), (0, 1200), (2, 1200), (64, 100)], ids=str)
def test_gso_super_packet_goes_up(bench: Bench, segments: int, size: int) -> None:
    with bench.routes(ROUTE4):
        context = Context(gso_segs=segments, gso_size=size)
        assert bench.run(frame(sent(ROUTE4, PAYLOAD)), context).verdict == UP


@pytest.mark.parametrize("kind", [0x0806, 0x8100, 0x88A8, 0x8847, 0x86DD])
def test_other_ethertype_goes_up(bench: Bench, kind: int) -> None:
    good = frame(sent(ROUTE4, PAYLOAD))
    with bench.routes(ROUTE4):
        assert bench.run(good[:12] + kind.to_bytes(2) + good[ETHERNET_SIZE:]).verdict == UP


def test_frame_with_a_vlan_tag_goes_up(bench: Bench) -> None:
    good = frame(sent(ROUTE4, PAYLOAD))
    with bench.routes(ROUTE4):
        assert bench.run(good[:12] + b"\x81\x00\x00\x05" + good[12:]).verdict == UP


@pytest.mark.parametrize("destination", ["02cf00000001", "ffffffffffff", "01005e000001"])
def test_frame_to_another_host_goes_up(bench: Bench, destination: str) -> None:
    with bench.routes(ROUTE4):
        seen = bench.run(frame(sent(ROUTE4, PAYLOAD), bytes.fromhex(destination)))
    assert seen.verdict == UP


@pytest.mark.parametrize("change", BAD_ROUTES.values(), ids=BAD_ROUTES)
def test_route_that_is_over_forwards_nothing(bench: Bench, change: dict[str, Any]) -> None:
    whole = frame(sent(ROUTE4, PAYLOAD))
    with bench.routes(replace(ROUTE4, **change)):
        assert bench.run(whole).verdict == UP


def test_route_lives_until_its_last_nanosecond(bench: Bench) -> None:
    whole = frame(sent(ROUTE4, PAYLOAD))
    with bench.routes(replace(ROUTE4, expires_ns=NOW_NS + 1)):
        assert bench.run(whole).verdict == OUT


def test_all_goes_up_when_the_lease_is_over(bench: Bench) -> None:
    whole = frame(sent(ROUTE4, PAYLOAD))
    with bench.routes(ROUTE4):
        try:
            bench.set_lease(NOW_NS)
            assert bench.run(whole).verdict == UP
        finally:
            bench.set_lease(NOW_NS + 1)
        assert bench.run(whole).verdict == OUT


@pytest.mark.parametrize("family", EVERY_ROUTE)
def test_packet_larger_than_the_interface_takes_goes_up(bench: Bench, family: str) -> None:
    route = EVERY_ROUTE[family]
    size = len(relayed(route, PAYLOAD))
    whole = frame(sent(route, PAYLOAD))
    with bench.routes(replace(route, mtu=size - 1)):
        assert bench.run(whole).verdict == UP
    with bench.routes(replace(route, mtu=size)):
        assert bench.run(whole).verdict == OUT


@pytest.mark.parametrize("payload", [PAYLOAD, b"\x16DTLS"])
def test_data_without_a_channel_at_a_listener_goes_up(bench: Bench, payload: bytes) -> None:
    """A listener's port has routes with channels only."""
    with bench.routes(ROUTE4, PORT_ROUTE4):
        whole = frame(sent(replace(ROUTE4, channel=NO_CHANNEL), payload))
        assert bench.run(whole).verdict == UP


def test_data_like_channel_data_takes_the_route_of_its_port(bench: Bench) -> None:
    like = channel_data(CHANNEL, PAYLOAD)
    with bench.routes(ROUTE4, PORT_ROUTE4):
        for route, payload in ((ROUTE4, PAYLOAD), (PORT_ROUTE4, like)):
            outcome = bench.run(frame(sent(route, payload)))
            assert outcome.frame[ETHERNET_SIZE:] == relayed(route, payload)


def test_slot_that_belongs_to_another_route_forwards_nothing(bench: Bench) -> None:
    """What a packet meets whose route was dropped, and its memory given to another, on its way."""
    other = replace(ROUTE4, source=End("198.51.100.99", 1))
    key = ROUTE4.body()[: layout.ROUTE_KEY.size]
    with bench.routes(other):
        slots = dict(bench.hashed.items())
        assert bench.hashed.set(key, slots[other.body()[: layout.ROUTE_KEY.size]])
        try:
            assert bench.run(frame(sent(ROUTE4, PAYLOAD))).verdict == UP
        finally:
            bench.hashed.drop(key)


@pytest.mark.parametrize("family", _BOTH)
def test_source_that_is_the_relays_own_is_dropped(
    bench: Bench, namespace: Namespace, family: str
) -> None:
    route = _BOTH[family]
    namespace.set_up([f"link add cvf-own address {_OWN.hex(':')} type veth"])
    outside = Context(ifindex=socket.if_nametoindex("cvf-own"))
    own = layout.listener_key(server_address(route.server))
    spoofed = replace(route, source=route.server)
    whole = frame(sent(spoofed, PAYLOAD), _OWN)
    bench.listeners.set(own, 0)
    before = bench.drops().get(DropReason.OWN_SOURCE, 0)
    try:
        assert bench.run(whole, outside).verdict == DROP
        assert bench.drops()[DropReason.OWN_SOURCE] == before + 1
        assert bench.run(frame(sent(spoofed, PAYLOAD))).verdict == UP  # over loopback
        other_port = replace(spoofed, source=End(route.server.host, route.server.port + 1))
        up = frame(sent(other_port, PAYLOAD), _OWN)
        assert bench.run(up, outside).verdict == UP
    finally:
        bench.listeners.drop(own)
        namespace.set_up(["link del cvf-own"])


def test_mark_of_a_packet_does_not_choose_its_way(bench: Bench) -> None:
    with bench.routes(ROUTE4):
        assert bench.run(frame(sent(ROUTE4, PAYLOAD)), Context(mark=7)).mark == 0


_ends = {
    4: st.builds(
        lambda packed, port: End(str(ipaddress.IPv4Address(packed)), port),
        st.integers(0, (1 << 32) - 1),
        st.integers(1, 65535),
    ),
    6: st.builds(
        lambda packed, port: End(str(ipaddress.IPv6Address(packed)), port),
        st.integers(1 << 64, (1 << 128) - 1),  # not what IPv4 addresses are mapped to
        st.integers(1, 65535),
    ),
}
_families = st.sampled_from([4, 6])
_channels = st.integers(0x4000, 0x7FFF)


@st.composite
def _packets(draw: st.DrawFn) -> tuple[Route, bytes]:
    """Any route, and a payload that it carries."""
    family, target_family = draw(_families), draw(_families)
    between_ports, payload = draw(st.booleans()), draw(st.binary(min_size=3, max_size=1400))
    if between_ports:
        payload = bytes([draw(st.integers(4, 255))]) + payload
    route = Route(
        draw(_ends[family]),
        draw(_ends[family]),
        NO_CHANNEL if between_ports else draw(_channels),
        draw(_ends[target_family]),
        draw(_ends[target_family]),
        NO_CHANNEL if between_ports else draw(_channels),
    )
    return route, payload[3:] if not between_ports else payload


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    packet=_packets(),
    card=st.sampled_from([*CARDS.values()]),
    header=st.builds(
        Header,
        hop_limit=st.integers(0, 255),
        traffic_class=st.integers(0, 255),
        ident=st.integers(0, 65535),
        dont_fragment=st.booleans(),
        flow_label=st.integers(0, 0xFFFFF),
    ),
)
def test_any_packet_of_any_route_comes_out_right(
    bench: Bench, packet: tuple[Route, bytes], card: int, header: Header
) -> None:
    route, payload = packet
    with bench.routes(route):
        outcome = bench.run(frame(sent(route, payload, header)), flags=card)
    assert outcome.verdict == OUT
    assert outcome.frame[ETHERNET_SIZE:] == relayed(route, payload)


@pytest.mark.parametrize("family", EVERY_ROUTE)
def test_checksum_that_passes_through_zero_is_right(bench: Bench, family: str) -> None:
    """Zero says that there is none, so 0xFFFF is sent instead; on the way as well as at the end."""
    route = EVERY_ROUTE[family]
    payload = PAYLOAD + b"\0\0"
    before = udp(route.source, route.server, data_of(route.channel, payload), 0)
    after = udp(route.target_server, route.target, data_of(route.target_channel, payload), 0)
    size = len(after).to_bytes(4) + bytes(3) + b"\x11"
    pseudo = route.target_server.packed + route.target.packed + size
    for halfway in (before, after):
        filler = internet_checksum(pseudo + halfway).to_bytes(2)
        with bench.routes(route):
            outcome = bench.run(frame(sent(route, PAYLOAD + filler)))
        assert outcome.frame[ETHERNET_SIZE:] == relayed(route, PAYLOAD + filler)


def test_sums_that_carry_twice_are_right(bench: Bench) -> None:
    nothing, little, more = End("::", 1), End("100::", 1), End("300::", 1)
    route = Route(nothing, nothing, 0x4000, little, more, 0x4000)
    with bench.routes(route):
        outcome = bench.run(frame(sent(route, PAYLOAD)))
    assert outcome.frame[ETHERNET_SIZE:] == relayed(route, PAYLOAD)


@pytest.mark.parametrize("family", _BOTH)
def test_other_ip_version_goes_up(bench: Bench, family: str) -> None:
    good = frame(sent(_BOTH[family], PAYLOAD))
    first = good[ETHERNET_SIZE]
    with bench.routes(_BOTH[family]):
        for version in set(range(16)) - {first >> 4}:
            bad = version << 4 | first & 0x0F
            frame_of_it = good[:ETHERNET_SIZE] + bytes([bad]) + good[ETHERNET_SIZE + 1 :]
            assert bench.run(frame_of_it).verdict == UP


def test_leg_counts_what_it_forwarded(bench: Bench) -> None:
    before = bench.known.counts(LEG)
    with bench.routes(ROUTE4):
        bench.run(frame(sent(ROUTE4, PAYLOAD)))
    after = bench.known.counts(LEG)
    assert before
    assert after
    assert after == (before.packets + 1, before.bytes + len(PAYLOAD), before.dropped)
