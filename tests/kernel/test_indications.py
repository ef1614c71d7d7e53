"""Send and Data indications through the kernel program: packet by packet, and over an interface."""

import struct
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.address import PeerAddress
from relay.effects import Effect
from relay.forward.kernel import FastPath
from relay.forward.kernel.peers import RelayedIps
from tests.kernel import paths
from tests.kernel.bench_rig import CARDS, LEG, OUT, UP, Bench, Route
from tests.kernel.cases import (
    A4,
    CHANNEL,
    INDICATION_ROUTES,
    PAYLOAD,
    PEER_A4,
    PEER_A6,
    PEER_B4,
    PEER_B6,
    ROUTE4,
    ROUTE6,
    SERVER4,
    data_of,
    relayed,
    sent,
)
from tests.kernel.paths import SET_LEG, open_kernel_path, set_route
from tests.kernel.tap import Tap, offload, to_be_completed
from tests.kernel.user_path import UserPath
from tests.kit.frames import (
    ETHERNET_SIZE,
    SENDERS_OWN,
    TRANSACTION_ID,
    End,
    frame,
    packet,
    send_indication,
)

_SEND_TO_DATA = replace(ROUTE4, channel=PEER_B4, target_channel=PEER_A4)
_SEND_TO_CHANNEL = replace(ROUTE4, channel=PEER_B4)
_IPV6_PEERS = replace(ROUTE6, channel=PEER_B6, target_channel=PEER_A6)
_FINGERPRINT = bytes.fromhex("80280004") + b"\x12\x34\x56\x78"
_MARKER = b"the last packet of the trace"
_SIZES = (12, 13, 14, 15, 160, 161, 255, 256, 1180)

_each_route = pytest.mark.parametrize("route", INDICATION_ROUTES.values(), ids=INDICATION_ROUTES)


@pytest.fixture(scope="module")
def bench(bench: Bench) -> Bench:
    """The program, which knows the relayed addresses."""
    known = RelayedIps(bench.config, keep=False)
    assert all(map(known.has, (PEER_A4, PEER_A6)))
    return bench


def _payload(size: int) -> bytes:
    return (bytes(range(256)) * 6)[:size]


def _assert_leaves(bench: Bench, route: Route, came: bytes, payload: bytes, card: int = 0) -> None:
    before = bench.forwarded()
    with bench.routes(route):
        outcome = bench.run(frame(came), flags=card)
    assert outcome.verdict == OUT
    left = outcome.frame[ETHERNET_SIZE:]
    assert left == relayed(route, payload, left)
    assert bench.forwarded() == (before[0] + 1, before[1] + len(payload))


@_each_route
@pytest.mark.parametrize("size", _SIZES)
def test_indication_leaves_as_the_relays_own(bench: Bench, route: Route, size: int) -> None:
    _assert_leaves(bench, route, sent(route, _payload(size)), _payload(size))


@_each_route
@pytest.mark.parametrize("size", [12, 160, 1180])
def test_card_that_has_summed_up_is_told_the_new_sum(bench: Bench, route: Route, size: int) -> None:
    """Where nothing is cut off at the end: the kernel forgets the sum then."""
    _assert_leaves(bench, route, sent(route, _payload(size)), _payload(size), CARDS["summed up"])


@pytest.mark.parametrize("route", [_SEND_TO_DATA, _SEND_TO_CHANNEL, _IPV6_PEERS], ids=str)
@pytest.mark.parametrize("size", _SIZES)
def test_fingerprint_stays_behind(bench: Bench, route: Route, size: int) -> None:
    """Firefox has one in every indication."""
    came = _from_a(route, send_indication(_peer(route), _payload(size), _FINGERPRINT))
    _assert_leaves(bench, route, came, _payload(size))


@pytest.mark.parametrize("route", [_SEND_TO_DATA, _SEND_TO_CHANNEL], ids=["Data", "channel"])
@pytest.mark.parametrize("size", [161, 162, 163])
def test_senders_padding_stays_behind(bench: Bench, route: Route, size: int) -> None:
    padded = bytearray(send_indication(_peer(route), _payload(size)))
    padded[-(-size % 4) :] = b"\xaa" * (-size % 4)
    _assert_leaves(bench, route, _from_a(route, bytes(padded)), _payload(size))


def test_every_indication_has_a_transaction_id_of_its_own(bench: Bench) -> None:
    ids = set()
    with bench.routes(_SEND_TO_DATA):
        for _ in range(50):
            outcome = bench.run(frame(sent(_SEND_TO_DATA, PAYLOAD)))
            ids.add(outcome.frame[ETHERNET_SIZE + 36 : ETHERNET_SIZE + 48])
    assert len(ids) == 50
    assert TRANSACTION_ID not in ids


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    route=st.sampled_from([*INDICATION_ROUTES.values()]),
    payload=st.binary(min_size=12, max_size=1300),
    ports=st.tuples(st.integers(1, 65535), st.integers(1, 65535)),
)
def test_any_indication_comes_out_right(
    bench: Bench, route: Route, payload: bytes, ports: tuple[int, int]
) -> None:
    channel, target_channel = (
        PeerAddress(via.packed, port) if isinstance(via, PeerAddress) else via
        for via, port in zip((route.channel, route.target_channel), ports, strict=True)
    )
    route = replace(route, channel=channel, target_channel=target_channel)
    _assert_leaves(bench, route, sent(route, payload, SENDERS_OWN), payload)


def _peer(route: Route) -> End:
    assert isinstance(route.channel, PeerAddress)
    return End(*route.channel.reveal())


def _from_a(route: Route, data: bytes) -> bytes:
    return packet(route.source, route.server, data)


def _with_length(message: bytes) -> bytes:
    """The header's length made right."""
    return message[:2] + struct.pack("!H", len(message) - 20) + message[4:]


_USUAL = send_indication(End(*PEER_B4.reveal()), PAYLOAD)
_XOR_PEER, _DATA = _USUAL[20:32], _USUAL[32:]
_SOFTWARE = struct.pack("!HH", 0x8022, 4) + b"nICE"
_UNUSUAL = {
    "DATA first": _USUAL[:20] + _DATA + _XOR_PEER,
    "two peers": _with_length(_USUAL[:20] + _XOR_PEER + _USUAL[20:]),
    "SOFTWARE first": _with_length(_USUAL[:20] + _SOFTWARE + _USUAL[20:]),
    "SOFTWARE last": _with_length(_USUAL + _SOFTWARE),
    "DONT-FRAGMENT": _with_length(_USUAL[:32] + struct.pack("!HH", 0x1A, 0) + _DATA),
    "two fingerprints": _with_length(_USUAL + _FINGERPRINT * 2),
    "a fingerprint of no length": _with_length(_USUAL + bytes.fromhex("8028000000000000")),
    "a trailer": _USUAL + bytes(4),
    "a length beyond the datagram": _USUAL[:2] + b"\x01\x00" + _USUAL[4:],
    "data beyond the datagram": _USUAL[:34] + b"\xff\xff" + _USUAL[36:],
    "data one shorter": _USUAL[:34] + struct.pack("!H", len(PAYLOAD) - 4) + _USUAL[36:],
    "another cookie": _USUAL[:4] + b"\x21\x12\xa4\x43" + _USUAL[8:],
    "a Send request": b"\x00\x06" + _USUAL[2:],
    "a Data indication": b"\x00\x17" + _USUAL[2:],
    "a reserved byte": _USUAL[:24] + b"\x01" + _USUAL[25:],
    "another family": _USUAL[:25] + b"\x02" + _USUAL[26:],
    "an IPv6 family": send_indication(End(*PEER_B6.reveal()), PAYLOAD),
    "another port": send_indication(End("192.0.2.9", 60003), PAYLOAD),
    "another address": send_indication(End("192.0.2.8", 60002), PAYLOAD),
    "no payload": send_indication(End(*PEER_B4.reveal()), b""),
}


@pytest.mark.parametrize("message", _UNUSUAL.values(), ids=_UNUSUAL)
def test_indication_of_another_shape_goes_up_as_it_is(bench: Bench, message: bytes) -> None:
    came = frame(_from_a(_SEND_TO_DATA, message))
    with bench.routes(_SEND_TO_DATA):
        outcome = bench.run(came)
    assert (outcome.verdict, outcome.frame) == (UP, came)


@pytest.mark.parametrize("route", [_SEND_TO_DATA, _SEND_TO_CHANNEL], ids=["Data", "channel"])
def test_every_truncation_of_an_indication_goes_up(bench: Bench, route: Route) -> None:
    message = send_indication(_peer(route), PAYLOAD, _FINGERPRINT)
    with bench.routes(route):
        for size in range(len(message)):
            assert bench.run(frame(_from_a(route, message[:size]))).verdict == UP, size
        assert bench.run(frame(_from_a(route, message))).verdict == OUT


@_each_route
def test_indication_with_a_wrong_checksum_goes_up(bench: Bench, route: Route) -> None:
    damaged = bytearray(sent(route, PAYLOAD))
    damaged[-3] ^= 1
    with bench.routes(route):
        outcome = bench.run(frame(bytes(damaged)))
    assert (outcome.verdict, outcome.frame) == (UP, frame(bytes(damaged)))


@_each_route
def test_what_is_larger_in_its_new_frame_than_the_path_takes_goes_up(
    bench: Bench, route: Route
) -> None:
    size = len(relayed(route, PAYLOAD))
    whole = frame(sent(route, PAYLOAD))
    with bench.routes(replace(route, mtu=size - 1)):
        assert bench.run(whole).verdict == UP
    with bench.routes(replace(route, mtu=size)):
        assert bench.run(whole).verdict == OUT


def test_indication_is_charged_as_its_data_is_on_a_channel(bench: Bench) -> None:
    counts = []
    for route in (ROUTE4, _SEND_TO_DATA, _SEND_TO_CHANNEL):
        before = bench.known.counts(LEG)
        with bench.routes(route):
            bench.run(frame(sent(route, PAYLOAD)))
        after = bench.known.counts(LEG)
        assert before
        assert after
        counts.append((after.packets - before.packets, after.bytes - before.bytes))
    assert counts == [(1, len(PAYLOAD))] * 3


def test_peer_that_is_no_relayed_address_stays_on_the_user_path(path: FastPath) -> None:
    assert path.set_route(set_route(_SEND_TO_DATA))
    elsewhere = PeerAddress(A4.packed, 60002)
    assert not path.set_route(set_route(replace(_SEND_TO_DATA, channel=elsewhere)))
    assert not path.set_route(set_route(replace(_SEND_TO_DATA, target_channel=elsewhere)))


@pytest.mark.parametrize("route", [_SEND_TO_DATA, _IPV6_PEERS], ids=["v4", "v6"])
def test_indication_whose_checksum_a_card_has_yet_to_complete(
    tap: Tap, path: FastPath, route: Route
) -> None:
    assert path.set_route(set_route(route))
    for end in (b"", _FINGERPRINT):
        tap.send(*to_be_completed(route, send_indication(_peer(route), PAYLOAD, end)))
        (left,) = tap.received(route.target)
        assert left == relayed(route, PAYLOAD, left)


@pytest.mark.parametrize(
    "route",
    [_SEND_TO_CHANNEL, replace(ROUTE4, target_channel=PEER_A4)],
    ids=["Send to channel", "channel to Data"],
)
@pytest.mark.parametrize("length", [12, 31, 32, 33, 160, 1181])
def test_payload_moves_while_a_card_has_to_complete_its_checksum(
    tap: Tap, path: FastPath, route: Route, length: int
) -> None:
    payload = _payload(length)
    assert path.set_route(set_route(route))
    tap.send(*to_be_completed(route, data_of(route.channel, payload)))
    (left,) = tap.received(route.target)
    assert left == relayed(route, payload, left)


@_each_route
@pytest.mark.parametrize("linear", [14, 34, 60, 100])
def test_indication_that_is_scattered_in_memory(
    tap: Tap, path: FastPath, route: Route, linear: int
) -> None:
    assert path.set_route(set_route(route))
    payload = _payload(1181)
    tap.send(sent(route, payload), offload(header_size=linear))
    (left,) = tap.received(route.target)
    assert left == relayed(route, payload, left)


_TRACED = [
    _SEND_TO_DATA,
    _IPV6_PEERS,
    replace(ROUTE4, source=End(A4.host, 1), channel=PEER_B4),
    replace(ROUTE4, source=End(A4.host, 2), target_channel=PEER_A4),
    replace(ROUTE6, channel=CHANNEL, target_channel=PEER_A6),
]


def _trace() -> list[bytes]:
    packets = [sent(route, _payload(size)) for route in _TRACED for size in _SIZES]
    for route in _TRACED[:3]:
        whole = send_indication(_peer(route), PAYLOAD, _FINGERPRINT)
        packets.append(_from_a(route, whole))
    packets += [_from_a(_SEND_TO_DATA, message) for message in _UNUSUAL.values()]
    return packets + [sent(route, _MARKER) for route in _TRACED]


def _without_transaction(packet_: bytes) -> bytes:
    """With the transaction id, which is drawn anew, and the checksum over it blanked."""
    at = 28 if packet_[0] >> 4 == 4 else 48
    if packet_[at : at + 2] != b"\x00\x17":
        return packet_
    blank = packet_[: at - 2] + bytes(2) + packet_[at : at + 8] + bytes(12) + packet_[at + 20 :]
    if packet_[at + 25] == 2:  # an IPv6 peer is XORed with it
        blank = blank[: at + 32] + bytes(12) + blank[at + 44 :]
    return blank


async def test_both_paths_send_the_same_indications_and_count_the_same(tap: Tap) -> None:
    servers, targets = [SERVER4, ROUTE6.server], (ROUTE4.target, ROUTE6.target)
    last = (_MARKER, len(_TRACED))
    effects: list[Effect] = [SET_LEG, *map(set_route, _TRACED)]
    async with UserPath(servers) as alone:
        for effect in effects:
            alone.apply(effect)
        by_user = await alone.run(tap, _trace(), targets, last)
    path = open_kernel_path(servers)
    async with UserPath(servers, [], path) as beside:
        for effect in effects:
            beside.apply(effect)
        assert path.routes == len(_TRACED)
        by_both = await beside.run(tap, _trace(), targets, last)
        counted, meter, leg = (
            path.counters(),
            beside.forwarder.meter(paths.LEG),
            path.leg(paths.LEG),
        )
    path.close(leave_running=False)
    assert sorted(map(_without_transaction, by_both)) == sorted(map(_without_transaction, by_user))
    assert counted.packets >= len(_TRACED) * (len(_SIZES) + 1)
    assert counted.packets + beside.tally.packets == alone.tally.packets
    assert counted.bytes + beside.tally.bytes == alone.tally.bytes
    assert beside.core.asked == alone.core.asked > 0
    assert meter
    assert leg
    assert leg.packets + meter.packets == alone.tally.packets
