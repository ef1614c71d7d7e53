"""Indications between clients of the user path, which the core need not see."""

import pytest

from relay.address import PeerAddress, Transport
from relay.effects import NO_CHANNEL, DropRoute, SetLeg, SetRoute
from relay.errors import DropReason
from relay.forward.user.slots import PAYLOAD_MAX
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Message, Method, build, parse
from tests.forward.clients import StreamClient, UdpClient, channel_data
from tests.forward.loopback import ALICE, BATCHES, FOREVER_NS, V4, V6, Stage
from tests.kit.loops import on_uvloop

AT_ALICE, AT_BOB = (PeerAddress.parse("192.0.2.9", port) for port in (50001, 50002))
AT_ALICE6, AT_BOB6 = (PeerAddress.parse("2001:db8::9", port) for port in (50001, 50002))

_each_batch = pytest.mark.parametrize("batch", BATCHES)


def send(peer: PeerAddress, data: bytes, *, fingerprint: bool = False) -> bytes:
    """A Send indication."""
    attributes = ((Attribute.XOR_PEER_ADDRESS, peer), (Attribute.DATA, data))
    return build(Method.SEND, Class.INDICATION, b"t" * 12, attributes, fingerprint=fingerprint)


def data_of(datagram: bytes, peer: PeerAddress) -> bytes:
    """The data of a Data indication from this peer, all else about it checked."""
    message: Message = parse(datagram)
    assert (message.method, message.cls) == (Method.DATA, Class.INDICATION)
    assert [kind for kind, _ in message.attributes] == [Attribute.XOR_PEER_ADDRESS, Attribute.DATA]
    assert message.get(Attribute.XOR_PEER_ADDRESS) == peer
    assert message.transaction_id != b"t" * 12
    data = message.get(Attribute.DATA)
    assert data is not None
    return data


@on_uvloop
@_each_batch
@pytest.mark.parametrize("host", [V4, V6])
@pytest.mark.parametrize("peers", [(AT_ALICE, AT_BOB), (AT_ALICE6, AT_BOB6)], ids=["v4", "v6"])
async def test_send_becomes_data(
    stage: Stage, host: str, peers: tuple[PeerAddress, PeerAddress]
) -> None:
    at_alice, at_bob = peers
    alice, bob = stage.pair(host)
    stage.route(alice, at_bob, bob, at_alice)
    for size in (12, 13, 14, 15, 1200):
        for fingerprint in (False, True):
            alice.say(send(at_bob, b"m" * size, fingerprint=fingerprint))
            assert data_of(await bob.hear(), at_alice) == b"m" * size
    assert stage.core.datagrams == []
    size = 2 * (12 + 13 + 14 + 15 + 1200)
    assert stage.counts(ALICE) == [(10, size, 0)]
    assert (stage.tally.packets, stage.tally.bytes) == (10, size)


@on_uvloop
@_each_batch
async def test_send_reaches_a_channel_and_a_channel_reaches_data(stage: Stage) -> None:
    alice, bob = stage.pair()
    stage.route(alice, AT_BOB, bob, 0x4002)
    stage.route(bob, 0x4002, alice, AT_BOB)
    for size in (12, 13, 9000):
        alice.say(send(AT_BOB, b"m" * size))
        assert await bob.hear() == channel_data(0x4002, b"m" * size)
        bob.say(channel_data(0x4002, b"r" * size) + b"\0")
        assert data_of(await alice.hear(), AT_BOB) == b"r" * size
    assert stage.core.datagrams == []


@on_uvloop
@_each_batch
async def test_a_run_of_all_kinds_keeps_its_order(stage: Stage) -> None:
    alice, bob = stage.pair()
    stage.route(alice, AT_BOB, bob, AT_ALICE)
    stage.route(alice, 0x4001, bob, 0x4002)
    stage.route(alice, 0x4003, bob, AT_ALICE)
    payloads = [b"number %06d" % number for number in range(30)]
    largest = b"m" * (PAYLOAD_MAX - 8)  # whose indication no slot holds
    for number, payload in enumerate(payloads):
        alice.say(
            [
                send(AT_BOB, payload),
                channel_data(0x4001, payload),
                channel_data(0x4003, payload),
            ][number % 3]
        )
    alice.say(channel_data(0x4003, largest))
    got = [await bob.hear() for _ in range(31)]
    for number, payload in enumerate(payloads):
        if number % 3 == 1:
            assert got[number] == channel_data(0x4002, payload)
        else:
            assert data_of(got[number], AT_ALICE) == payload
    assert data_of(got[30], AT_ALICE) == largest


@on_uvloop
@_each_batch
async def test_what_has_no_route_is_the_cores(stage: Stage) -> None:
    alice, bob = stage.pair()
    stage.route(alice, AT_BOB, bob, AT_ALICE, expires_ns=1)
    stage.route(alice, AT_BOB6, bob, AT_ALICE6)
    unusual = send(AT_BOB6, b"m" * 20) + bytes(4)
    elsewhere = send(AT_ALICE, b"m" * 20)
    expired = send(AT_BOB, b"m" * 20)
    for datagram in (unusual, elsewhere, expired):
        alice.say(datagram)
    bob.say(send(AT_BOB6, b"m" * 20))
    await stage.settle(alice)
    await stage.settle(bob)
    assert stage.core.datagrams == [unusual, elsewhere, expired, send(AT_BOB6, b"m" * 20)]
    stage.apply(DropRoute(alice.five_tuple, AT_BOB6), DropRoute(alice.five_tuple, AT_BOB6))
    alice.say(send(AT_BOB6, b"m" * 20))
    await stage.settle(alice)
    assert len(stage.core.datagrams) == 5
    assert stage.tally.packets == 0


@on_uvloop
@_each_batch
async def test_a_cap_holds_for_indications(stage: Stage) -> None:
    alice, bob = stage.pair()
    stage.apply(SetLeg(ALICE, 8000, 1000))  # half a second ahead: 500 bytes
    stage.route(alice, AT_BOB, bob, AT_ALICE)
    for _ in range(3):
        alice.say(send(AT_BOB, b"m" * 400))
    await stage.settle(alice)
    assert data_of(await bob.hear(), AT_ALICE) == b"m" * 400
    assert stage.drops == {DropReason.OVER_BITRATE: 2}


@on_uvloop
@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])
async def test_streams_have_the_same_routes(stage: Stage, transport: Transport) -> None:
    alice = await stage.connect(stage.stream(transport))
    bob = stage.client(stage.udp())
    alice.say(send(AT_BOB, b"that it is there"))
    await stage.core.until(lambda: bool(stage.core.received))
    stage.core.received.clear()
    stage.route(alice, AT_BOB, bob, AT_ALICE)
    stage.route(bob, AT_ALICE, alice, AT_BOB)
    await _assert_both_ways(stage, alice, bob)
    stage.apply(DropRoute(alice.five_tuple, AT_BOB))
    alice.say(send(AT_BOB, b"m" * 20))
    await stage.core.until(lambda: bool(stage.core.received))


async def _assert_both_ways(stage: Stage, alice: StreamClient, bob: UdpClient) -> None:
    for size in (12, 13, 1200):
        alice.say(send(AT_BOB, b"m" * size, fingerprint=True))
        assert data_of(await bob.hear(), AT_ALICE) == b"m" * size
        bob.say(send(AT_ALICE, b"r" * size))
        assert data_of(await alice.hear(), AT_BOB) == b"r" * size
    assert stage.core.received == []


@on_uvloop
async def test_send_reaches_an_end_without_turn_bare(stage: Stage) -> None:
    alice, bob = stage.client(stage.udp()), stage.client(stage.port())
    ends = alice.five_tuple, AT_BOB, bob.five_tuple, NO_CHANNEL
    stage.apply(SetRoute(*ends, ALICE, FOREVER_NS))
    alice.say(send(AT_BOB, b"m" * 21))
    assert await bob.hear() == b"m" * 21
    assert stage.core.received == []
