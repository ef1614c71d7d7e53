"""The engine with real listeners and clients, and clocks that only the test moves."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar, TypeVarTuple, get_args

import pytest

from relay.address import FiveTuple, PeerAddress, ServerAddress
from relay.calls import credentials
from relay.calls.call import RING_TIMEOUT_S, Call, State
from relay.calls.making import Order, Party
from relay.calls.rate import SourceRate
from relay.calls.rules import Rules
from relay.clock import Now
from relay.daemon.engine import Engine
from relay.effects import Count, DropLeg, DropRoute, Effect, LegKey
from relay.errors import DropReason
from relay.forward.user.streams import Streams
from relay.forward.user.tcp import TcpListener
from relay.forward.user.udp import UdpListener
from relay.ice.access import Access
from relay.ice.settings import PortSettings
from relay.server import ServerSettings
from relay.special_use import Denied
from relay.stun.message import Method
from relay.turn.settings import TurnSettings
from tests.daemon.talking import CHANNEL, has_heard_nothing, hears
from tests.forward.loops import on_uvloop
from tests.kit import wire
from tests.kit.daemon import SECRET
from tests.kit.sockets import TurnClient

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

PARTIES = (Party("alice", enhanced_call_privacy=True), Party("bob"))


class Clocks:
    """Both clocks of this host as they were, until the test moves them."""

    def __init__(self) -> None:
        self._now = Now(time.monotonic(), time.time())

    def now(self) -> Now:
        return self._now

    def mono_ns(self) -> int:
        return int(self._now.mono * 1e9)

    def advance(self, seconds: float) -> None:
        self._now = Now(self._now.mono + seconds, self._now.wall + seconds)


class Stage:
    """An engine with a UDP and a TCP listener, for one `async with` block.

    Args:
        local: where relayed and outer ports are opened.
    """

    def __init__(self, local: str = "127.0.0.1", **rules: Any) -> None:
        here = ServerAddress.parse(local, 0)
        settings = TurnSettings(
            realm="callveil",
            secrets=(SECRET,),
            relayed_ips=(bytes((127, 0, 0, 1)),),
            ports=range(50000, 51000),
            peers="call",
            mask_mapped_address=True,
            stun_binding=False,
            allocations_per_leg=4,
            allocations=100,
            unauthenticated_per_s=1000,
            nonce_key=bytes(32),
            local_ips=(here.packed,),
        )
        self.clocks = Clocks()
        told = PeerAddress.parse("127.0.0.1", 0)
        ports = PortSettings(
            ((told, here),),
            settings.ports,
            mask_mapped_address=True,
            unauthenticated_per_s=1000,
            rate_key=bytes(32),
            denied=Denied(default=True),
            is_this_host=lambda _: True,
        )
        both = ServerSettings(settings, ports)
        self.engine = Engine(both, Rules(**rules), self.clocks, os.urandom, lambda: None)
        self._clients: list[TurnClient] = []

    async def __aenter__(self) -> Self:
        engine, loop = self.engine, asyncio.get_running_loop()
        address = ServerAddress.parse("127.0.0.1", 0)
        self.udp = UdpListener(address, engine, engine.tally)
        streams = Streams(SourceRate(1000, bytes(32)), engine.forwarder.descriptors)
        self.tcp = TcpListener(address, engine, engine.tally, None, streams)
        for listener in (self.udp, self.tcp):
            engine.forwarder.add(listener)
            listener.start(loop)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for client in self._clients:
            client.sock.close()
        self.engine.forwarder.close_ports()
        for listener in (self.tcp, self.udp):
            listener.close(asyncio.get_running_loop())

    def create(self, access: Mapping[str, Access] | None = None, **order: Any) -> Call:
        """A call that the API has created."""
        given = Order(**{"parties": PARTIES, "ring": False, **order})
        return self.engine.create(given, access or {})

    def client(self, call: str, leg: str, listener: UdpListener | TcpListener) -> TurnClient:
        """A client of one leg."""
        kind = socket.SOCK_DGRAM if listener is self.udp else socket.SOCK_STREAM
        sock = socket.socket(socket.AF_INET, kind)
        sock.settimeout(60)
        sock.connect(listener.address.reveal())
        expiry = int(self.clocks.now().wall) + 3600
        self._clients.append(TurnClient(sock, *credentials.mint(SECRET, call, leg, expiry)))
        return self._clients[-1]

    async def joined(self, call: Call, over_tcp: bool = False) -> tuple[TurnClient, TurnClient]:
        """Both parties, with an allocation and a channel to the other each."""
        listener = self.tcp if over_tcp else self.udp
        alice, bob = (self.client(call.id, leg.id, listener) for leg in call.legs)
        for client in (alice, bob):
            assert (await do(client.allocate)).code == 0
        for client, other in ((alice, bob), (bob, alice)):
            assert await do(client.bind, CHANNEL, other.relayed) == 0
        return alice, bob

    def pass_time(self, seconds: float) -> None:
        """Move the clocks, and have the engine look at them."""
        self.clocks.advance(seconds)
        self.engine.handle_timeout()
        self.engine.renew()

    @property
    def allocations(self) -> int:
        return self.engine.status().allocations

    def drops(self, reason: DropReason) -> int:
        return self.engine.tally.drops[reason]


async def do(function: Callable[[*_Ts], _T], *arguments: *_Ts) -> _T:
    """Let a client that blocks do something while the loop runs."""
    return await asyncio.to_thread(function, *arguments)


@on_uvloop
async def test_a_call_ends_when_its_time_is_up() -> None:
    async with Stage() as stage:
        alice, bob = await stage.joined(stage.create(max_duration_s=60))
        carol, dave = await stage.joined(stage.create(max_duration_s=61))
        stage.pass_time(59.9)
        assert await do(hears, alice, bob, b"still")
        stage.clocks.advance(0.1)  # its time is up, and nobody has looked yet
        alice.send(bob.relayed, b"late")
        assert await do(has_heard_nothing, alice, bob)
        alice.send_on(CHANNEL, b"late")
        assert await do(has_heard_nothing, alice, bob)
        assert stage.drops(DropReason.NO_ALLOCATION) == 2
        assert (stage.allocations, stage.engine.forwarder.routes) == (2, 2)
        assert (await do(alice.allocate)).code == 403
        assert await do(hears, carol, dave, b"other calls go on")


@on_uvloop
async def test_a_call_that_nobody_accepts_ends() -> None:
    async with Stage() as stage:
        call = stage.create(ring=True)
        alice, _ = await stage.joined(call)
        stage.pass_time(RING_TIMEOUT_S - 1)
        assert stage.allocations == 2
        stage.pass_time(1)
        assert stage.allocations == 0
        assert (await do(alice.allocate)).code == 403


@on_uvloop
async def test_an_accepted_call_lasts_longer_than_it_may_ring() -> None:
    async with Stage() as stage:
        call = stage.create(ring=True)
        alice, bob = await stage.joined(call)
        stage.pass_time(RING_TIMEOUT_S - 1)
        alice.send_on(CHANNEL, b"too early")
        assert await do(has_heard_nothing, alice, bob)
        assert stage.drops(DropReason.RINGING) == 1
        stage.engine.accept(call.id, None)
        stage.pass_time(2)
        assert await do(hears, alice, bob, b"accepted at the last moment")


@on_uvloop
async def test_an_allocation_that_is_not_refreshed_ends_and_its_counters_stay() -> None:
    async with Stage() as stage:
        call = stage.create()
        alice, bob = await stage.joined(call)
        assert await do(hears, alice, bob, b"12345")
        stage.pass_time(300)
        assert (await do(bob.request, Method.REFRESH)).code == 0
        stage.pass_time(301)
        first, second = (stage.engine.legs(call)[leg.id] for leg in call.legs)
        assert (first.connected, first.transport, first.packets, first.bytes) == (False, None, 1, 5)
        assert second.connected
        assert stage.engine.forwarder.routes == 0
        # The party comes back in the same call, and its counters go on.
        again = stage.client(call.id, call.legs[0].id, stage.udp)
        assert (await do(again.allocate)).code == 0
        assert await do(again.bind, CHANNEL, bob.relayed) == 0
        assert await do(bob.bind, CHANNEL + 1, again.relayed) == 0
        again.send_on(CHANNEL, b"678")
        assert await do(bob.receive) == wire.channel_data(CHANNEL + 1, b"678")
        view = stage.engine.legs(call)[call.legs[0].id]
        assert (view.connected, view.packets, view.bytes) == (True, 2, 8)


@on_uvloop
async def test_a_lost_connection_ends_the_allocation_of_that_client() -> None:
    async with Stage() as stage:
        call = stage.create()
        alice, bob = await stage.joined(call, over_tcp=True)
        assert await do(hears, alice, bob, b"over TCP")
        assert {view.transport for view in stage.engine.legs(call).values()} == {"tcp"}
        alice.sock.close()
        while stage.allocations == 2:
            assert await do(bob.permit, bob.relayed) == 403  # one turn of the loop, and more
        assert (stage.allocations, stage.engine.forwarder.routes) == (1, 0)
        assert await do(bob.bind, CHANNEL, alice.relayed) == 403


@on_uvloop
async def test_a_call_that_only_credentials_name_is_forgotten_with_its_last_client() -> None:
    async with Stage() as stage:
        for _ in range(2):  # it may begin anew
            client = stage.client("a call", "leg", stage.udp)
            assert (await do(client.allocate)).code == 0
            call = stage.engine.call("a call")
            assert call.is_active
            assert stage.engine.forwarder.meter(LegKey("a call", "leg"))
            assert (await do(client.request, Method.REFRESH, wire.lifetime(0))).code == 0
            assert (call.state, sum(stage.engine.counts().values())) == (State.ENDED, 0)
            assert stage.engine.forwarder.meter(LegKey("a call", "leg")) is None
            assert stage.engine.legs(call) == {}


@on_uvloop
async def test_a_drained_engine_is_one_where_nobody_talks_or_is_called() -> None:
    async with Stage() as stage:
        engine = stage.engine
        client = stage.client("a call", "leg", stage.udp)
        assert (await do(client.allocate)).code == 0
        ringing = stage.create(ring=True)
        assert not engine.drained.is_set()
        engine.drain()
        assert engine.status().draining
        assert not engine.drained.is_set()
        assert (await do(client.request, Method.REFRESH, wire.lifetime(0))).code == 0
        assert not engine.drained.is_set()
        assert (await do(client.allocate)).code == 508
        engine.end(ringing.id)
        assert engine.drained.is_set()


@on_uvloop
async def test_a_fault_of_ours_costs_one_datagram(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with Stage() as stage:
        alice, bob = await stage.joined(stage.create())
        real = stage.engine.server.receive

        def broken(datagram: bytes, client: FiveTuple, now: Now) -> list[Effect]:
            if b"poison" in datagram:
                raise RuntimeError("a fault")
            return real(datagram, client, now)

        monkeypatch.setattr(stage.engine.server, "receive", broken)
        with caplog.at_level(logging.CRITICAL):
            alice.send(bob.relayed, b"poison")
            assert await do(has_heard_nothing, alice, bob)
        assert stage.drops(DropReason.INTERNAL) == 1
        assert await do(hears, alice, bob, b"on we go")


@on_uvloop
async def test_a_fault_with_one_effect_leaves_the_others_applied(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Stage() as stage:
        call = stage.create()
        await stage.joined(call)
        forwarder = stage.engine.forwarder
        legs = [leg.key for leg in call.legs]

        def drop_leg(leg: DropLeg) -> None:
            raise OSError(f"of {leg.leg}")

        monkeypatch.setattr(forwarder.kernel, "drop_leg", drop_leg)
        stage.engine.end(call.id)
        assert [forwarder.meter(leg) for leg in legs] == [None, None]
        assert [record.message for record in caplog.records] == ["effect_failed"] * 2
        assert stage.drops(DropReason.INTERNAL) == 2


@on_uvloop
async def test_the_user_path_forwards_no_longer_though_the_kernel_fails_to_forget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Stage() as stage:
        call = stage.create()
        await stage.joined(call)
        forwarder = stage.engine.forwarder
        assert forwarder.routes == 2

        def drop_route(_: DropRoute) -> None:
            raise OSError("no such map")

        monkeypatch.setattr(forwarder.kernel, "drop_route", drop_route)
        stage.engine.end(call.id)
        assert forwarder.routes == 0


@on_uvloop
async def test_a_fault_with_what_is_due_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Stage() as stage:
        stage.create(max_duration_s=100)

        def ended(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("relay.server.ended", ended)
        stage.pass_time(101)
        assert [record.message for record in caplog.records] == ["timeout_failed"]
        assert caplog.records[0].exc_info is not None


def test_every_effect_has_its_handler() -> None:
    stage = Stage()
    assert set(stage.engine._handlers) == set(get_args(Effect))
    stage.engine.apply([Count(DropReason.TOO_SHORT)])
    assert stage.drops(DropReason.TOO_SHORT) == 1
