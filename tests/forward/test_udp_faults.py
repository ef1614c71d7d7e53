"""A UDP listener in trouble: what is too big, what the kernel refuses, who has gone."""

import os
import socket

import pytest

from relay.address import ClientAddress, FiveTuple, Transport
from relay.effects import Deliver, Send, SetRoute
from relay.errors import DropReason
from relay.forward.user import mmsg, udp
from relay.forward.user.mmsg import MmsgBatch
from relay.forward.user.plain import PlainBatch
from relay.forward.user.slots import PAYLOAD_MAX, Batch
from tests.forward.clients import channel_data
from tests.forward.loopback import ALICE, BATCHES, FOREVER_NS, V4, Stage
from tests.kit.loops import on_uvloop

pytestmark = pytest.mark.parametrize("batch", BATCHES)


@pytest.mark.parametrize("size", [PAYLOAD_MAX, PAYLOAD_MAX + 1, 20_000, 65_507])
@on_uvloop
async def test_a_datagram_that_does_not_fit_is_dropped_whole(stage: Stage, size: int) -> None:
    alice, bob = stage.routed_pair()
    alice.say(channel_data(0x4001, bytes(size - 4)))
    alice.say(channel_data(0x4001, bytes(size - 4), 8))  # a small message, a large trailer
    alice.say(b"\0\1" + bytes(size - 2))
    alice.say(channel_data(0x4001, b"next"))
    assert await bob.hear() == channel_data(0x4002, b"next")
    assert stage.drops == {DropReason.TOO_BIG: 3}
    assert (stage.core.received, stage.tally.packets) == ([], 1)


@on_uvloop
async def test_what_the_kernel_refuses_is_counted_and_delays_nobody(stage: Stage) -> None:
    listener, other = stage.udp(), stage.udp()
    alice, bob = stage.client(listener), stage.client(listener)
    nowhere = ClientAddress.parse(V4, 0)  # sendto: EINVAL
    for channel, server in ((0x4003, listener), (0x4005, other)):
        ends = (alice.five_tuple, channel, FiveTuple(Transport.UDP, nowhere, server.address))
        stage.apply(SetRoute(*ends, 0x4004, ALICE, FOREVER_NS))
    stage.route(alice, 0x4001, bob, 0x4002)
    for number in range(5):
        alice.say(channel_data(0x4003, b"lost"))
        alice.say(channel_data(0x4001, b"%d" % number))
        alice.say(channel_data(0x4005, b"lost"))
        alice.say(channel_data(0x4003, b"lost"))
    for number in range(5):
        assert await bob.hear() == channel_data(0x4002, b"%d" % number)
    await stage.settle(alice)
    assert stage.drops == {DropReason.SEND_FAILED: 15}
    target = FiveTuple(Transport.UDP, nowhere, listener.address)
    stage.apply(Send(target, b"lost"), Deliver(ALICE, target, b"lost", 4))
    assert stage.drops == {DropReason.SEND_FAILED: 17}


@on_uvloop
async def test_a_client_that_has_gone_harms_nobody(stage: Stage) -> None:
    """What is sent to a closed port comes back as ICMP, which no listener may stumble over."""
    listener = stage.udp()
    alice, bob, gone = (stage.client(listener) for _ in range(3))
    stage.route(alice, 0x4001, bob, 0x4002)
    stage.route(alice, 0x4003, gone, 0x4004)
    gone.close()
    for number in range(200):
        alice.say(channel_data(0x4003, b"to nobody"))
        alice.say(channel_data(0x4001, b"%d" % number))
        assert await bob.hear() == channel_data(0x4002, b"%d" % number)
    assert (stage.drops, stage.core.received) == ({}, [])


@on_uvloop
async def test_a_closed_listener_gives_its_port_back(batch: type[Batch]) -> None:
    async with Stage(batch) as stage:
        address = stage.udp().address
    again = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with again:
        again.bind(address.reveal())


def test_the_batch_is_the_systems_best(batch: type[Batch], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmsg, "is_available", lambda: batch is MmsgBatch)
    assert udp.best_batch() is batch


def test_recvmmsg_is_used_on_linux_only(
    batch: type[Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    system = "Linux" if batch is MmsgBatch else "Darwin"
    names = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((system, *names[1:])))
    assert mmsg.is_available() is (batch is not PlainBatch)


def test_an_error_of_the_socket_is_no_datagram(batch: type[Batch]) -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    made = batch(sock)
    assert made.receive() == 0  # EAGAIN
    sock.close()
    assert made.receive() == 0  # EBADF
    made.close()
