"""A client that does not read loses its own media, holds bounded memory, and delays nobody."""

import pytest

from relay.address import Transport
from relay.effects import Deliver, Send
from relay.errors import DropReason
from relay.forward.user.connection import MEDIA_QUEUE_BYTES
from tests.forward.clients import STUN, channel_data, padded
from tests.forward.loopback import ALICE, BOB, Stage
from tests.kit.loops import on_uvloop

pytestmark = pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])

FRAME = channel_data(0x4002, bytes(1000))


@on_uvloop
async def test_a_slow_reader_loses_its_own_media_only(stage: Stage, transport: Transport) -> None:
    listener = stage.stream(transport)
    alice, slow, bob = [await stage.connect(listener) for _ in range(3)]
    for client in (alice, slow, bob):
        await stage.greet(client)
    stage.route(alice, 0x4001, slow, 0x4002)
    stage.route(alice, 0x4003, bob, 0x4004)
    sent = 0
    while not stage.drops:
        alice.say(padded(0x4001, bytes(1000)) * 20 + padded(0x4003, b"%08d" % sent))
        assert await bob.hear() == padded(0x4004, b"%08d" % sent)
        sent += 1
    assert set(stage.drops) == {DropReason.SLOW_READER}
    assert (stage.core.disconnected, len(listener.connections)) == ([], 3)
    # What it reads late is whole frames: media is lost between frames, never within one.
    lost = stage.drops[DropReason.SLOW_READER]
    for _ in range(20 * sent - lost):
        assert await slow.hear() == FRAME
    stage.apply(Deliver(ALICE, slow.five_tuple, FRAME, 1000))
    assert await slow.hear() == FRAME


@on_uvloop
async def test_the_queue_of_media_is_bounded(stage: Stage, transport: Transport) -> None:
    listener = stage.stream(transport)
    slow = await stage.allocated(listener)
    connection = listener.connections[slow.five_tuple]
    longest = 0
    for _ in range(20_000):
        stage.apply(Deliver(ALICE, slow.five_tuple, FRAME, 1000))
        longest = max(longest, connection._queued())
    accepted = 20_000 - stage.drops[DropReason.SLOW_READER]
    assert accepted * 1000 < 512 * 1024  # the kernel's share included
    assert MEDIA_QUEUE_BYTES < longest <= MEDIA_QUEUE_BYTES + 2 * len(FRAME)
    assert stage.core.disconnected == []


@on_uvloop
async def test_an_answer_passes_a_full_queue_of_media(stage: Stage, transport: Transport) -> None:
    listener = stage.stream(transport)
    slow = await stage.allocated(listener)
    while not stage.drops:
        stage.apply(Deliver(BOB, slow.five_tuple, FRAME, 1000))
    stage.apply(Send(slow.five_tuple, STUN))
    while (frame := await slow.hear()) == FRAME:
        pass
    assert frame == STUN


@on_uvloop
async def test_a_client_that_does_not_even_read_its_answers_is_cut(
    stage: Stage, transport: Transport
) -> None:
    mallory, bob = await stage.stream_pair(transport)
    stage.core.answer = lambda datagram, client: stage.apply(Send(client, bytes(60_000)))
    while not stage.core.disconnected:
        before = len(stage.core.received)
        mallory.say(STUN)
        await stage.core.until(
            lambda before=before: bool(  # type: ignore[misc]
                stage.core.disconnected or len(stage.core.received) > before
            )
        )
    assert stage.core.disconnected == [mallory.five_tuple]
    assert stage.drops == {DropReason.SLOW_READER: 1}
    assert len(stage.core.received) < 200
    stage.core.answer = lambda datagram, client: stage.apply(Send(client, STUN))
    bob.say(STUN)
    assert await bob.hear() == STUN
