"""The UDP listener: what has a route is rewritten and sent, what has none goes to the core."""

import os
import socket
import time

import pytest

from relay.address import ServerAddress
from relay.effects import DropRoute, Send, SetLeg
from relay.errors import DropReason
from relay.forward.user import udp
from relay.forward.user.slots import PAYLOAD_MAX, SLOTS, Batch
from tests.forward.clients import UdpClient, channel_data
from tests.forward.loopback import ALICE, AMPLE, BATCHES, BOB, V4, V6, Stage
from tests.kit.loops import on_uvloop

pytestmark = pytest.mark.parametrize("batch", BATCHES)


@pytest.mark.parametrize("host", [V4, V6])
@on_uvloop
async def test_a_routed_packet_leaves_with_the_targets_channel(stage: Stage, host: str) -> None:
    alice, bob = stage.pair(host)
    stage.join(alice, 0x4001, bob, 0x4ABC)
    alice.say(channel_data(0x4001, b"hello"))
    assert await bob.hear() == channel_data(0x4ABC, b"hello")
    bob.say(channel_data(0x4ABC, b"hello yourself"))
    assert await alice.hear() == channel_data(0x4001, b"hello yourself")
    assert (stage.tally.packets, stage.tally.bytes) == (2, 19)
    assert stage.counts(ALICE, BOB) == [(1, 5, 0), (1, 14, 0)]
    assert (stage.core.received, stage.drops) == ([], {})
    assert stage.forwarder.routes == 2


@pytest.mark.parametrize("size", [0, 1, 4, 160, 1200, PAYLOAD_MAX - 5])
@on_uvloop
async def test_what_follows_the_payload_stays_behind(stage: Stage, size: int) -> None:
    alice, bob = stage.routed_pair()
    payload = os.urandom(size)
    whole = channel_data(0x4001, payload)
    for trailer in (b"", b"\0\0\0", b"\xa5" * 100):
        alice.say((whole + trailer)[: PAYLOAD_MAX - 1])
        assert await bob.hear() == channel_data(0x4002, payload)
    assert stage.tally.bytes == 3 * size


@on_uvloop
async def test_a_route_forwards_nothing_from_its_expiry_on(stage: Stage) -> None:
    alice, bob = stage.pair()
    packet = channel_data(0x4001, b"late")
    for expires_ns in (0, time.monotonic_ns()):
        stage.route(alice, 0x4001, bob, 0x4002, expires_ns=expires_ns)
        alice.say(packet)
    await stage.settle(alice)
    assert stage.core.datagrams == [packet, packet]
    assert stage.core.received[0][1] == alice.five_tuple
    assert stage.tally.packets == 0
    stage.route(alice, 0x4001, bob, 0x4002)
    alice.say(packet)
    assert await bob.hear() == channel_data(0x4002, b"late")


def test_a_route_ends_at_the_very_nanosecond(batch: type[Batch]) -> None:
    """Without a loop: the hot loop is told the time."""
    stage = Stage(batch)
    listener = udp.UdpListener(ServerAddress.parse(V4, 0), stage.core, stage.tally, batch)
    stage.forwarder.add(listener)
    stage.apply(SetLeg(ALICE, AMPLE, AMPLE))
    alice, bob = UdpClient(listener), UdpClient(listener)
    stage.route(alice, 0x4001, bob, 0x4002, expires_ns=10**12)
    for now_ns in (10**12 - 1, 10**12):
        alice.say(channel_data(0x4001, b""))
        assert listener._batch.receive() == 1
        listener._forward(1, now_ns)
    assert (stage.tally.packets, len(stage.core.received)) == (1, 1)
    alice.close()
    bob.close()
    listener._batch.close()
    listener.socket.close()


@on_uvloop
async def test_what_does_not_look_exactly_like_channel_data_goes_to_the_core(stage: Stage) -> None:
    alice, bob = stage.routed_pair()
    whole = channel_data(0x4001, b"12345678")
    odd = [whole[:size] for size in range(len(whole))]  # too short, whatever was there before
    odd += [channel_data(0x4001, b"1234", length) for length in (5, 65535)]
    odd += [channel_data(0x4003, b"1234"), channel_data(0x0001, b""), b"\0\1\0\0" + bytes(16)]
    for datagram in odd:
        alice.say(whole)
        alice.say(datagram)
    await stage.settle(alice)
    assert stage.core.datagrams == odd
    assert {client for _, client in stage.core.received} == {alice.five_tuple}
    assert stage.tally.packets == len(odd)
    for _ in odd:
        assert await bob.hear() == channel_data(0x4002, b"12345678")


@on_uvloop
async def test_a_short_datagram_in_a_used_slot_borrows_nothing_from_it(stage: Stage) -> None:
    alice, bob = stage.routed_pair()
    for size in range(4):
        alice.say(channel_data(0x4001, b"before"))  # its bytes stay in the slot
        await bob.hear()
        alice.say(channel_data(0x4001, b"")[:size])
        await stage.settle(alice)
    assert stage.core.datagrams == [b"", b"\x40", b"\x40\x01", b"\x40\x01\x00"]
    assert stage.tally.packets == 4


@on_uvloop
async def test_a_route_is_for_one_source_only(stage: Stage) -> None:
    listener = stage.udp()
    alice, bob, mallory = (stage.client(listener) for _ in range(3))
    stage.route(alice, 0x4001, bob, 0x4002)
    packet = channel_data(0x4001, b"me too")
    mallory.say(packet)
    bob.say(packet)
    await stage.settle(bob)
    assert stage.core.received[:2] == [(packet, mallory.five_tuple), (packet, bob.five_tuple)]
    assert stage.tally.packets == 0


@on_uvloop
async def test_a_dropped_route_forwards_nothing_and_may_be_dropped_again(stage: Stage) -> None:
    alice, _ = stage.routed_pair()
    for _ in range(2):
        stage.apply(DropRoute(alice.five_tuple, 0x4001))
    alice.say(channel_data(0x4001, b"gone"))
    await stage.settle(alice)
    assert stage.core.datagrams == [channel_data(0x4001, b"gone")]
    assert (stage.tally.packets, stage.forwarder.routes) == (0, 0)


@on_uvloop
async def test_order_is_kept_whatever_stands_between(stage: Stage) -> None:
    """Runs of a batch are broken by a question, a cap, another socket, and what is too big."""
    listener, other = stage.udp(), stage.udp()
    alice, carol, bob = (stage.client(listener) for _ in range(3))
    dave = stage.client(other)
    stage.core.answer = lambda datagram, client: stage.apply(Send(bob.five_tuple, datagram))
    stage.apply(SetLeg(BOB, 1, AMPLE))  # carol's leg: not a byte fits
    stage.route(alice, 0x4001, bob, 0x4002)
    stage.route(alice, 0x4003, dave, 0x4004)
    stage.route(carol, 0x4005, bob, 0x4006, BOB)
    for number in range(40):
        word = b"%d" % number
        alice.say(channel_data(0x4001, word))
        alice.say(b"question " + word)
        carol.say(channel_data(0x4005, word))
        alice.say(channel_data(0x4001, word + b" again"))
        alice.say(channel_data(0x4003, word))
        alice.say(bytes(PAYLOAD_MAX))
    for number in range(40):
        word = b"%d" % number
        assert await bob.hear() == channel_data(0x4002, word)
        assert await bob.hear() == b"question " + word
        assert await bob.hear() == channel_data(0x4002, word + b" again")
        assert await dave.hear() == channel_data(0x4004, word)
    assert stage.drops == {DropReason.OVER_BITRATE: 40, DropReason.TOO_BIG: 40}
    assert stage.tally.packets == 120


@on_uvloop
async def test_a_long_queue_is_forwarded_whole_and_in_order(stage: Stage) -> None:
    alice, bob = stage.pair()
    bob.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    stage.route(alice, 0x4001, bob, 0x4002)
    count = 2 * udp._BATCHES_PER_WAKE_UP * SLOTS + 7
    payloads = [b"%d" % number * (number % 9) for number in range(count)]
    for payload in payloads:
        alice.say(channel_data(0x4001, payload))
    await stage.settle(alice)
    assert [await bob.hear() for _ in payloads] == [
        channel_data(0x4002, payload) for payload in payloads
    ]


@on_uvloop
async def test_a_leg_over_its_caps_loses_packets_and_goes_on_later(stage: Stage) -> None:
    alice, bob = stage.pair()
    stage.apply(SetLeg(ALICE, 8 * 2000, AMPLE))  # a burst of 1000 bytes
    stage.route(alice, 0x4001, bob, 0x4002)
    for number in range(4):
        alice.say(channel_data(0x4001, bytes([number]) * 400))
    await stage.settle(alice)
    stage.apply(SetLeg(ALICE, AMPLE, 4))
    alice.say(channel_data(0x4001, b"again"))
    heard = [await bob.hear() for _ in range(3)]
    assert [each[4] for each in heard] == [0, 1, ord("a")]
    assert stage.drops == {DropReason.OVER_BITRATE: 2}
    assert stage.counts(ALICE) == [(3, 805, 2)]


@pytest.mark.parametrize(("one", "two"), [(V4, V6), (V6, V4), (V4, V4), (V6, V6)])
@on_uvloop
async def test_a_route_leads_to_another_listener_and_family(
    stage: Stage, one: str, two: str
) -> None:
    first, second = stage.udp(one), stage.udp(two)
    alice, bob = stage.client(first), stage.client(second)
    stage.route(alice, 0x4001, bob, 0x4002)
    stage.route(bob, 0x4003, alice, 0x4004, BOB)
    alice.say(channel_data(0x4001, b"there") + b"padding")
    assert await bob.hear() == channel_data(0x4002, b"there")
    bob.say(channel_data(0x4003, b""))
    assert await alice.hear() == channel_data(0x4004, b"")
    assert (stage.tally.packets, stage.tally.bytes, stage.drops) == (2, 5, {})
