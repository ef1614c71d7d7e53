"""Relayed ports in an engine with real sockets, and clocks that only the test moves."""

import errno
import os
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from relay.address import ClientAddress
from relay.calls.call import RING_TIMEOUT_S, Call
from relay.errors import CallError, DropReason
from relay.forward.user import sockets
from relay.ice.access import Access, Endpoint, IceCredentials
from relay.ice.routes import RENEWAL_S, ROUTE_LIFETIME_S
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method
from tests.daemon.stage import PARTIES, Stage, do
from tests.kit import wire
from tests.kit.loops import on_uvloop

RTP = b"\x80\x60media"
PWD = "password/of/every/party"
FLOOD = 2000
"""Datagrams, which a port's queue holds."""


class Phone:
    """An endpoint without TURN: a socket, and what its signaling server told it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.endpoint: Endpoint | None = None
        self.at = ClientAddress.parse(*sock.getsockname()[:2])

    def say(self, datagram: bytes) -> None:
        """Send to its relayed port."""
        assert self.endpoint
        self.sock.sendto(datagram, self.endpoint.address.reveal())

    def check(self, ufrag: str) -> bytes:
        """A right check of this party."""
        assert self.endpoint
        assert self.endpoint.ice
        own = self.endpoint.ice
        name = (int(Attribute.USERNAME), f"{own.ufrag}:{ufrag}".encode())
        key = own.pwd.encode()
        return wire.build(Method.BINDING, Class.REQUEST, os.urandom(12), [name], key=key)

    def answer(self, asked: wire.Stun) -> bytes:
        """The right answer to a check of the relay's."""
        key = PWD.encode()
        return wire.build(Method.BINDING, Class.SUCCESS, asked.transaction_id, [], key=key)

    async def hear(self) -> bytes:
        """The next datagram."""
        return await do(self.sock.recv, 65536)

    async def has_heard_nothing(self) -> bool:
        """Whether nothing has come, once the relay has had some turns of the loop."""
        for _ in range(3):
            await do(lambda: None)
        return not select.select([self.sock], [], [], 0)[0]


Phones = tuple[Phone, Phone]


@pytest.fixture
def phones() -> Iterator[Phones]:
    with ExitStack() as stack:
        made = []
        for _ in range(2):
            sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sock.bind(("127.0.0.1", 0))
            sock.settimeout(60)
            made.append(Phone(sock))
        yield made[0], made[1]


def place(stage: Stage, phones: Phones, *, ice: bool = False, **order: Any) -> Call:
    """A call between two phones, declared or with ICE."""
    access = {
        party.id: Access(ice=IceCredentials(party.id, PWD)) if ice else Access(address=phone.at)
        for party, phone in zip(PARTIES, phones, strict=True)
    }
    call = stage.create(access, ports=True, **order)
    endpoints = stage.engine.endpoints(call)
    for leg, phone in zip(call.legs, phones, strict=True):
        phone.endpoint = endpoints[leg.id]
    return call


@on_uvloop
async def test_two_declared_phones_talk(stage: Stage, phones: Phones) -> None:
    alice, bob = phones
    call = place(stage, phones)
    alice.say(RTP)
    assert await bob.hear() == RTP
    bob.say(RTP + b"!")
    assert await alice.hear() == RTP + b"!"
    views = stage.engine.legs(call)
    assert [(v.connected, v.transport, v.path, v.packets, v.bytes) for v in views.values()] == [
        (True, "udp", "user", 1, 7),
        (True, "udp", "user", 1, 8),
    ]
    assert stage.engine.forwarder.routes == 2


@on_uvloop
async def test_a_phone_with_ice_is_where_it_answers_the_relays_check(
    stage: Stage, phones: Phones
) -> None:
    alice, bob = phones
    call = place(stage, phones, ice=True)
    for phone in phones:
        phone.say(RTP)  # whoever speaks first has won nothing
    for leg, phone in zip(call.legs, phones, strict=True):
        phone.say(phone.check(leg.name))
        asked = wire.parse(await phone.hear())
        assert asked.cls == Class.REQUEST
        phone.say(phone.answer(asked))
        told = wire.parse(await phone.hear())
        assert told.code == 0
        assert phone.endpoint
        relayed = phone.endpoint.address
        assert told.address(Attribute.XOR_MAPPED_ADDRESS) == (relayed.packed, relayed.port)
    alice.say(RTP)
    assert await bob.hear() == RTP
    assert stage.drops(DropReason.UNKNOWN_SOURCE) == 2


@on_uvloop
async def test_a_phone_is_heard_among_forged_checks_of_its_port(
    stage: Stage, phones: Phones
) -> None:
    """They come in one flood, and its own right behind them."""
    alice, mallory = phones
    call = place(stage, phones, ice=True)
    mallory.endpoint = alice.endpoint
    forged = alice.check("nobody")[:20] + bytes(80)
    for _ in range(FLOOD):
        mallory.say(forged)
    alice.say(alice.check(call.legs[0].name))
    asked = wire.parse(await alice.hear())
    assert asked.cls == Class.REQUEST
    alice.say(alice.answer(asked))
    assert wire.parse(await alice.hear()).code == 0
    assert stage.drops(DropReason.UNAUTHENTICATED_RATE) > 0


@on_uvloop
async def test_many_calls_that_are_due_at_once_are_seen_to_with_pauses(
    stage: Stage, phones: Phones
) -> None:
    for _ in range(120):
        place(stage, phones)
    ports = stage.engine.forwarder.ports.values()
    stage.pass_time(RENEWAL_S)
    earliest = int((stage.clocks.now().mono + ROUTE_LIFETIME_S) * 1e9)

    def renewed() -> int:
        until = [route.expires_ns for port in ports for route in port._routes.values()]
        return sum(each >= earliest for each in until)

    seen = [renewed()]
    for _ in range(3):  # looked at again before it is time
        stage.engine.handle_timeout()
    assert renewed() == seen[0]
    while (due := stage.engine.server.next_timeout() or 0.0) < stage.clocks.now().mono + 1.0:
        stage.pass_time(due - stage.clocks.now().mono)
        seen.append(renewed())
    assert seen == [100, 200, 240]


@on_uvloop
async def test_nothing_crosses_before_the_call_is_accepted_nor_after_its_end(
    stage: Stage, phones: Phones
) -> None:
    alice, bob = phones
    call = place(stage, phones, ring=True)
    alice.say(RTP + b" too early")
    await heard_of(stage, DropReason.RINGING)
    stage.engine.accept(call.id, None)
    alice.say(RTP)
    assert await bob.hear() == RTP
    stage.engine.end(call.id)
    alice.say(RTP + b" too late")
    assert await bob.has_heard_nothing()
    assert (stage.engine.forwarder.routes, stage.engine.server.has_media()) == (0, False)


async def heard_of(stage: Stage, reason: DropReason) -> None:
    """Let the loop run until something was dropped for that reason."""
    while not stage.drops(reason):
        await do(lambda: None)


@on_uvloop
async def test_routes_of_a_long_call_are_renewed_tick_by_tick(stage: Stage, phones: Phones) -> None:
    place(stage, phones)
    ports = stage.engine.forwarder.ports.values()
    for _ in range(10):
        stage.pass_time(RENEWAL_S)
        until = [route.expires_ns for port in ports for route in port._routes.values()]
        now_ns = stage.clocks.mono_ns()
        assert [round((each - now_ns) / 1e9) for each in until] == [ROUTE_LIFETIME_S] * 2


@pytest.mark.parametrize("ring", [False, True])
@on_uvloop
async def test_time_ends_a_call_and_its_ports(stage: Stage, phones: Phones, ring: bool) -> None:
    place(stage, phones, ring=ring, max_duration_s=60)
    stage.pass_time(RING_TIMEOUT_S if ring else 60)
    assert stage.engine.server.has_media() is False
    assert phones[0].endpoint
    port = phones[0].endpoint.address.reveal()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(port)  # closed, so anybody on this host may have it


@on_uvloop
async def test_a_draining_relay_waits_for_calls_with_ports(stage: Stage, phones: Phones) -> None:
    call = place(stage, phones)
    stage.engine.drain()
    assert stage.engine.drained.is_set() is False
    stage.engine.end(call.id)
    assert stage.engine.drained.is_set() is True


@on_uvloop
async def test_a_relay_out_of_sockets_refuses_the_call_and_goes_on_with_the_others(
    stage: Stage, phones: Phones, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = phones
    place(stage, phones)
    free = stage.engine.server.ports_free
    opened = sockets.open_udp
    calls = iter([opened, None])

    def open_one(*arguments: Any) -> socket.socket:
        opener = next(calls)
        if opener is None:
            raise OSError(errno.EMFILE, "too many open files")
        return opener(*arguments)

    monkeypatch.setattr(sockets, "open_udp", open_one)
    with pytest.raises(CallError) as refused:
        stage.create(ports=True)
    assert refused.value.kind == "out_of_ports"
    assert (sum(stage.engine.counts().values()), len(stage.engine.forwarder.ports)) == (1, 2)
    assert stage.engine.server.ports_free == free - 2  # both rest
    alice.say(RTP)
    assert await bob.hear() == RTP


@on_uvloop
async def test_ports_that_others_of_this_host_hold_are_passed_over(stage: Stage) -> None:
    with ExitStack() as stack:
        for port in range(50000, 51000, 2):
            sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            with suppress(OSError):  # somebody else's already
                sock.bind(("127.0.0.1", port))
        for _ in range(4):
            call = stage.create(ports=True)
            for endpoint in stage.engine.endpoints(call).values():
                assert endpoint.address.port % 2
