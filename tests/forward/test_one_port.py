"""TURN over TLS and TURN without it on one port: the first byte tells."""

from relay.address import Transport
from relay.effects import Deliver, Send
from relay.errors import DropReason
from tests.forward.clients import STUN, channel_data, padded
from tests.forward.loopback import ALICE, Stage
from tests.kit.loops import on_uvloop


@on_uvloop
async def test_a_client_without_tls_and_one_with_it_talk_through_a_tls_listener(
    stage: Stage,
) -> None:
    listener = stage.stream(Transport.TLS)
    plain, secure = await stage.connect(listener, plain=True), await stage.connect(listener)
    await stage.greet(plain, secure)
    assert [client.transport for _, client in stage.core.received] == ["tcp", "tls"]
    stage.join(plain, 0x4001, secure, 0x4002)
    plain.say(padded(0x4001, b"there"))
    assert await secure.hear() == padded(0x4002, b"there")
    secure.say(padded(0x4002, b"back"))
    assert await plain.hear() == padded(0x4001, b"back")
    frame = channel_data(0x4001, b"12345")
    stage.apply(Send(plain.five_tuple, STUN), Deliver(ALICE, plain.five_tuple, frame, 5))
    assert await plain.hear() == STUN
    assert await plain.hear() == padded(0x4001, b"12345")
    plain.close()
    await stage.core.until(lambda: stage.core.disconnected == [plain.five_tuple])
    assert stage.drops == {}


@on_uvloop
async def test_channel_data_may_come_first(stage: Stage) -> None:
    listener = stage.stream(Transport.TLS)
    plain = await stage.connect(listener, plain=True)
    plain.say(padded(0x4001, b"data"))
    await stage.core.until(lambda: stage.core.datagrams == [channel_data(0x4001, b"data")])


@on_uvloop
async def test_what_is_neither_is_cut(stage: Stage) -> None:
    listener = stage.stream(Transport.TLS)
    mallory = await stage.connect(listener, plain=True)
    mallory.say(b"GET / HTTP/1.1\r\n\r\n")
    assert await mallory.is_cut()
    assert set(stage.drops) <= {DropReason.TOO_BIG, DropReason.BAD_LENGTH}
    assert stage.core.received == []
