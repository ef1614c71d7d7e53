"""Too many connections without an allocation: the oldest goes, of its source or of all."""

import asyncio
import errno
import itertools
import socket

import pytest

from relay.address import Transport
from relay.crowd import Crowd
from relay.effects import OpenPort
from relay.errors import DropReason
from relay.forward.user import sockets
from relay.forward.user.arrival import HANDSHAKE_S
from relay.forward.user.tcp import TcpListener
from tests.forward.clients import STUN
from tests.forward.loopback import ELSEWHERE, HERE, THERE, Stage
from tests.kit.certificates import hello
from tests.kit.loops import on_movable_loop, on_uvloop, pass_time

both = pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])

HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01"


async def silent(listener: TcpListener, source: str = HERE, said: bytes = b"") -> socket.socket:
    """A socket that has connected, and said so much."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setblocking(False)
    sock.bind((source, 0))
    await loop.sock_connect(sock, listener.address.reveal())
    await loop.sock_sendall(sock, said)
    return sock


async def is_closed(sock: socket.socket) -> bool:
    """Whether the listener closes it, now or at some time."""
    try:
        return await asyncio.get_running_loop().sock_recv(sock, 1) == b""
    except ConnectionError:
        return True


@both
@on_uvloop
async def test_the_oldest_of_a_source_goes_for_one_of_the_same(
    stage: Stage, transport: Transport
) -> None:
    stage.streams.strangers = Crowd(2, 100)
    listener = stage.stream(transport)
    other = await stage.arrived(listener, THERE)
    first, second = await stage.arrived(listener), await stage.arrived(listener)
    third = await stage.arrived(listener)
    assert await first.is_cut()
    assert stage.drops == {DropReason.CROWDED: 1}
    assert listener.strangers == 3
    for client in (other, second, third):
        await stage.greet(client)


@both
@on_uvloop
async def test_the_oldest_of_all_goes_for_one_of_another_source(
    stage: Stage, transport: Transport
) -> None:
    stage.streams.strangers = Crowd(2, 2)
    listener = stage.stream(transport)
    first = await stage.arrived(listener, HERE)
    second = await stage.arrived(listener, THERE)
    third = await stage.arrived(listener, ELSEWHERE)
    assert await first.is_cut()
    assert stage.drops == {DropReason.CROWDED: 1}
    for client in (second, third):
        await stage.greet(client)


@both
@on_uvloop
async def test_who_has_an_allocation_goes_for_nobody(stage: Stage, transport: Transport) -> None:
    stage.streams.strangers = Crowd(1, 1)
    listener = stage.stream(transport)
    alice = await stage.allocated(listener)
    first, second = await stage.arrived(listener), await stage.arrived(listener)
    assert await first.is_cut()
    await stage.greet(second)
    await stage.greet(await stage.arrived(listener))
    await stage.greet(alice)
    assert (len(listener.connections), listener.strangers) == (3, 0)


@both
@on_uvloop
async def test_who_says_nothing_is_counted_on_all_listeners_together(
    stage: Stage, transport: Transport
) -> None:
    stage.streams.strangers = Crowd(2, 100)
    listener, other = stage.stream(transport), stage.stream(Transport.TCP)
    first = await silent(listener)
    second, third = await silent(other), await silent(listener)
    with first, second, third:
        assert await is_closed(first)
        for sock in (second, third):
            await asyncio.get_running_loop().sock_sendall(sock, STUN[:1])
        await stage.greet(await stage.arrived(listener, THERE))
        assert stage.drops == {DropReason.CROWDED: 1}


@on_uvloop
async def test_handshakes_have_a_cap_of_their_own_in_which_the_silent_do_not_count(
    stage: Stage,
) -> None:
    stage.streams.in_tls = Crowd(100, 2)
    listener = stage.stream(Transport.TLS)
    quiet = await silent(listener)
    half = await silent(listener, said=HALF_A_HELLO)
    begun = [await silent(listener, said=hello()) for _ in range(2)]
    newcomer = await stage.arrived(listener, THERE)
    await asyncio.get_running_loop().sock_recv(begun[0], 1)  # a ServerHello
    while await asyncio.get_running_loop().sock_recv(begun[0], 65536):
        pass
    await stage.greet(newcomer)
    assert stage.drops == {DropReason.CROWDED: 1}
    assert listener.strangers == 3
    for sock in (quiet, half, *begun):
        sock.close()


@on_uvloop
async def test_whoever_holds_back_half_a_hello_begins_no_handshake(stage: Stage) -> None:
    """Else many could have theirs dealt with in one turn, when they send the rest."""
    listener = stage.stream(Transport.TLS)
    loop, whole = asyncio.get_running_loop(), hello()
    parts = [0, 1, 4, 5, 6, len(whole) - 1, len(whole)]
    with await silent(listener) as sock:
        for start, end in itertools.pairwise(parts):
            await stage.arrived(listener, THERE)
            assert len(stage.streams.in_tls) == len(listener.connections)
            await loop.sock_sendall(sock, whole[start:end])
        assert await loop.sock_recv(sock, 1) == whole[:1]  # a ServerHello begins as it does
        assert len(stage.streams.in_tls) == len(parts)


@on_uvloop
async def test_whoever_goes_amid_its_hello_is_gone(stage: Stage) -> None:
    listener = stage.stream(Transport.TLS)
    for end in (1, 5, 6):
        with await silent(listener, said=hello()[:end]) as sock:
            await stage.arrived(listener, THERE)
            sock.shutdown(socket.SHUT_WR)
            assert await is_closed(sock)
    assert listener.strangers == len(listener.connections)


@pytest.mark.parametrize("said", [b"", HALF_A_HELLO])
@on_movable_loop
async def test_a_handshake_has_five_seconds_from_accept_on(stage: Stage, said: bytes) -> None:
    listener = stage.stream(Transport.TLS)
    with await silent(listener, said=said) as sock:
        await stage.greet(await stage.connect(listener))  # accepted after the first
        pass_time(HANDSHAKE_S)
        assert await is_closed(sock)
    assert (len(listener.connections), listener.strangers) == (1, 0)
    assert stage.core.disconnected == []


@both
@on_uvloop
async def test_a_stranger_gives_way_to_a_relayed_port(stage: Stage, transport: Transport) -> None:
    stage.forwarder.descriptors.most = 2
    listener = stage.stream(transport)
    stranger = await stage.arrived(listener)
    stage.port()
    stage.port()
    assert await stranger.is_cut()
    assert stage.drops == {DropReason.CROWDED: 1}
    refused = OpenPort(sockets.bound_address(listener._socket))
    stage.apply(refused)
    assert stage.failed == [(refused, errno.EMFILE)]


@both
@on_uvloop
async def test_descriptors_for_clients_are_not_exceeded(stage: Stage, transport: Transport) -> None:
    stage.forwarder.descriptors.most = 3
    listener = stage.stream(transport)
    alice = await stage.allocated(listener)
    stage.port()
    stranger = await stage.arrived(listener)
    bob = await stage.arrived(listener, THERE)
    assert await stranger.is_cut()
    await stage.greet(bob)
    port = OpenPort(sockets.bound_address(listener._socket))
    stage.apply(port)
    assert stage.failed == [(port, errno.EMFILE)]
    with await silent(listener) as refused:
        assert await is_closed(refused)
    assert stage.drops == {DropReason.CROWDED: 2}
    alice.close()
    await stage.core.until(lambda: alice.five_tuple in stage.core.disconnected)
    await stage.greet(await stage.arrived(listener))
    assert stage.forwarder.descriptors.taken == 3
