"""An engine with real listeners and clients, and clocks that only the test moves."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar, TypeVarTuple

from relay.address import PeerAddress, ServerAddress
from relay.calls import credentials
from relay.calls.call import Call
from relay.calls.making import Order, Party
from relay.calls.rate import SourceRate
from relay.calls.rules import Rules
from relay.clock import Now
from relay.daemon.engine import Engine
from relay.errors import DropReason
from relay.forward.user.streams import Streams
from relay.forward.user.tcp import TcpListener
from relay.forward.user.udp import UdpListener
from relay.ice.access import Access
from relay.ice.settings import PortSettings
from relay.server import ServerSettings
from relay.special_use import Denied
from relay.turn.settings import TurnSettings
from tests.daemon.talking import CHANNEL
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
        expiry = int(self.clocks.now().wall) + 3600
        return self.client_with(*credentials.mint(SECRET, call, leg, expiry), listener)

    def client_with(
        self, username: str, password: str, listener: UdpListener | TcpListener
    ) -> TurnClient:
        """A client with these credentials."""
        kind = socket.SOCK_DGRAM if listener is self.udp else socket.SOCK_STREAM
        sock = socket.socket(socket.AF_INET, kind)
        sock.settimeout(60)
        sock.connect(listener.address.reveal())
        self._clients.append(TurnClient(sock, username, password))
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
