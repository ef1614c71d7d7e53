"""TCP and TLS listeners: frames, routes, and what a connection lives and dies by."""

import asyncio
import gc
import os
import socket
import struct

import pytest

from relay.address import Transport
from relay.effects import Deliver, DropRoute, Send, SetLeg
from relay.errors import DropReason
from relay.forward.user.connection import Connection
from tests.forward.clients import STUN, channel_data, padded
from tests.forward.loopback import ALICE, AMPLE, V4, V6, Stage
from tests.kit.loops import on_uvloop

pytestmark = pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])


@on_uvloop
async def test_frames_come_whole_however_the_stream_is_cut(
    stage: Stage, transport: Transport
) -> None:
    client = await stage.connect(stage.stream(transport))
    frames = [STUN, channel_data(0x4001, b"12345"), channel_data(0x4FFF, b""), STUN]
    stream = STUN + padded(0x4001, b"12345", b"\xa5\xa5\xa5") + padded(0x4FFF, b"") + STUN
    client.say(stream)  # coalesced
    await stage.core.until(lambda: len(stage.core.received) == 4)
    for byte in stream:  # and byte by byte, each in a segment of its own if the kernel likes
        client.say(bytes([byte]))
        await asyncio.sleep(0)
    await stage.core.until(lambda: len(stage.core.received) == 8)
    assert stage.core.datagrams == frames * 2
    assert {client for _, client in stage.core.received} == {client.five_tuple}


@pytest.mark.parametrize("is_cut", [False, True], ids=["closed by the client", "cut"])
@on_uvloop
async def test_an_ended_connection_is_freed_without_the_collector(
    transport: Transport, is_cut: bool
) -> None:
    gc.collect()
    gc.disable()
    try:
        async with Stage() as stage:
            client = await stage.connect(stage.stream(transport))
            client.say(STUN)
            await stage.core.until(lambda: bool(stage.core.received))
            assert _connections() == 1
            if is_cut:
                client.say(b"\xff")
            else:
                client.close()
            await stage.core.until(lambda: bool(stage.core.disconnected))
            await asyncio.sleep(0)
            assert _connections() == 0
    finally:
        gc.enable()


def _connections() -> int:
    """How many are kept alive, by whatever."""
    return sum(isinstance(each, Connection) for each in gc.get_objects())


@pytest.mark.parametrize("host", [V4, V6])
@on_uvloop
async def test_routed_frames_leave_with_the_targets_channel_and_own_padding(
    stage: Stage, transport: Transport, host: str
) -> None:
    alice, bob = await stage.stream_pair(transport, host)
    stage.join(alice, 0x4001, bob, 0x4002)
    payloads = [os.urandom(size) for size in (*range(9), 1200, 65535)]
    alice.say(b"".join(padded(0x4001, payload, b"\xa5\xa5\xa5") for payload in payloads))
    for payload in payloads:
        assert await bob.hear() == padded(0x4002, payload)
    bob.say(padded(0x4002, b"back"))
    assert await alice.hear() == padded(0x4001, b"back")
    assert (stage.tally.packets, stage.tally.bytes) == (12, sum(map(len, payloads)) + 4)
    assert (stage.core.datagrams, stage.drops) == ([STUN, STUN], {})
    assert stage.forwarder.routes == 2


@on_uvloop
async def test_a_frame_without_a_live_route_goes_to_the_core(
    stage: Stage, transport: Transport
) -> None:
    alice, bob = await stage.stream_pair(transport)
    stage.route(alice, 0x4001, bob, 0x4002, expires_ns=0)
    stage.route(alice, 0x4003, bob, 0x4004)
    stage.apply(DropRoute(alice.five_tuple, 0x4003), DropRoute(alice.five_tuple, 0x4003))
    stage.core.received.clear()
    alice.say(padded(0x4001, b"late") + padded(0x4003, b"gone") + padded(0x4005, b"none"))
    await stage.core.until(lambda: len(stage.core.received) == 3)
    assert [each[4:] for each in stage.core.datagrams] == [b"late", b"gone", b"none"]
    assert stage.tally.packets == 0


@on_uvloop
async def test_a_leg_over_its_caps_loses_frames(stage: Stage, transport: Transport) -> None:
    alice, bob = await stage.stream_pair(transport)
    stage.apply(SetLeg(ALICE, 8 * 2000, AMPLE))
    stage.join(alice, 0x4001, bob, 0x4002)
    alice.say(b"".join(padded(0x4001, bytes([number]) * 400) for number in range(4)))
    alice.say(padded(0x4001, b"last"))  # a small one fits again
    assert [(await bob.hear())[4] for _ in range(3)] == [0, 1, ord("l")]
    assert stage.drops == {DropReason.OVER_BITRATE: 2}
    assert stage.counts(ALICE) == [(3, 804, 2)]


@on_uvloop
async def test_answers_and_data_of_the_core_reach_the_client(
    stage: Stage, transport: Transport
) -> None:
    client = await stage.allocated(stage.stream(transport))
    frame = channel_data(0x4001, b"12345")
    stage.apply(Send(client.five_tuple, STUN), Deliver(ALICE, client.five_tuple, frame, 5))
    assert await client.hear() == STUN
    assert await client.hear() == padded(0x4001, b"12345")
    assert (stage.tally.packets, stage.tally.bytes) == (1, 5)


@pytest.mark.parametrize(
    ("junk", "reason"),
    [
        (b"\xff", DropReason.BAD_CHANNEL),
        (b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03", DropReason.BAD_LENGTH),  # ClientHello
        (b"\0\1\x08\0", DropReason.TOO_BIG),  # before an allocation
        (b"\0\1\0\1", DropReason.BAD_LENGTH),
        (b"\0\1\0\0\x21\x12\xa4\x43" + bytes(12), DropReason.BAD_COOKIE),
    ],
)
@on_uvloop
async def test_a_stream_that_cannot_be_read_on_is_cut(
    stage: Stage, transport: Transport, junk: bytes, reason: DropReason
) -> None:
    listener = stage.stream(transport)
    mallory, alice = await stage.connect(listener), await stage.connect(listener)
    await stage.greet(alice)
    mallory.say(STUN + junk)
    assert await mallory.is_cut()
    await stage.core.until(lambda: stage.core.disconnected == [mallory.five_tuple])
    assert stage.drops == {reason: 1}
    assert stage.core.datagrams == [STUN, STUN]  # what came before was read
    stage.apply(Send(alice.five_tuple, STUN))
    assert await alice.hear() == STUN


@on_uvloop
async def test_the_end_of_a_connection_ends_the_allocation(
    stage: Stage, transport: Transport
) -> None:
    listener = stage.stream(transport)
    alice, bob = await stage.connect(listener), await stage.connect(listener)
    await stage.greet(alice, bob)
    stage.join(alice, 0x4001, bob, 0x4002)
    bob.close()
    await stage.core.until(lambda: stage.core.disconnected == [bob.five_tuple])
    assert stage.forwarder.routes == 1
    alice.say(padded(0x4001, b"to nobody") + STUN)
    await stage.core.until(lambda: len(stage.core.datagrams) == 3)
    assert stage.drops == {DropReason.SEND_FAILED: 1}
    alice.writer.close()  # an orderly end is an end as well
    await stage.core.until(lambda: len(stage.core.disconnected) == 2)
    assert (listener.connections, listener.strangers, stage.forwarder.routes) == ({}, 0, 0)


@on_uvloop
async def test_who_is_gone_before_being_seen_is_nobody(stage: Stage, transport: Transport) -> None:
    listener = stage.stream(transport)
    with socket.socket() as sock:
        sock.connect(listener.address.reveal())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await stage.greet(await stage.connect(listener))
    assert (len(listener.connections), listener.strangers) == (1, 0)


@on_uvloop
async def test_a_closed_listener_cuts_everybody(stage: Stage, transport: Transport) -> None:
    listener = stage.stream(transport)
    alice = await stage.allocated(listener)
    stage.close(listener)
    assert await alice.is_cut()
    await stage.core.until(lambda: stage.core.disconnected == [alice.five_tuple])
    with pytest.raises(ConnectionRefusedError):
        await stage.connect(listener)
