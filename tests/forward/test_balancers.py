"""Connections through load balancers: the header first, and then the client that it names."""

import asyncio
import ipaddress
import itertools
import socket
from contextlib import ExitStack

import pytest

from relay.address import ClientAddress, FiveTuple, Transport
from relay.crowd import Crowd
from relay.errors import DropReason
from relay.forward.user.arrival import HANDSHAKE_S
from relay.forward.user.connection import STRANGERS_FRAMES
from relay.forward.user.tcp import TcpListener
from tests.forward import proxying
from tests.forward.clients import STUN, padded
from tests.forward.loopback import ELSEWHERE, HERE, STRANGERS_PER_S, THERE, V6, Stage
from tests.forward.proxying import LOCAL, PROXY, TCP4, UNIX, UNSPEC
from tests.kit.certificates import contexts, hello
from tests.kit.loops import on_movable_loop, on_uvloop, pass_time

both = pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])

ALICE, BOB, CAROL = ("192.0.2.77", 4001), ("2001:db8::b0b", 4002), ("198.51.100.9", 4003)
BAD = {DropReason.BAD_PROXY_HEADER: 1}


class Through:
    """One connection of a load balancer's."""

    def __init__(self, listener: TcpListener, sock: socket.socket) -> None:
        self._listener = listener
        self.sock = sock
        self.loop = asyncio.get_running_loop()

    async def say(self, data: bytes) -> None:
        await self.loop.sock_sendall(self.sock, data)

    async def is_cut(self) -> bool:
        """Whether it ends, now or at some time, with nothing more on it."""
        try:
            return await self.loop.sock_recv(self.sock, 1) == b""
        except ConnectionError:
            return True

    def five_tuple(
        self, client: tuple[str, int], transport: Transport = Transport.TCP
    ) -> FiveTuple:
        """That of the client it passes on."""
        return FiveTuple(transport, ClientAddress.parse(*client), self._listener.address)


class Balancer(ExitStack):
    """A load balancer at HERE or ::1, which the stage's listeners trust."""

    def __init__(self, stage: Stage, *more: str) -> None:
        super().__init__()
        networks = ("127.0.0.1/32", "::1/128", *more)
        stage.streams.balancers = [ipaddress.ip_network(each) for each in networks]

    async def connect(self, listener: TcpListener, said: bytes = b"", source: str = "") -> Through:
        """A connection on which so much has been said."""
        host, port = listener.address.reveal()
        sock = self.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((source or host, 0))
        through = Through(listener, sock)
        await through.loop.sock_connect(sock, (host, port))
        await through.say(said)
        return through


@pytest.mark.parametrize("host", [HERE, V6])
@pytest.mark.parametrize("client", [ALICE, BOB])
@both
@on_uvloop
async def test_the_client_is_who_the_header_says(
    stage: Stage, transport: Transport, host: str, client: tuple[str, int]
) -> None:
    with Balancer(stage) as balancer:
        through = await balancer.connect(
            stage.stream(transport, host), proxying.of(*client, b"\x04\0\1\0") + STUN + STUN
        )
        await stage.core.until(lambda: len(stage.core.received) == 2)
        assert stage.core.received == [(STUN, through.five_tuple(client))] * 2
        through.sock.close()
        await stage.core.until(lambda: stage.core.disconnected == [through.five_tuple(client)])
        assert stage.drops == {}


@on_uvloop
async def test_tls_begins_behind_the_header(stage: Stage) -> None:
    with Balancer(stage) as balancer:
        listener = stage.stream(Transport.TLS)
        through = await balancer.connect(listener, proxying.of(*ALICE))
        reader, writer = await asyncio.open_connection(
            sock=through.sock, ssl=contexts()[1], server_hostname=HERE
        )
        alice = through.five_tuple(ALICE, Transport.TLS)
        stage.core.known.add(alice)
        stage.core.answer = lambda datagram, client: listener.send(client, datagram)
        writer.write(STUN)
        assert await reader.readexactly(len(STUN)) == STUN
        assert stage.core.received == [(STUN, alice)]
        writer.transport.abort()
        await stage.core.until(lambda: stage.core.disconnected == [alice])


@both
@on_uvloop
async def test_the_header_may_be_split_at_every_byte(stage: Stage, transport: Transport) -> None:
    with Balancer(stage) as balancer:
        listener = stage.stream(transport)
        for number, client in enumerate((ALICE, BOB)):
            through = await balancer.connect(listener)
            for byte in proxying.of(*client, b"\x04\0\0") + STUN:
                await through.say(bytes([byte]))
                await asyncio.sleep(0)
            await stage.core.until(lambda number=number: len(stage.core.received) > number)  # type: ignore[misc]
            assert stage.core.received[-1] == (STUN, through.five_tuple(client))


@on_uvloop
async def test_a_client_hello_may_be_split_from_the_header_anywhere(stage: Stage) -> None:
    with Balancer(stage) as balancer:
        listener = stage.stream(Transport.TLS)
        for cut in range(1, 40):
            whole = proxying.of(ALICE[0], cut) + hello()
            through = await balancer.connect(listener, whole[:cut])
            await asyncio.sleep(0)
            await through.say(whole[cut:])
            assert await through.loop.sock_recv(through.sock, 1) == hello()[:1]
            through.sock.close()
        assert stage.drops == {}


@pytest.mark.parametrize("family", [UNSPEC, TCP4, UNIX])
@both
@on_uvloop
async def test_a_local_connection_is_the_load_balancers_own(
    stage: Stage, transport: Transport, family: int
) -> None:
    with Balancer(stage) as balancer:
        own = proxying.header(LOCAL, family, bytes(12))
        through = await balancer.connect(stage.stream(transport), own + STUN)
        await stage.core.until(lambda: len(stage.core.received) == 1)
        assert stage.core.received == [(STUN, through.five_tuple(through.sock.getsockname()))]


@pytest.mark.parametrize(
    "said",
    [
        STUN,
        b"PROXY TCP4 192.0.2.77 198.51.100.1 4001 443\r\n" + STUN,
        proxying.header(PROXY, UNIX, bytes(216)) + STUN,
        proxying.header(PROXY, UNSPEC, b"") + STUN,
        proxying.header(PROXY, TCP4, bytes(11)) + STUN,
        proxying.header(PROXY, TCP4, b"", 0xFFFF),
        proxying.header(PROXY, TCP4, b"", 537),
        padded(0x4001, bytes(12)),
    ],
    ids=["none", "version 1", "unix", "unspec", "short", "endless", "too long", "data"],
)
@both
@on_uvloop
async def test_without_a_right_header_a_load_balancer_is_cut_and_counted(
    stage: Stage, transport: Transport, said: bytes
) -> None:
    with Balancer(stage) as balancer:
        listener = stage.stream(transport)
        assert await (await balancer.connect(listener, said)).is_cut()
        assert (stage.drops, stage.core.received, listener.strangers) == (BAD, [], 0)
        assert stage.forwarder.descriptors.taken == 0


@on_uvloop
async def test_a_tls_client_without_a_header_is_cut_and_counted(stage: Stage) -> None:
    with Balancer(stage) as balancer:
        assert await (await balancer.connect(stage.stream(Transport.TLS), hello())).is_cut()
        assert stage.drops == BAD


@both
@on_uvloop
async def test_a_stream_that_ends_within_the_header_is_counted(
    stage: Stage, transport: Transport
) -> None:
    with Balancer(stage) as balancer:
        listener, whole = stage.stream(transport), proxying.of(*ALICE)
        for end in range(len(whole)):
            through = await balancer.connect(listener, whole[:end])
            through.sock.shutdown(socket.SHUT_WR)
            assert await through.is_cut()
            assert stage.drops == {DropReason.BAD_PROXY_HEADER: end + 1}
        assert (stage.core.received, listener.strangers) == ([], 0)


@pytest.mark.parametrize("end", [0, 1, 15, 16, 27])
@on_movable_loop
async def test_the_header_has_to_be_there_within_the_time_of_the_handshake(
    stage: Stage, end: int
) -> None:
    with Balancer(stage) as balancer:
        listener = stage.stream(Transport.TLS)
        through = await balancer.connect(listener, proxying.of(*ALICE)[:end])
        later = await balancer.connect(listener, proxying.of(*BOB) + STUN)  # accepted after it
        await stage.core.until(lambda: len(stage.core.received) == 1)
        pass_time(HANDSHAKE_S)
        assert await through.is_cut()
        assert stage.drops == BAD
        assert set(listener.connections) == {later.five_tuple(BOB)}


@on_movable_loop
async def test_the_header_gives_no_more_time_for_the_handshake(stage: Stage) -> None:
    with Balancer(stage) as balancer:
        listener = stage.stream(Transport.TLS)
        through = await balancer.connect(listener, proxying.of(*ALICE) + hello()[:6])
        await balancer.connect(listener, proxying.of(*BOB) + STUN)
        await stage.core.until(lambda: len(stage.core.received) == 1)
        pass_time(HANDSHAKE_S)
        assert await through.is_cut()
        assert stage.drops == {}


@both
@on_uvloop
async def test_a_second_header_is_garbage(stage: Stage, transport: Transport) -> None:
    with Balancer(stage) as balancer:
        said = proxying.of(*ALICE) + proxying.of(*BOB) + STUN
        assert await (await balancer.connect(stage.stream(transport), said)).is_cut()
        assert (stage.drops, stage.core.received) == ({DropReason.BAD_LENGTH: 1}, [])


@pytest.mark.parametrize("said", [proxying.of(*ALICE), proxying.header(LOCAL, UNSPEC, b"")])
@both
@on_uvloop
async def test_a_header_from_elsewhere_is_garbage(
    stage: Stage, transport: Transport, said: bytes
) -> None:
    with Balancer(stage) as balancer:
        through = await balancer.connect(stage.stream(transport), said + STUN, source=THERE)
        assert await through.is_cut()
        assert (stage.drops, stage.core.received) == ({DropReason.BAD_LENGTH: 1}, [])


@both
@on_uvloop
async def test_others_speak_as_ever_beside_a_load_balancer(
    stage: Stage, transport: Transport
) -> None:
    with Balancer(stage):
        client = await stage.arrived(stage.stream(transport), THERE)
        assert stage.core.received == [(STUN, client.five_tuple)]


@both
@on_uvloop
async def test_a_whole_network_of_load_balancers_may_be_listed(
    stage: Stage, transport: Transport
) -> None:
    with Balancer(stage, "127.0.1.0/24") as balancer:
        listener = stage.stream(transport)
        for source in (THERE, "127.0.1.250"):
            through = await balancer.connect(listener, proxying.of(*ALICE) + STUN, source)
            await stage.core.until(lambda: len(stage.core.received) == 1)
            assert stage.core.received.pop() == (STUN, through.five_tuple(ALICE))
            through.sock.close()
            await stage.core.until(lambda: len(stage.core.disconnected) == 1)
            stage.core.disconnected.clear()


@on_uvloop
async def test_caps_go_by_the_client_and_not_by_the_load_balancer(stage: Stage) -> None:
    with Balancer(stage) as balancer:
        stage.streams.strangers = Crowd(2, 100)
        listener = stage.stream(Transport.TCP)
        arrived = []
        for host in ("192.0.2.1", "198.51.100.1", "203.0.113.1", "192.0.2.2", "192.0.2.3"):
            arrived.append(await balancer.connect(listener, proxying.of(host, 7) + STUN))
            await stage.core.until(lambda: len(stage.core.received) == len(arrived))
        assert await arrived[0].is_cut()
        assert stage.drops == {DropReason.CROWDED: 1}
        assert listener.strangers == 4


@on_uvloop
async def test_handshakes_are_counted_by_the_client_as_well(stage: Stage) -> None:
    with Balancer(stage) as balancer:
        stage.streams.in_tls = Crowd(1, 100)
        listener = stage.stream(Transport.TLS)
        begun = []
        for host in ("192.0.2.1", "198.51.100.1", "192.0.2.2"):
            begun.append(await balancer.connect(listener, proxying.of(host, 7) + hello()))
            assert await begun[-1].loop.sock_recv(begun[-1].sock, 65536)
        while await begun[0].loop.sock_recv(begun[0].sock, 65536):
            pass
        assert stage.drops == {DropReason.CROWDED: 1}


@on_uvloop
async def test_the_rate_of_strangers_goes_by_the_client(stage: Stage) -> None:
    with Balancer(stage) as balancer:
        listener = stage.stream(Transport.TCP)
        loud = await balancer.connect(listener, proxying.of(*ALICE))
        await loud.say(STUN * (STRANGERS_FRAMES + 10 * STRANGERS_PER_S + 1))
        assert await loud.is_cut()
        assert stage.drops == {DropReason.UNAUTHENTICATED_RATE: 1}
        count = len(stage.core.received)
        await balancer.connect(listener, proxying.of(*CAROL) + STUN * (STRANGERS_FRAMES + 5))
        await stage.core.until(lambda: len(stage.core.received) == count + STRANGERS_FRAMES + 5)
        assert stage.drops == {DropReason.UNAUTHENTICATED_RATE: 1}


@on_uvloop
async def test_connections_without_a_header_have_a_cap_that_clients_do_not_share(
    stage: Stage,
) -> None:
    with Balancer(stage) as balancer:
        stage.streams.unnamed, stage.streams.strangers = Crowd(2, 2), Crowd(2, 2)
        listener = stage.stream(Transport.TCP)
        clients = [
            await balancer.connect(listener, proxying.of(*client) + STUN) for client in (ALICE, BOB)
        ]
        await stage.core.until(lambda: len(stage.core.received) == 2)
        waiting = [await balancer.connect(listener) for _ in range(3)]
        assert await waiting[0].is_cut()
        assert stage.drops == {DropReason.CROWDED: 1}
        for through in clients:
            await through.say(STUN)
        await stage.core.until(lambda: len(stage.core.received) == 4)


@on_uvloop
async def test_who_sends_no_header_gives_way_for_a_descriptor(stage: Stage) -> None:
    with Balancer(stage) as balancer:
        stage.forwarder.descriptors.most = 1
        listener = stage.stream(Transport.TCP)
        first = await balancer.connect(listener, proxying.of(*ALICE)[:3])
        second = await balancer.connect(listener, proxying.of(*BOB) + STUN)
        assert await first.is_cut()
        await stage.core.until(lambda: len(stage.core.received) == 1)
        assert stage.core.received == [(STUN, second.five_tuple(BOB))]
        assert stage.forwarder.descriptors.taken == 1


@both
@on_uvloop
async def test_of_two_connections_of_one_client_address_the_first_stays(
    stage: Stage, transport: Transport
) -> None:
    with Balancer(stage) as balancer:
        listener = stage.stream(transport)
        first = await balancer.connect(listener, proxying.of(*ALICE) + STUN)
        await stage.core.until(lambda: len(stage.core.received) == 1)
        second = await balancer.connect(listener, proxying.of(*ALICE) + STUN)
        assert await second.is_cut()
        await first.say(STUN)
        await stage.core.until(lambda: len(stage.core.received) == 2)
        assert stage.drops == {DropReason.CLIENT_TAKEN: 1}
        assert (stage.core.disconnected, listener.strangers) == ([], 1)
        first.sock.close()
        await stage.core.until(lambda: stage.core.disconnected == [first.five_tuple(ALICE)])
        await balancer.connect(listener, proxying.of(*ALICE) + STUN)
        await stage.core.until(lambda: len(stage.core.received) == 3)


@on_uvloop
async def test_of_two_addresses_of_a_wildcard_listener_one_client_address_is_one_client(
    stage: Stage,
) -> None:
    listener = stage.stream(Transport.TCP, "0.0.0.0")  # noqa: S104  the test is about it
    client = (HERE, 0)
    with ExitStack() as stack:
        for host in (HERE, ELSEWHERE):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(client)
            client = sock.getsockname()
            through = Through(listener, sock)
            await through.loop.sock_connect(sock, (host, listener.address.port))
            await through.say(STUN)
            await stage.core.until(lambda: len(stage.core.received) == 1)
        assert await through.is_cut()
        assert stage.drops == {DropReason.CLIENT_TAKEN: 1}
        assert len(listener.connections) == 1


@on_uvloop
async def test_a_listener_that_closes_cuts_who_has_sent_no_header(stage: Stage) -> None:
    with Balancer(stage) as balancer:
        listener = stage.stream(Transport.TCP)
        waiting = [await balancer.connect(listener, proxying.of(*ALICE)[:end]) for end in (0, 9)]
        last = await balancer.connect(listener, proxying.of(*BOB) + STUN)
        await stage.core.until(lambda: len(stage.core.received) == 1)
        stage.close(listener)
        for through in itertools.chain(waiting, [last]):
            assert await through.is_cut()
        assert stage.forwarder.descriptors.taken == 0
        assert len(stage.streams.unnamed) == len(stage.streams.strangers) == 0
