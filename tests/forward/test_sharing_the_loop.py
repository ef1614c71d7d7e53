"""What streams bring waits for its share of the loop: nobody else waits for it."""

import time

import pytest

from relay.address import FiveTuple, Transport
from relay.errors import DropReason
from relay.forward.user.connection import STRANGERS_FRAMES
from tests.forward.clients import STUN, StreamClient, padded
from tests.forward.loopback import ELSEWHERE, STRANGERS_PER_S, THERE, Stage
from tests.kit.loops import on_uvloop

both = pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])

PIPELINED = 64
COST_S = 0.002
"""Of one frame in these tests: more than a turn has for all streams."""
ALLOWED = STRANGERS_FRAMES + 10 * STRANGERS_PER_S
"""Frames of one connection before an allocation, if no other of its source says any."""


def costly(stage: Stage) -> None:
    """Let every frame and datagram take some time."""
    stage.core.answer = lambda datagram, client: time.sleep(COST_S)


def position(stage: Stage, client: FiveTuple) -> int:
    """How many frames and datagrams were taken before the first of this client."""
    return [each for _, each in stage.core.received].index(client)


async def pipelining(stage: Stage, *clients: StreamClient) -> None:
    """Begin with nothing noted; each client sends many frames at once, and the first are taken."""
    stage.core.received.clear()
    costly(stage)
    for client in clients:
        client.say(STUN * PIPELINED)
    await stage.core.until(lambda: bool(stage.core.received))


@both
@on_uvloop
async def test_a_datagram_waits_for_no_pipeline(stage: Stage, transport: Transport) -> None:
    udp = stage.client(stage.udp())
    listener = stage.stream(transport)
    mallories = [await stage.connect(listener) for _ in range(4)]
    for mallory in mallories:
        await stage.greet(mallory)
    await pipelining(stage, *mallories)
    udp.say(b"a datagram")
    await stage.core.until(lambda: len(stage.core.received) == 4 * PIPELINED + 1)
    assert position(stage, udp.five_tuple) < 8
    assert stage.drops == {}


@both
@on_uvloop
async def test_a_client_waits_for_no_other_clients_pipeline(
    stage: Stage, transport: Transport
) -> None:
    mallory, alice = await stage.stream_pair(transport)
    await pipelining(stage, mallory)
    alice.say(STUN)
    await stage.core.until(lambda: len(stage.core.received) == PIPELINED + 1)
    assert position(stage, alice.five_tuple) < PIPELINED / 2


@both
@on_uvloop
async def test_a_client_and_a_stranger_wait_for_no_crowd_of_strangers(
    stage: Stage, transport: Transport
) -> None:
    listener = stage.stream(transport)
    alice = await stage.allocated(listener)
    crowd = [await stage.connect(listener) for _ in range(16)]
    newcomer = await stage.connect(listener, THERE)
    stage.core.received.clear()
    costly(stage)
    for mallory in crowd:
        mallory.say(STUN * STRANGERS_FRAMES)
    await stage.core.until(lambda: bool(stage.core.received))
    newcomer.say(STUN)
    alice.say(STUN)
    total = len(crowd) * STRANGERS_FRAMES + 2
    await stage.core.until(lambda: len(stage.core.received) == total)
    assert position(stage, alice.five_tuple) < total / 2
    assert position(stage, newcomer.five_tuple) < total / 2


@both
@on_uvloop
async def test_what_waited_comes_whole_and_in_order(stage: Stage, transport: Transport) -> None:
    listener = stage.stream(transport)
    alice = await stage.allocated(listener)
    stage.core.received.clear()
    costly(stage)
    payloads = [bytes([number]) * (number * 40) for number in range(PIPELINED)]
    alice.say(b"".join(padded(0x4001, payload) for payload in payloads))
    await stage.core.until(lambda: len(stage.core.received) == PIPELINED)
    assert [datagram[4:] for datagram in stage.core.datagrams] == payloads


@both
@on_uvloop
async def test_who_is_cut_while_something_waits_says_no_more(
    stage: Stage, transport: Transport
) -> None:
    listener = stage.stream(transport)
    mallory, alice = await stage.connect(listener), await stage.connect(listener)
    await stage.greet(mallory, alice)
    await pipelining(stage, mallory)
    listener.connections[mallory.five_tuple].cut()
    taken = len(stage.core.received)
    await stage.core.until(lambda: stage.core.disconnected == [mallory.five_tuple])
    alice.say(STUN)
    await stage.core.until(lambda: len(stage.core.received) == taken + 1)


@both
@on_uvloop
async def test_a_stranger_who_says_too_much_is_cut_and_so_is_the_next_of_its_source(
    stage: Stage, transport: Transport
) -> None:
    listener = stage.stream(transport)
    mallory = await stage.connect(listener)
    mallory.say(STUN * 1000)
    assert await mallory.is_cut()
    await stage.core.until(lambda: stage.core.disconnected == [mallory.five_tuple])
    assert ALLOWED < len(stage.core.received) <= ALLOWED + 2  # it waited a moment
    assert stage.drops == {DropReason.UNAUTHENTICATED_RATE: 1}
    stage.core.received.clear()
    again = await stage.connect(listener, "127.0.0.1")
    again.say(STUN * 1000)
    assert await again.is_cut()
    assert STRANGERS_FRAMES < len(stage.core.received) <= STRANGERS_FRAMES + 2
    # A client needs no more than two, and those of other sources have lost nothing.
    await stage.greet(await stage.arrived(listener))
    stage.core.received.clear()
    elsewhere = await stage.connect(listener, ELSEWHERE)
    elsewhere.say(STUN * ALLOWED)
    await stage.core.until(lambda: len(stage.core.received) == ALLOWED)


@both
@on_uvloop
async def test_a_frame_may_be_long_once_there_is_an_allocation(
    stage: Stage, transport: Transport
) -> None:
    listener = stage.stream(transport)
    alice, mallory = await stage.connect(listener), await stage.connect(listener)
    await stage.greet(alice)
    alice.say(padded(0x4001, bytes(60_000)))
    await stage.core.until(lambda: len(stage.core.datagrams[-1]) == 60_004)
    mallory.say(padded(0x4001, bytes(60_000))[:3000])  # its head is enough
    assert await mallory.is_cut()
    assert stage.drops == {DropReason.TOO_BIG: 1}
