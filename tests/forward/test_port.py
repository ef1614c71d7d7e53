"""Relayed ports: whole datagrams from one socket of the relay to another, on loopback."""

import asyncio
import errno
import socket

import pytest

from relay.address import ClientAddress, FiveTuple, Transport
from relay.effects import (
    NO_CHANNEL,
    ClosePort,
    Deliver,
    DropLeg,
    DropRoute,
    OpenPort,
    Send,
    SetLeg,
    SetRoute,
)
from relay.errors import DropReason
from relay.forward.user.slots import PAYLOAD_MAX, SLOTS
from tests.forward.clients import UdpClient
from tests.forward.loopback import ALICE, AMPLE, BATCHES, BOB, FOREVER_NS, V4, V6, Stage
from tests.kit.loops import on_uvloop

RTP = b"\x80\x60"
STUN = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12)

pytestmark = pytest.mark.parametrize("batch", BATCHES)


def call(stage: Stage, one: str = V4, two: str = V4) -> tuple[UdpClient, UdpClient]:
    """Two parties whose ports have routes to each other; each hears its own port only."""
    alice, bob = stage.client(stage.port(one)), stage.client(stage.port(two))
    stage.join(alice, NO_CHANNEL, bob, NO_CHANNEL)
    return alice, bob


@pytest.mark.parametrize(("one", "two"), [(V4, V4), (V6, V6), (V4, V6), (V6, V4)])
@on_uvloop
async def test_datagrams_pass_whole_both_ways_whatever_they_hold(
    stage: Stage, one: str, two: str
) -> None:
    alice, bob = call(stage, one, two)
    payloads = [RTP + b"media", b"\x81\xc9\x00\x07", b"\x16\xfe\xfd", b"\x04", b"\x40\x01\0\0"]
    payloads += [bytes([255]) * (PAYLOAD_MAX - 1)]
    for payload in payloads:
        alice.say(payload)
        assert await bob.hear() == payload
        bob.say(payload)
        assert await alice.hear() == payload
    total = sum(map(len, payloads))
    assert stage.counts(ALICE, BOB) == [(6, total, 0)] * 2
    assert (stage.tally.packets, stage.tally.bytes) == (12, 2 * total)
    assert (stage.forwarder.routes, stage.core.received, stage.drops) == (2, [], {})


@on_uvloop
async def test_what_begins_as_stun_goes_to_the_core_and_nowhere_else(stage: Stage) -> None:
    alice, bob = call(stage)
    for first in range(4):
        alice.say(bytes([first]) + STUN[1:])
        alice.say(bytes([first]))
    alice.say(b"")
    alice.say(RTP)
    assert await bob.hear() == RTP
    assert [datagram[:1] for datagram, _ in stage.core.received] == [
        b"\0",
        b"\0",
        b"\1",
        b"\1",
        b"\2",
        b"\2",
        b"\3",
        b"\3",
        b"",
    ]
    assert {client for _, client in stage.core.received} == {alice.five_tuple}
    assert stage.tally.packets == 1


@on_uvloop
async def test_another_source_than_the_routes_goes_to_the_core(stage: Stage) -> None:
    alice, bob = call(stage)
    port = stage.forwarder.ports[alice.five_tuple.server]
    mallory = stage.client(port)
    mallory.say(RTP + b"from mallory")
    await stage.settle(mallory)
    assert stage.core.received[0] == (RTP + b"from mallory", mallory.five_tuple)
    alice.say(RTP)
    assert await bob.hear() == RTP
    assert stage.tally.packets == 1


@on_uvloop
async def test_two_sources_of_one_party_and_a_question_between_keep_their_order(
    stage: Stage,
) -> None:
    alice, bob = call(stage)
    other = stage.client(stage.forwarder.ports[alice.five_tuple.server])
    stage.route(other, NO_CHANNEL, bob, NO_CHANNEL)
    stage.core.answer = lambda datagram, client: stage.apply(Send(client, b"answer"))
    count = 3 * SLOTS
    bob.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    for number in range(count):
        (alice if number % 2 else other).say(RTP + b"%d" % number)
        if number % 5 == 0:
            alice.say(STUN)
    heard = [await bob.hear() for _ in range(count)]
    assert heard == [RTP + b"%d" % number for number in range(count)]
    assert await alice.hear() == b"answer"


@on_uvloop
async def test_one_wake_up_may_serve_two_calls_with_the_same_memory(stage: Stage) -> None:
    pairs = [call(stage), call(stage, V6, V6), call(stage)]
    for number in range(50):
        for index, (one, _) in enumerate(pairs):
            one.say(RTP + bytes([index]) * (number + 1))
    for number in range(50):
        for index, (_, two) in enumerate(pairs):
            assert await two.hear() == RTP + bytes([index]) * (number + 1)


@on_uvloop
async def test_a_leg_over_its_caps_loses_packets(stage: Stage) -> None:
    alice, bob = call(stage)
    stage.apply(SetLeg(ALICE, 8 * 2000, AMPLE))  # a burst of 1000 bytes
    for number in range(4):
        alice.say(RTP + bytes([number]) * 400)
    await stage_settles(stage, alice)
    assert [(await bob.hear())[2] for _ in range(2)] == [0, 1]
    assert stage.drops == {DropReason.OVER_BITRATE: 2}
    assert stage.counts(ALICE) == [(2, 804, 2)]


async def stage_settles(stage: Stage, client: UdpClient) -> None:
    """Wait until the port has seen all that this client has sent so far."""
    client.say(STUN)
    await stage.core.until(lambda: STUN in stage.core.datagrams)


@on_uvloop
async def test_an_expired_route_and_a_dropped_one_forward_nothing(stage: Stage) -> None:
    alice, bob = call(stage)
    stage.route(alice, NO_CHANNEL, bob, NO_CHANNEL, expires_ns=1)
    alice.say(RTP)
    for _ in range(2):
        stage.apply(DropRoute(bob.five_tuple, NO_CHANNEL))
    bob.say(RTP)
    await stage.core.until(lambda: len(stage.core.received) == 2)
    assert [client for _, client in stage.core.received] == [alice.five_tuple, bob.five_tuple]
    assert stage.tally.packets == 0


@on_uvloop
async def test_what_does_not_fit_is_dropped_whole(stage: Stage) -> None:
    alice, bob = call(stage)
    for size in (PAYLOAD_MAX, PAYLOAD_MAX + 1, 65_507):
        alice.say(RTP + bytes(size - 2))
    alice.say(RTP)
    assert await bob.hear() == RTP
    assert stage.drops == {DropReason.TOO_BIG: 3}


@on_uvloop
async def test_data_through_the_core_is_delivered_and_charged(stage: Stage) -> None:
    _, bob = call(stage)
    stage.apply(Deliver(ALICE, bob.five_tuple, RTP, len(RTP)))
    assert await bob.hear() == RTP
    assert stage.tally.packets == 1


@on_uvloop
async def test_a_party_that_has_gone_harms_nobody(stage: Stage) -> None:
    """What is sent to a closed port comes back as ICMP: no port stumbles over it, nor tells."""
    alice, bob = call(stage)
    gone, carol = call(stage)
    gone.close()
    for number in range(50):
        carol.say(RTP + b"to nobody")
        alice.say(RTP + b"%d" % number)
        assert await bob.hear() == RTP + b"%d" % number
    assert (stage.drops, stage.core.received) == ({}, [])
    with pytest.raises(BlockingIOError):
        carol.sock.recv(100)


@on_uvloop
async def test_what_the_kernel_refuses_is_counted(stage: Stage) -> None:
    alice, bob = call(stage)
    nowhere = ClientAddress.parse(V4, 0)  # sendto: EINVAL
    target = FiveTuple(Transport.UDP, nowhere, bob.five_tuple.server)
    ends = (alice.five_tuple, NO_CHANNEL, target, NO_CHANNEL)
    stage.apply(SetRoute(*ends, ALICE, FOREVER_NS))
    for _ in range(3):
        alice.say(RTP)
    await stage_settles(stage, alice)
    assert stage.drops == {DropReason.SEND_FAILED: 3}


@on_uvloop
async def test_a_closed_port_is_free_at_once_and_a_taken_one_is_an_error(stage: Stage) -> None:
    alice, bob = call(stage)
    port = alice.five_tuple.server
    stage.apply(OpenPort(port))
    assert stage.failed == [(OpenPort(port), errno.EADDRINUSE)]
    alice.say(RTP)
    assert await bob.hear() == RTP  # whoever had it keeps it
    for each in (alice, bob):
        stage.apply(DropRoute(each.five_tuple, NO_CHANNEL), ClosePort(each.five_tuple.server))
    stage.apply(DropLeg(ALICE), ClosePort(port))
    assert stage.forwarder.ports == {}
    stage.apply(OpenPort(port))
    assert len(stage.failed) == 1


@on_uvloop
async def test_a_port_closed_amid_its_batch_sends_nothing_more(stage: Stage) -> None:
    alice, bob = call(stage)
    ports = [alice.five_tuple.server, bob.five_tuple.server]
    stage.core.answer = lambda datagram, client: stage.apply(*map(ClosePort, ports))
    alice.say(RTP + b"before")
    alice.say(STUN)
    for _ in range(2 * SLOTS):
        alice.say(RTP + b"after")
    assert await bob.hear() == RTP + b"before"
    for _ in range(3):
        await asyncio.sleep(0)
    with pytest.raises(BlockingIOError):
        bob.sock.recv(100)
    assert stage.tally.packets == 1
