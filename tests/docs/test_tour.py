"""The tour of the source, followed with real sockets."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType
from typing import Any

import httpx

from relay.address import ServerAddress
from relay.api.app import make_app
from relay.api.relay import ControlSettings
from relay.calls.call import Call, CallState
from relay.calls.making import Order, Party
from relay.clock import Now
from relay.config import Settings
from relay.daemon.engine import Engine
from relay.daemon.run import SystemClocks
from relay.daemon.settings import rules_of, server_settings_of
from relay.forward.user.udp import UdpListener
from tests.docs.pages import ROOT, read
from tests.kit import wire
from tests.kit.datagrams import AsyncTurnClient
from tests.kit.turn import mint

CHANNEL = 0x4000
PARTIES = (Party("alice", enhanced_call_privacy=True), Party("bob"))

_RELAY = f"{ROOT / 'relay'}{os.sep}"
_STEP = re.compile(r"^[0-9]\. .*?(?=^[0-9]\. |^\n|\Z)", re.MULTILINE | re.DOTALL)
_CLASS = re.compile(r"::[A-Z]\w*$")
_NAME = re.compile(r"`([\w/]+\.py::[\w.]+)`")


class Clocks:
    """The clocks of this host, and what a test has moved them by."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> Now:
        mono, wall = SystemClocks().now()
        return Now(mono + self.ahead_s, wall + self.ahead_s)

    def mono_ns(self) -> int:
        return int(self.now().mono * 1e9)


class Lab:
    """An engine in this process, and clients of it."""

    def __init__(self) -> None:
        settings = Settings().with_secret(os.urandom)
        both, rules = server_settings_of(settings, lambda _: True), rules_of(settings)
        self.clocks = Clocks()
        self.engine = Engine(both, rules, self.clocks, os.urandom, lambda: None)
        self.secret = both.turn.secrets[0]
        self.listener = UdpListener(
            ServerAddress.parse("127.0.0.1", 0), self.engine, self.engine.tally
        )
        self.clients: list[AsyncTurnClient] = []

    async def client(self, call: str, leg: str) -> AsyncTurnClient:
        """A client of one leg."""
        credential = mint(self.secret, call, leg)
        self.clients.append(await AsyncTurnClient.connect(self.listener.address, credential))
        return self.clients[-1]

    async def bound(self, call: Call) -> None:
        """Both legs of a call bind a channel to each other."""
        alice, bob = [await self.client(call.id, leg.id) for leg in call.legs]
        to_alice, to_bob = await alice.allocate(), await bob.allocate()
        assert await bob.bind(CHANNEL, to_alice) == 0
        assert await alice.bind(CHANNEL, to_bob) == 0


@asynccontextmanager
async def laboratory() -> AsyncIterator[Lab]:
    """With its listener open."""
    lab, loop = Lab(), asyncio.get_running_loop()
    lab.engine.forwarder.add(lab.listener)
    lab.listener.start(loop)
    try:
        yield lab
    finally:
        for client in lab.clients:
            client.close()
        lab.listener.close(loop)


@asynccontextmanager
async def two_clients() -> AsyncIterator[tuple[AsyncTurnClient, AsyncTurnClient]]:
    """Both legs of a call that credentials begin."""
    async with laboratory() as lab:
        yield await lab.client("a-call", "alice"), await lab.client("a-call", "bob")


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
    assert "daemon/engine.py::Engine.receive" not in called


async def test_an_accepted_call_goes_the_way_of_the_tour() -> None:
    async with laboratory() as lab:
        call = lab.engine.create(Order(PARTIES), {})
        await lab.bound(call)
        app = make_app(lab.engine, ControlSettings((), lab.secret))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as api:
            with noting_calls() as called:
                answer = await api.post(f"/v1/calls/{call.id}/accept")
        assert (answer.status_code, lab.engine.forwarder.routes) == (200, 2)
    names = steps("Accepting a call")
    assert len(names) >= 6
    assert_in_order(names, called)


async def test_the_end_of_a_calls_time_goes_the_way_of_the_tour() -> None:
    async with laboratory() as lab:
        call = lab.engine.create(Order(PARTIES, ring=False, max_duration_s=60), {})
        await lab.bound(call)
        lab.clocks.ahead_s = 60.0
        with noting_calls() as called:
            lab.engine.handle_timeout()
        assert (call.state, lab.engine.forwarder.routes) == (CallState.ENDED, 0)
    names = steps("The end of a call's time")
    assert len(names) >= 5
    assert_in_order(names, called)
