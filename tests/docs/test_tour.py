"""The tour of the source, followed with real sockets."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType
from typing import Any

from relay.address import ServerAddress
from relay.calls.registry import Registry
from relay.config import Settings
from relay.daemon.engine import Engine
from relay.daemon.relayed_ports import port_settings_of
from relay.daemon.run import SystemClocks, rules_of, turn_settings_of
from relay.forward.user.udp import UdpListener
from tests.docs.pages import ROOT, read
from tests.kit import wire
from tests.kit.datagrams import AsyncTurnClient
from tests.kit.turn import mint

CHANNEL = 0x4000

_RELAY = f"{ROOT / 'relay'}{os.sep}"
_STEP = re.compile(r"^[0-9]\. .*?(?=^[0-9]\. |^\n|\Z)", re.MULTILINE | re.DOTALL)
_CLASS = re.compile(r"::[A-Z]\w*$")
_NAME = re.compile(r"`([\w/]+\.py::[\w.]+)`")


@asynccontextmanager
async def two_clients() -> AsyncIterator[tuple[AsyncTurnClient, AsyncTurnClient]]:
    """Both legs of a call on an engine in this process."""
    settings = Settings().with_secret(os.urandom)
    turn_settings = turn_settings_of(settings, os.urandom(32))
    registry = Registry(rules_of(settings))
    ports = port_settings_of(settings, bytes(32), lambda _: True)
    engine = Engine(turn_settings, registry, SystemClocks(), os.urandom, lambda: None, ports)
    listener = UdpListener(ServerAddress.parse("127.0.0.1", 0), engine, engine.tally)
    engine.forwarder.add_udp(listener)
    listener.start(asyncio.get_running_loop())
    secret = turn_settings.secrets[0]
    alice, bob = [
        await AsyncTurnClient.connect(listener.address, mint(secret, "a-call", leg))
        for leg in ("alice", "bob")
    ]
    try:
        yield alice, bob
    finally:
        for client in (alice, bob):
            client.close()
        listener.close(asyncio.get_running_loop())


@contextmanager
def noting_calls() -> Iterator[list[str]]:
    """The functions of `relay` that are called meanwhile, in order, as the page writes them."""
    called: list[str] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(_RELAY):
            path = frame.f_code.co_filename.removeprefix(_RELAY)
            called.append(f"{path}::{frame.f_code.co_qualname}")

    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(None)


def steps(title: str) -> list[str]:
    """The functions that the numbered steps of a section name, in order."""
    (section,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", read("docs/tour.md"), re.M | re.S)
    names = [name for step in _STEP.findall(section) for name in _NAME.findall(step)]
    return [name for name in names if not _CLASS.search(name)]


def assert_in_order(names: list[str], called: list[str]) -> None:
    """Each is called, and after the one before it."""
    at = 0
    for name in names:
        assert name in called[at:], f"{name} is not called after what stands before it"
        at = called.index(name, at)


async def test_a_channel_bind_goes_the_way_of_the_tour() -> None:
    async with two_clients() as (alice, bob):
        to_alice, to_bob = await alice.allocate(), await bob.allocate()
        assert await bob.bind(CHANNEL, to_alice) == 0
        with noting_calls() as called:
            assert await alice.bind(CHANNEL, to_bob) == 0
    names = steps("A ChannelBind")
    assert len(names) >= 7
    assert_in_order(names, called)


async def test_a_media_packet_goes_the_way_of_the_tour() -> None:
    async with two_clients() as (alice, bob):
        to_alice, to_bob = await alice.allocate(), await bob.allocate()
        await bob.bind(CHANNEL, to_alice)
        await alice.bind(CHANNEL, to_bob)
        packet = wire.channel_data(CHANNEL, bytes(160))
        with noting_calls() as called:
            await alice.send(packet)
            assert await bob.receive() == packet
    names = steps("A media packet")
    assert len(names) >= 6
    assert_in_order(names, called)
    assert "engine.py::Engine.receive" not in called
