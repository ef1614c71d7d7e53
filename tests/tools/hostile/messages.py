"""Hostile messages: noise, near misses, well-formed requests, and what a member of a call can sign.

Rules of this file: everything follows from the random generator that is given, so that a run can be
repeated. A message is one datagram over UDP and one frame of a stream.
"""

import random
import socket
import struct
from collections.abc import Callable, Sequence

from relay.address import PeerAddress
from relay.stun.attributes import Attribute, AttributeType
from relay.stun.message import Class, Method
from tests.kit import wire
from tests.kit.sockets import TurnClient
from tests.lab.topology import CALLER, RELAY, SINK

_METHODS = (
    Method.ALLOCATE,
    Method.REFRESH,
    Method.CREATE_PERMISSION,
    Method.CHANNEL_BIND,
    Method.BINDING,
    Method.CONNECT,
    0x0FF,
)
_SIGNABLE = _METHODS[:4]
_NUMBERS = [each.number for each in vars(Attribute).values() if isinstance(each, AttributeType)]

Maker = Callable[[random.Random], bytes]


def of_strangers(rng: random.Random, count: int) -> list[bytes]:
    """What whoever can send a datagram may send; each kind as often as the others."""
    return [_STRANGERS[n % len(_STRANGERS)](rng) for n in range(count)]


def frames_of_strangers(rng: random.Random, count: int) -> list[bytes]:
    """The same for a stream, where most of it ends the connection."""
    kinds = (_request, _bogus, _cut_off, _noise, _channel_data, _long_request)
    return [_padded(kinds[n % len(kinds)](rng)) for n in range(count)]


def of_member(rng: random.Random, client: TurnClient, count: int) -> list[bytes]:
    """What a member of a call can sign: right MACs over wrong, odd and needless requests."""
    return [_signed(rng, client) if n % 4 else _data(rng) for n in range(count)]


def peers(rng: random.Random, transaction_id: bytes, count: int) -> wire.Attributes:
    """Addresses that are nobody's business: other hosts', the relay's own, and guesses."""
    hosts = (RELAY.v4, SINK.v4, CALLER.public.v4, "127.0.0.1", "10.0.0.1", "255.255.255.255")
    return [
        wire.peer(
            PeerAddress(socket.inet_aton(rng.choice(hosts)), rng.randrange(65536)), transaction_id
        )
        for _ in range(count)
    ]


def _noise(rng: random.Random) -> bytes:
    return rng.randbytes(rng.randrange(600))


def _request(rng: random.Random) -> bytes:
    transport = wire.transport(rng.choice((17, 6)))
    return wire.build(rng.choice(_METHODS), Class.REQUEST, rng.randbytes(12), [transport])


def _bogus(rng: random.Random) -> bytes:
    """A request with every attribute of an authenticated one, and none of them right."""
    credentials = [
        (int(Attribute.USERNAME), b"4102444800:a-call:a-leg"),
        (int(Attribute.REALM), b"callveil"),
        (int(Attribute.NONCE), rng.randbytes(12).hex().encode()),
    ]
    attributes = [wire.transport(17), *credentials]
    return wire.build(
        rng.choice(_METHODS), Class.REQUEST, rng.randbytes(12), attributes, key=bytes(16)
    )


def _cut_off(rng: random.Random) -> bytes:
    whole = _bogus(rng)
    return whole[: rng.randrange(len(whole))]


def _flipped(rng: random.Random) -> bytes:
    """One bit of a well-formed request is another."""
    message = bytearray(_bogus(rng))
    message[rng.randrange(len(message))] ^= 1 << rng.randrange(8)
    return bytes(message)


def _any_attributes(rng: random.Random) -> bytes:
    attributes = [
        (rng.choice((*_NUMBERS, rng.randrange(0x10000))), rng.randbytes(rng.randrange(40)))
        for _ in range(rng.randrange(20))
    ]
    cls = rng.choice(tuple(Class))
    return wire.build(rng.choice(_METHODS), cls, rng.randbytes(12), attributes)


def _many_attributes(rng: random.Random) -> bytes:
    many = [(rng.randrange(0x10000), b"")] * rng.randrange(65, 340)  # one datagram
    return wire.build(Method.ALLOCATE, Class.REQUEST, rng.randbytes(12), many)


def _indication(rng: random.Random) -> bytes:
    transaction_id = rng.randbytes(12)
    attributes = [*peers(rng, transaction_id, 1), (int(Attribute.DATA), rng.randbytes(50))]
    return wire.build(Method.SEND, Class.INDICATION, transaction_id, attributes)


def _channel_data(rng: random.Random) -> bytes:
    return wire.channel_data(rng.randrange(0x4000, 0x5000), rng.randbytes(rng.randrange(200)))


def _wrong_length(rng: random.Random) -> bytes:
    header = struct.pack("!HH", rng.randrange(0x4000, 0x8000), rng.randrange(65536))
    return header + rng.randbytes(9)


def _long_request(rng: random.Random) -> bytes:
    padding = [(0x8022, rng.randbytes(700))] * rng.randrange(4, 80)
    return wire.build(Method.ALLOCATE, Class.REQUEST, rng.randbytes(12), padding)


def _nothing(_: random.Random) -> bytes:
    return b""


_STRANGERS: Sequence[Maker] = (
    _noise,
    _request,
    _bogus,
    _cut_off,
    _flipped,
    _any_attributes,
    _many_attributes,
    _indication,
    _channel_data,
    _wrong_length,
    _nothing,
)


def _signed(rng: random.Random, client: TurnClient) -> bytes:
    transaction_id = rng.randbytes(12)
    choices: Sequence[Callable[[], wire.Attributes]] = (
        lambda: peers(rng, transaction_id, rng.choice((1, 2, 30, 33, 60))),
        lambda: [wire.channel_number(rng.randrange(65536)), *peers(rng, transaction_id, 1)],
        lambda: [wire.transport(17), wire.even_port(reserve=rng.random() < 0.5)],
        lambda: [(rng.choice(_NUMBERS), rng.randbytes(rng.randrange(24)))],
        lambda: [(rng.randrange(0x8000), rng.randbytes(rng.randrange(24)))],
        lambda: [wire.lifetime(rng.randrange(1, 2**32))],
        list,
    )
    attributes = rng.choice(choices)()
    return client.turn.signed(rng.choice(_SIGNABLE), attributes, transaction_id)


def _data(rng: random.Random) -> bytes:
    return _indication(rng) if rng.random() < 0.5 else _padded(_channel_data(rng))


def _padded(frame: bytes) -> bytes:
    return frame + bytes(-len(frame) % 4)
