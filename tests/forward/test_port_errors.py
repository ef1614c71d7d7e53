"""ICMP errors about what an outer port has sent, from a port of loopback that nobody has."""

import asyncio
import socket

import pytest

from relay.address import ClientAddress, FiveTuple, Transport
from relay.effects import NO_CHANNEL, Deliver
from relay.forward.user.core import IcmpError
from relay.forward.user.icmp import PER_S
from relay.forward.user.udp import UdpListener
from tests.forward.loopback import ALICE, BATCHES, V4, V6, Stage
from tests.kit.loops import on_uvloop

PORT_UNREACHABLE = {V4: IcmpError(3, 3, 0), V6: IcmpError(1, 4, 0)}
"""RFC 792, and RFC 4443 section 3.1."""

pytestmark = [
    pytest.mark.parametrize("batch", BATCHES),
    pytest.mark.parametrize("host", [V4, V6]),
]


def nobody(port: UdpListener, host: str) -> FiveTuple:
    """Where nobody listens, as this port sends there."""
    family = socket.AF_INET6 if host == V6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as free:
        free.bind((host, 0))
        name = free.getsockname()
    return FiveTuple(Transport.UDP, ClientAddress.parse(*name[:2]), port.address)


@on_uvloop
async def test_the_core_hears_of_an_error_and_where_the_datagram_went(
    stage: Stage, host: str
) -> None:
    port = stage.port(host, is_outer=True)
    gone = nobody(port, host)
    stage.apply(Deliver(ALICE, gone, b"anybody?", 8))
    await stage.core.until(lambda: bool(stage.core.errors))
    assert stage.core.errors == [(PORT_UNREACHABLE[host], gone)]


@on_uvloop
async def test_no_datagram_is_lost_for_the_error_of_another(stage: Stage, host: str) -> None:
    port = stage.port(host, is_outer=True)
    gone, bob = nobody(port, host), stage.client(port)
    for number in range(50):
        stage.apply(Deliver(ALICE, gone, b"to nobody", 9))
        said = b"%d" % number
        stage.apply(Deliver(ALICE, bob.five_tuple, said, len(said)))
        assert await bob.hear() == said
    assert stage.drops == {}


@on_uvloop
async def test_nor_is_one_that_a_route_forwards_or_that_comes_to_the_port(
    stage: Stage, host: str
) -> None:
    here, there = stage.port(host, is_outer=True), stage.port(host, is_outer=True)
    alice, bob, gone = stage.client(here), stage.client(there), nobody(there, host)
    stage.join(alice, NO_CHANNEL, bob, NO_CHANNEL)
    for number in range(50):
        stage.apply(Deliver(ALICE, gone, b"to nobody", 9))
        alice.say(b"\x80%d" % number)
        bob.say(b"\x80%d" % number)
        assert await bob.hear() == await alice.hear() == b"\x80%d" % number
    assert stage.drops == {}


@on_uvloop
async def test_of_a_flood_of_errors_a_few_are_handed_on_and_the_loop_goes_on(
    stage: Stage, host: str
) -> None:
    port = stage.port(host, is_outer=True)
    gone, bob = nobody(port, host), stage.client(port)
    started = asyncio.get_running_loop().time()
    for number in range(500):
        stage.apply(Deliver(ALICE, gone, b"to nobody", 9))
        if not number % 50:
            await asyncio.sleep(0)
    stage.apply(Deliver(ALICE, bob.five_tuple, b"still here", 10))
    assert await bob.hear() == b"still here"
    lasted_s = asyncio.get_running_loop().time() - started
    assert 1 <= len(stage.core.errors) <= PER_S * (lasted_s + 0.25) + 2


@on_uvloop
async def test_a_port_that_is_not_an_outer_one_reports_nothing(stage: Stage, host: str) -> None:
    port = stage.port(host)
    gone, bob = nobody(port, host), stage.client(port)
    for _ in range(20):
        stage.apply(Deliver(ALICE, gone, b"to nobody", 9))
        stage.apply(Deliver(ALICE, bob.five_tuple, b"hello", 5))
        assert await bob.hear() == b"hello"
    assert stage.core.errors == []
