"""Floods of garbage while calls run: they lose nothing, memory stays, every datagram counts."""

import os
import random
import socket
from collections.abc import Callable, Iterator

import pytest

from relay.address import PeerAddress
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method
from tests.kit import wire
from tests.kit.polling import PATIENCE_S, wait_until
from tests.lab.calls import Access, flowing, legs
from tests.lab.flood import flood
from tests.lab.relay import Relay
from tests.lab.topology import RELAY, SINK

_SEED = 8656
_DATAGRAMS = 200_000
_WARM_UP = 10_000
_GROWTH_BYTES = 8 << 20  # of some 60 MiB; 200,000 remembered strangers would be several times that
_STREAMS = 200


def _garbage(rng: random.Random) -> list[bytes]:
    """Everything a stranger may send: noise, near misses, and well-formed requests."""
    allocate = [wire.transport(17)]
    bogus = [
        (int(Attribute.USERNAME), b"4102444800:a-call:a-leg"),
        (int(Attribute.REALM), b"callveil"),
        (int(Attribute.NONCE), b"a nonce of nobody"),
    ]
    peer = wire.peer(PeerAddress(socket.inet_aton(SINK.v4), 9), bytes(12))
    makers: list[Callable[[], bytes]] = [
        lambda: rng.randbytes(rng.randrange(600)),
        lambda: b"",
        lambda: _stun(rng, Method.ALLOCATE, allocate),
        lambda: _stun(rng, Method.ALLOCATE, [*allocate, *bogus], key=bytes(16)),
        lambda: _stun(rng, Method.BINDING, []),
        lambda: _stun(rng, Method.REFRESH, bogus, key=bytes(16)),
        lambda: _stun(rng, Method.CREATE_PERMISSION, [peer, *bogus], key=bytes(16)),
        lambda: _stun(rng, Method.SEND, [peer, (int(Attribute.DATA), b"x")], Class.INDICATION),
        lambda: _stun(rng, Method.ALLOCATE, allocate)[: rng.randrange(28)],
        lambda: _stun(rng, rng.randrange(0xFFF), [(rng.randrange(0xFFFF), rng.randbytes(9))]),
        lambda: wire.channel_data(0x4321, rng.randbytes(160)),
        lambda: rng.choice([b"\x40", b"\x4f", b"\x00"]) + rng.randbytes(rng.randrange(60)),
    ]
    return [maker() for _ in range(200) for maker in makers]


def _stun(
    rng: random.Random,
    method: int,
    attributes: wire.Attributes,
    cls: int = Class.REQUEST,
    key: bytes | None = None,
) -> bytes:
    return wire.build(method, cls, rng.randbytes(12), attributes, key=key)


def _handled(relay: Relay) -> int:
    """Datagrams that were answered or dropped, of all that were no media of a call."""
    counted = ("callveil_drops_total", "callveil_requests_total")
    return int(sum(v for name, v in relay.metrics().items() if name.startswith(counted)))


def test_a_flood_disturbs_no_call_fills_no_memory_and_is_counted_to_the_last_datagram(
    relay: Relay,
) -> None:
    rng = random.Random(_SEED)
    payloads = _garbage(rng)
    flood(relay, payloads, _WARM_UP, rng)
    with legs(relay) as call, legs(relay, caller=Access("tcp")) as stream_call:
        call.bind()
        stream_call.bind()
        handled, resident = _handled(relay), relay.resident_bytes()

        with flowing(call, 100) as flow, flowing(stream_call, 100) as stream_flow:
            flood(relay, payloads, _DATAGRAMS, rng)

        assert flow.sent > 0
        assert flow.lost() == stream_flow.lost() == 0
        assert relay.overflowed() == 0
        assert _handled(relay) - handled == _DATAGRAMS
        assert relay.resident_bytes() - resident < _GROWTH_BYTES
        assert relay.drops("internal") == 0


@pytest.fixture
def streams(relay: Relay) -> Iterator[list[socket.socket]]:
    """Many TCP connections of a stranger."""
    opened = []
    try:
        for _ in range(_STREAMS):
            stream = relay.lab.sink.socket(socket.AF_INET, socket.SOCK_STREAM)
            opened.append(stream)
            stream.settimeout(PATIENCE_S)
            stream.connect((RELAY.v4, 3478))
        yield opened
    finally:
        for stream in opened:
            stream.close()


def test_junk_on_streams_closes_them_and_disturbs_no_call(
    relay: Relay, streams: list[socket.socket]
) -> None:
    resident = relay.resident_bytes()
    with legs(relay, caller=Access("tcp"), callee=Access("tls")) as call:
        call.bind()
        with flowing(call, 100) as flow:
            for stream in streams:
                stream.sendall(b"\xff" + os.urandom(2000))
            for stream in streams:
                _read_to_the_end(stream)
        assert flow.sent > 0
        assert flow.lost() == 0
    assert relay.resident_bytes() - resident < _GROWTH_BYTES
    wait_until(lambda: relay.drops() >= _STREAMS, "every stream is counted")


def _read_to_the_end(stream: socket.socket) -> None:
    """The relay closes it, orderly or, with what it has not read, by a reset."""
    try:
        assert stream.recv(1) == b""
    except ConnectionResetError:
        return
