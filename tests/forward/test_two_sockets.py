"""A listener with a gate has two sockets on its address: what is no media has its own queue."""

import socket

import pytest

from relay.errors import DropReason
from relay.forward.user import sockets
from relay.forward.user.gate import PER_S, Gate
from relay.forward.user.slots import Batch
from relay.forward.user.udp import UdpListener
from relay.stun.message import Class, Method
from tests.forward.clients import channel_data
from tests.forward.loopback import BATCHES, V4, V6, Stage
from tests.kit import wire
from tests.kit.loops import on_uvloop

pytestmark = [
    pytest.mark.parametrize("batch", BATCHES),
    pytest.mark.parametrize("host", [V4, V6]),
]

HELLO = wire.build(Method.ALLOCATE, Class.REQUEST, bytes(12), [wire.transport(17)])
SEND = wire.build(Method.SEND, Class.INDICATION, bytes(12), [(0x0013, b"data")])
FLOOD, PACKETS = 60_000, 100
"""More requests than any socket of the relay's holds, and media after them."""


@on_uvloop
async def test_a_flood_of_requests_loses_no_media(stage: Stage, host: str) -> None:
    listener = stage.udp(host, gate=Gate(stage.core, 10))
    alice, bob, stranger = (stage.client(listener) for _ in range(3))
    stage.route(alice, 0x4001, bob, 0x4002)
    for _ in range(FLOOD):
        stranger.say(HELLO)
    for number in range(PACKETS):
        alice.say(channel_data(0x4001, number.to_bytes(2)))
    for number in range(PACKETS):
        assert await bob.hear() == channel_data(0x4002, number.to_bytes(2))
    await stage.core.until(lambda: bool(stage.core.received))
    assert len(stage.core.received) < PER_S
    assert stage.drops.keys() == {DropReason.UNAUTHENTICATED_RATE}


@pytest.mark.parametrize("datagram", [HELLO, SEND, channel_data(0x4001, b"x"), b"\xff", b""])
@on_uvloop
async def test_an_answer_comes_from_the_address_that_was_asked(
    stage: Stage, host: str, datagram: bytes
) -> None:
    listener = stage.udp(host, gate=Gate(stage.core, 10))
    stage.core.answer = lambda asked, client: listener.send(client, b"answer to " + asked)
    client = stage.client(listener)
    client.say(datagram)
    assert await client.hear() == b"answer to " + datagram


@on_uvloop
async def test_nobody_else_gets_the_port(stage: Stage, batch: type[Batch], host: str) -> None:
    gate = Gate(stage.core, 10)
    listener = stage.udp(host, gate=gate)
    with pytest.raises(OSError, match="in use"):
        sockets.open_udp(listener.address, 65536)
    with pytest.raises(OSError, match="in use"):
        UdpListener(listener.address, stage.core, stage.tally, batch, gate)


@on_uvloop
async def test_who_shares_the_port_as_the_same_user_gets_nothing(stage: Stage, host: str) -> None:
    listener = stage.udp(host, gate=Gate(stage.core, 10))
    with socket.socket(sockets.family_of(listener.address), socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(listener.address.reveal())
        said = [HELLO, SEND, channel_data(0x4001, b"x"), b"\xff"]
        for _ in range(50):
            client = stage.client(listener)
            for datagram in said:
                client.say(datagram)
        await stage.core.until(lambda: len(stage.core.received) == 50 * len(said))


@on_uvloop
async def test_a_client_is_heard_whatever_else_comes_from_its_host(stage: Stage, host: str) -> None:
    client, stranger = stage.pair(host, gate=Gate(stage.core, 10))
    stage.core.known.add(client.five_tuple)
    client.say(HELLO)
    await stage.core.until(lambda: stage.core.datagrams == [HELLO])
    for _ in range(5000):
        stranger.say(HELLO)
    client.say(b"\0\1 of the client")
    await stage.core.until(lambda: stage.core.received[-1][1] == client.five_tuple)
    assert len(stage.core.received) < 1000
