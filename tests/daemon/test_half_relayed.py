"""Outer ports in an engine with real sockets."""

import errno
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from relay.address import PeerAddress
from relay.calls.changes import Change, PartyChange
from relay.calls.rules import Masking
from relay.errors import DropReason
from tests.daemon.stage import Stage, do
from tests.daemon.talking import CHANNEL
from tests.kit import wire
from tests.kit.loops import on_uvloop

UNUSED = "192.0.2.7"
"""An address that no host of ours has."""


@pytest.fixture
def stage() -> Stage:
    """Where who asks for privacy is masked, and nobody else."""
    return Stage(masking=Masking.OPTED_IN)


@pytest.fixture
def bob() -> Iterator[socket.socket]:
    """Bob's socket without TURN."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(60)
        yield sock


def address(sock: socket.socket) -> PeerAddress:
    """Where it is bound."""
    return PeerAddress.parse(*sock.getsockname())


@on_uvloop
async def test_a_call_meets_there_and_is_silent_at_once_when_it_is_tightened(
    stage: Stage, bob: socket.socket
) -> None:
    call = stage.create()
    alice, _ = await stage.joined(call)
    assert await do(alice.bind, CHANNEL + 1, address(bob)) == 0
    alice.send_on(CHANNEL + 1, b"\x80 to bob")
    assert await do(bob.recv, 100) == b"\x80 to bob"
    bob.sendto(b"\x80 to alice", alice.relayed.reveal())
    assert await do(alice.receive) == wire.channel_data(CHANNEL + 1, b"\x80 to alice")
    assert stage.engine.forwarder.routes == 4

    stage.engine.change(call.id, Change((PartyChange("bob", True),)))
    assert stage.engine.forwarder.routes == 2
    bob.connect(alice.relayed.reveal())
    bob.send(b"\x80 to alice")
    with pytest.raises(ConnectionRefusedError):
        bob.recv(100)


@on_uvloop
async def test_a_relay_that_cannot_open_one_relays_the_call(
    bob: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    async with Stage(UNUSED, masking=Masking.OPTED_IN) as stage:
        alice, other = await stage.joined(stage.create())
        (record,) = [r for r in caplog.records if r.msg == "outer_port_not_opened"]
        assert vars(record)["errno"] == errno.EADDRNOTAVAIL
        assert await do(alice.permit, address(bob)) == 403
        alice.send_on(CHANNEL, b"\x80 by the relay")
        assert await do(other.receive) == wire.channel_data(CHANNEL, b"\x80 by the relay")
        assert stage.drops(DropReason.INTERNAL) == 0


@on_uvloop
async def test_relayed_ports_and_outer_ports_are_drawn_from_one_pool(stage: Stage) -> None:
    before = stage.engine.server.ports_free
    await stage.joined(stage.create())
    assert stage.engine.server.ports_free == before - 1
