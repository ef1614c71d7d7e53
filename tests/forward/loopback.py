"""Listeners and clients on loopback, and a core that notes what it is asked."""

import asyncio
import itertools
import socket
import time
from collections.abc import Callable
from typing import Self

from relay.address import FiveTuple, ServerAddress, Transport
from relay.calls.rate import SourceRate
from relay.effects import Effect, LegKey, OpenPort, SetLeg, SetRoute, Via
from relay.errors import DropReason
from relay.forward.forwarder import Forwarder
from relay.forward.listener import Listener
from relay.forward.meter import Tally
from relay.forward.user import sockets
from relay.forward.user.core import IcmpError
from relay.forward.user.gate import Gate
from relay.forward.user.mmsg import MmsgBatch
from relay.forward.user.plain import PlainBatch
from relay.forward.user.slots import Batch
from relay.forward.user.streams import Streams
from relay.forward.user.tcp import TcpListener
from relay.forward.user.udp import UdpListener
from tests.forward.clients import STUN, Client, StreamClient, UdpClient
from tests.kit.certificates import contexts
from tests.kit.requirements import require_ipv6

V4, V6 = "127.0.0.1", "::1"
HERE, THERE, ELSEWHERE = "127.0.0.1", "127.0.1.1", "127.0.2.1"
"""Of three networks, as they are counted."""
BATCHES: list[type[Batch]] = [MmsgBatch, PlainBatch]
ALICE, BOB = LegKey("call", "alice"), LegKey("call", "bob")
FOREVER_NS = 2**62
AMPLE = 10**9
"""A cap that no test runs into."""

STRANGERS_PER_S = 1
"""Frames of one source, over streams; ten seconds' worth may come at once."""

_MARKS = itertools.count()


class NotingCore:
    """What the listeners ask of the core, noted; `known` is for the test to say."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, FiveTuple]] = []
        self.disconnected: list[FiveTuple] = []
        self.errors: list[tuple[IcmpError, FiveTuple]] = []
        self.known: set[FiveTuple] = set()
        self.answer: Callable[[bytes, FiveTuple], None] = lambda datagram, client: None
        self._changed = asyncio.Event()

    def receive(self, datagram: bytes, client: FiveTuple) -> None:
        self.received.append((datagram, client))
        self.answer(datagram, client)
        self._changed.set()

    def receive_error(self, error: IcmpError, client: FiveTuple) -> None:
        self.errors.append((error, client))
        self._changed.set()

    def disconnect(self, client: FiveTuple) -> None:
        self.disconnected.append(client)
        self._changed.set()

    def is_known(self, client: FiveTuple) -> bool:
        return client in self.known

    def is_proven(self, datagram: bytes, client: FiveTuple) -> bool:
        return False

    @property
    def datagrams(self) -> list[bytes]:
        """What came, without from whom, and without the marks of `Stage.settle`."""
        return [datagram for datagram, _ in self.received if not datagram.startswith(b"mark")]

    async def until(self, fact: Callable[[], bool]) -> None:
        """Wait for something that is true once the core has been asked."""
        while not fact():
            self._changed.clear()
            await self._changed.wait()


class Stage:
    """A forwarder with its listeners, for one `async with` block."""

    def __init__(self, batch: type[Batch] | None = None) -> None:
        self.core = NotingCore()
        self.tally = Tally()
        self.forwarder = Forwarder(self.tally, time.monotonic_ns, batch)
        self.forwarder.receive_ports(self.core)
        self.failed: list[tuple[OpenPort, int]] = []
        """Ports that could not be opened, and the numbers of the errors."""
        self.forwarder.port_failed = lambda effect, number: self.failed.append((effect, number))
        rate = SourceRate(STRANGERS_PER_S, bytes(32))
        self.streams = Streams(rate, self.forwarder.descriptors)
        self._batch = batch
        self._listeners: list[Listener] = []
        self._clients: list[Client] = []

    async def __aenter__(self) -> Self:
        self.apply(SetLeg(ALICE, AMPLE, AMPLE), SetLeg(BOB, AMPLE, AMPLE))
        return self

    async def __aexit__(self, *exc: object) -> None:
        for client in self._clients:
            client.close()
        for listener in self._listeners:
            listener.close(asyncio.get_running_loop())
        self.forwarder.close_ports()

    def udp(self, host: str = V4, *, gate: Gate | None = None) -> UdpListener:
        """A UDP listener that receives."""
        _require(host)
        address = ServerAddress.parse(host, 0)
        listener = UdpListener(address, self.core, self.tally, self._batch, gate)
        self._start(listener)
        return listener

    def port(self, host: str = V4, *, is_outer: bool = False) -> UdpListener:
        """A relayed port on a number that nobody has."""
        _require(host)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as free:
            free.bind((host, 0))
            address = sockets.bound_address(free)
        self.apply(OpenPort(address, is_outer=is_outer))
        return self.forwarder.ports[address]

    def stream(self, transport: Transport, host: str = V4) -> TcpListener:
        """A TCP or TLS listener that accepts."""
        _require(host)
        context = contexts()[0] if transport is Transport.TLS else None
        listener = TcpListener(
            ServerAddress.parse(host, 0), self.core, self.tally, context, self.streams
        )
        self._start(listener)
        return listener

    def close(self, listener: Listener) -> None:
        """Close a listener now, and not at the end."""
        self._listeners.remove(listener)
        listener.close(asyncio.get_running_loop())

    def client(self, listener: UdpListener) -> UdpClient:
        """A client over UDP."""
        client = UdpClient(listener)
        self._clients.append(client)
        return client

    async def connect(
        self, listener: TcpListener, source: str = "", *, plain: bool = False
    ) -> StreamClient:
        """A client over TCP or TLS that has no allocation.

        Args:
            source: its own address; the listener's unless said otherwise.
            plain: without TLS, whatever the listener is for.
        """
        host, port = listener.address.reveal()
        is_tls = Transport.TLS in listener.transports and not plain
        trust = contexts()[1] if is_tls else None
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        # Small buffers: what the test does not read stays at the relay.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        try:
            sock.bind((source or host, 0))
            await asyncio.get_running_loop().sock_connect(sock, (host, port))
        except OSError:
            sock.close()
            raise
        reader, writer = await asyncio.open_connection(
            sock=sock, ssl=trust, server_hostname=host if trust else None, limit=1024
        )
        client = StreamClient(listener, reader, writer)
        self._clients.append(client)
        return client

    async def greet(self, *clients: StreamClient) -> None:
        """Have listeners know these clients' connections, and give each an allocation."""
        for client in clients:
            count = len(self.core.received)
            self.core.known.add(client.five_tuple)
            client.say(STUN)
            await self.core.until(lambda count=count: len(self.core.received) > count)  # type: ignore[misc]

    async def allocated(
        self, listener: TcpListener, source: str = "", *, plain: bool = False
    ) -> StreamClient:
        """A client over TCP or TLS that has an allocation."""
        client = await self.connect(listener, source, plain=plain)
        await self.greet(client)
        return client

    def pair(self, host: str = V4, *, gate: Gate | None = None) -> tuple[UdpClient, UdpClient]:
        """Two clients of one UDP listener."""
        listener = self.udp(host, gate=gate)
        return self.client(listener), self.client(listener)

    def routed_pair(self, host: str = V4) -> tuple[UdpClient, UdpClient]:
        """Two clients of one UDP listener, and a route from 0x4001 of the first to 0x4002."""
        one, two = self.pair(host)
        self.route(one, 0x4001, two, 0x4002)
        return one, two

    async def stream_pair(
        self, transport: Transport, host: str = V4
    ) -> tuple[StreamClient, StreamClient]:
        """Two clients of one TCP or TLS listener, each with an allocation."""
        listener = self.stream(transport, host)
        return await self.allocated(listener), await self.allocated(listener)

    async def arrived(self, listener: TcpListener, source: str = HERE) -> StreamClient:
        """A client over TCP or TLS that has said something, and has no allocation."""
        client = await self.connect(listener, source)
        client.say(STUN)
        await self.core.until(
            lambda: any(client.five_tuple == each for _, each in self.core.received)
        )
        return client

    async def client_over(self, transport: Transport, host: str = V4) -> Client:
        """A client of a listener of its own, which holds an allocation."""
        if transport is Transport.UDP:
            return self.client(self.udp(host))
        return await self.allocated(self.stream(transport, host))

    def apply(self, *effects: Effect) -> None:
        """As the daemon does it."""
        for effect in effects:
            self.forwarder.handlers[type(effect)](effect)

    def route(
        self,
        source: Client,
        channel: Via,
        target: Client,
        target_channel: Via,
        leg: LegKey = ALICE,
        expires_ns: int = FOREVER_NS,
    ) -> None:
        """Set a route."""
        ends = (source.five_tuple, channel, target.five_tuple, target_channel)
        self.apply(SetRoute(*ends, leg, expires_ns))

    def join(self, one: Client, channel: Via, two: Client, other_channel: Via) -> None:
        """Set routes both ways: alice's leg pays for what the first sends, bob's for the other."""
        self.route(one, channel, two, other_channel)
        self.route(two, other_channel, one, channel, BOB)

    async def settle(self, client: UdpClient) -> None:
        """Wait until the listener has seen all that was sent to it so far."""
        mark = b"mark %d" % next(_MARKS)
        client.say(mark)
        await self.core.until(lambda: any(mark == each for each, _ in self.core.received))

    def _start(self, listener: Listener) -> None:
        self.forwarder.add(listener)
        listener.start(asyncio.get_running_loop())
        self._listeners.append(listener)

    def counts(self, *legs: LegKey) -> list[tuple[int, int, int]]:
        """Packets and bytes that these legs have sent, and packets they have lost."""
        meters = [self.forwarder.meter(leg) for leg in legs]
        return [(meter.packets, meter.bytes, meter.dropped) for meter in meters if meter]

    @property
    def drops(self) -> dict[DropReason, int]:
        """What was dropped, for which reasons."""
        return {reason: count for reason in DropReason if (count := self.tally.drops[reason])}


def _require(host: str) -> None:
    """Leave a test that cannot run here."""
    if host == V6:
        require_ipv6()
