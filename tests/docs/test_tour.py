"""The tour of the source, followed with real sockets."""

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType
from typing import Any

from relay.address import PeerAddress, ServerAddress
from relay.calls.credentials import mint
from relay.calls.registry import Registry
from relay.config import Settings
from relay.daemon.engine import Engine
from relay.daemon.relayed_ports import port_settings_of
from relay.daemon.run import SystemClocks, rules_of, turn_settings_of
from relay.forward.user.udp import UdpListener
from relay.stun import channel_data
from relay.stun.attributes import Attribute
from relay.stun.credentials import long_term_key
from relay.stun.message import Class, Message, Method, build, parse
from tests.docs.pages import ROOT, read

CHANNEL = 0x4000

_RELAY = f"{ROOT / 'relay'}{os.sep}"
_STEP = re.compile(r"^[0-9]\. .*?(?=^[0-9]\. |^\n|\Z)", re.MULTILINE | re.DOTALL)
_CLASS = re.compile(r"::[A-Z]\w*$")
_NAME = re.compile(r"`([\w/]+\.py::[\w.]+)`")


class Client:
    """A TURN client with one allocation, on a UDP socket of its own."""

    def __init__(self, server: ServerAddress, username: str, password: str) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.connect(server.reveal())
        self._username, self._password = username, password
        self._signing: list[tuple[Attribute, Any]] = []
        self._key: bytes | None = None

    async def allocate(self) -> PeerAddress:
        """Answer the challenge; returns the relayed address."""
        transport = (Attribute.REQUESTED_TRANSPORT, socket.IPPROTO_UDP)
        challenge = await self.ask(Method.ALLOCATE, transport)
        realm, nonce = challenge.get(Attribute.REALM), challenge.get(Attribute.NONCE)
        assert realm is not None
        self._key = long_term_key(self._username, realm, self._password)
        self._signing = [
            (Attribute.USERNAME, self._username),
            (Attribute.REALM, realm),
            (Attribute.NONCE, nonce),
        ]
        relayed = (await self.ask(Method.ALLOCATE, transport)).get(Attribute.XOR_RELAYED_ADDRESS)
        assert relayed is not None
        return relayed

    async def bind(self, peer: PeerAddress) -> Message:
        """Bind the channel; returns the answer."""
        channel = (Attribute.CHANNEL_NUMBER, CHANNEL)
        return await self.ask(Method.CHANNEL_BIND, channel, (Attribute.XOR_PEER_ADDRESS, peer))

    async def ask(self, method: Method, *attributes: tuple[Attribute, Any]) -> Message:
        """Send one request; returns its answer."""
        request = [*attributes, *self._signing]
        await self.send(build(method, Class.REQUEST, os.urandom(12), request, key=self._key))
        return parse(await self.receive())

    async def send(self, datagram: bytes) -> None:
        """Send a datagram to the relay."""
        await asyncio.get_running_loop().sock_sendall(self.sock, datagram)

    async def receive(self) -> bytes:
        """The next datagram from the relay."""
        return await asyncio.get_running_loop().sock_recv(self.sock, 2048)


@asynccontextmanager
async def two_clients() -> AsyncIterator[tuple[Client, Client]]:
    """Both legs of a call on an engine in this process."""
    settings = Settings().with_secret(os.urandom)
    turn_settings = turn_settings_of(settings, os.urandom(32))
    registry = Registry(rules_of(settings))
    ports = port_settings_of(settings, bytes(32), lambda _: True)
    engine = Engine(turn_settings, registry, SystemClocks(), os.urandom, lambda: None, ports)
    listener = UdpListener(ServerAddress.parse("127.0.0.1", 0), engine, engine.tally)
    engine.forwarder.add(listener)
    listener.start(asyncio.get_running_loop())
    alice, bob = (
        Client(listener.address, *mint(turn_settings.secrets[0], "a-call", leg, 2**32))
        for leg in ("alice", "bob")
    )
    try:
        yield alice, bob
    finally:
        for client in (alice, bob):
            client.sock.close()
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
        assert (await bob.bind(to_alice)).cls is Class.SUCCESS
        with noting_calls() as called:
            assert (await alice.bind(to_bob)).cls is Class.SUCCESS
    names = steps("A ChannelBind")
    assert len(names) >= 7
    assert_in_order(names, called)


async def test_a_media_packet_goes_the_way_of_the_tour() -> None:
    async with two_clients() as (alice, bob):
        to_alice, to_bob = await alice.allocate(), await bob.allocate()
        await bob.bind(to_alice)
        await alice.bind(to_bob)
        packet = channel_data.build(CHANNEL, bytes(160))
        with noting_calls() as called:
            await alice.send(packet)
            assert await bob.receive() == packet
    names = steps("A media packet")
    assert len(names) >= 6
    assert_in_order(names, called)
    assert "engine.py::Engine.receive" not in called
