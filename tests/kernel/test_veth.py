"""Two hosts on a cable, real sockets, neighbours that have to be resolved: the kernel alone.

The relay has a socket on its port, as the daemon has, and reads nothing from it: what arrives at
the clients came through the program.
"""

import itertools
import socket
from collections.abc import Iterator

import pytest

from relay.forward.kernel import FastPath
from tests.kernel.bench_rig import Route
from tests.kernel.cases import CHANNEL, PAYLOAD, TARGET_CHANNEL
from tests.kernel.paths import LEG, kernel_path, set_route
from tests.kit import namespaces
from tests.kit.frames import End, channel_data
from tests.kit.namespaces import Namespace
from tests.kit.polling import PATIENCE_S

_SERVERS = {4: End("192.0.2.1", 3478), 6: End("2001:db8::1", 3478)}
_CLIENTS = {4: "192.0.2.2", 6: "2001:db8::2"}
_numbers = itertools.count()


class Client:
    """A socket of the clients' host."""

    def __init__(self, host: Namespace, family: int) -> None:
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        self.socket = host.socket(kind, socket.SOCK_DGRAM)
        self.socket.settimeout(PATIENCE_S)
        self.socket.bind((_CLIENTS[family], 0))
        self.server = _SERVERS[family]
        self.end = End(_CLIENTS[family], self.socket.getsockname()[1])

    def send(self, channel: int, payload: bytes) -> None:
        self.socket.sendto(channel_data(channel, payload), self.server)

    def receive(self) -> tuple[bytes, End]:
        """A datagram and where it came from."""
        data, name = self.socket.recvfrom(1 << 16)
        return data, End(*name[:2])


@pytest.fixture
def clients(namespace: Namespace) -> Iterator[Namespace]:
    (host,) = namespaces.make([namespaces.own_name(next(_numbers), "clients")])
    try:
        lines = [f"link add cvf-up type veth peer name cvf-down netns {host.name}"]
        lines += [f"addr add {_SERVERS[4].host}/24 dev cvf-up"]
        lines += [f"addr add {_SERVERS[6].host}/64 dev cvf-up nodad", "link set cvf-up up"]
        namespace.set_up(lines)
        lines = [f"addr add {_CLIENTS[4]}/24 dev cvf-down", "link set cvf-down up"]
        host.set_up([*lines, f"addr add {_CLIENTS[6]}/64 dev cvf-down nodad"])
        yield host
    finally:
        namespace.set_up(["link del cvf-up"])  # a removed namespace lets go of it only later
        namespaces.remove([host.name])


@pytest.fixture
def relay(clients: Namespace) -> Iterator[FastPath]:
    with kernel_path([*_SERVERS.values()]) as path:
        yield path


@pytest.mark.parametrize("to", [4, 6])
@pytest.mark.parametrize("of", [4, 6])
def test_real_sockets_talk_through_the_kernel_alone(
    clients: Namespace, relay: FastPath, of: int, to: int
) -> None:
    a, b = Client(clients, of), Client(clients, to)
    there = Route(a.end, a.server, CHANNEL, b.end, b.server, TARGET_CHANNEL)
    back = Route(b.end, b.server, TARGET_CHANNEL, a.end, a.server, CHANNEL)
    with a.socket, b.socket:
        assert relay.set_route(set_route(there))
        assert relay.set_route(set_route(back))
        for size in (0, 1, 160, 1200):
            a.send(CHANNEL, PAYLOAD[:1] * size)
            assert b.receive() == (channel_data(TARGET_CHANNEL, PAYLOAD[:1] * size), b.server)
            b.send(TARGET_CHANNEL, PAYLOAD[1:2] * size)
            assert a.receive() == (channel_data(CHANNEL, PAYLOAD[1:2] * size), a.server)
    counts = relay.leg(LEG)
    assert counts
    assert counts.packets == 8


@pytest.mark.parametrize("to", [4, 6])
@pytest.mark.parametrize("of", [4, 6])
def test_clients_on_the_relays_own_host_talk_over_loopback(
    namespace: Namespace, of: int, to: int
) -> None:
    servers = {4: End("127.0.0.1", 3478), 6: End("::1", 3478)}
    kinds = {4: socket.AF_INET, 6: socket.AF_INET6}
    with (
        kernel_path([*servers.values()]) as path,
        socket.socket(kinds[of], socket.SOCK_DGRAM) as a,
        socket.socket(kinds[to], socket.SOCK_DGRAM) as b,
    ):
        a.bind((servers[of].host, 0))
        b.bind((servers[to].host, 0))
        b.settimeout(PATIENCE_S)
        one, other = End(*a.getsockname()[:2]), End(*b.getsockname()[:2])
        route = Route(one, servers[of], CHANNEL, other, servers[to], TARGET_CHANNEL)
        assert path.set_route(set_route(route))
        a.sendto(channel_data(CHANNEL, PAYLOAD), servers[of])
        data, name = b.recvfrom(2048)
        assert (data, End(*name[:2])) == (channel_data(TARGET_CHANNEL, PAYLOAD), servers[to])


def test_segmented_send_goes_up_whole_and_is_not_taken_for_one_packet(
    clients: Namespace, relay: FastPath
) -> None:
    """UDP_SEGMENT: many datagrams cross a veth as one super-packet."""
    udp_segment = 103
    a, b = Client(clients, 4), Client(clients, 4)
    with a.socket, b.socket, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(tuple(a.server))
        listener.settimeout(PATIENCE_S)
        route = Route(a.end, a.server, CHANNEL, b.end, b.server, TARGET_CHANNEL)
        assert relay.set_route(set_route(route))
        one = channel_data(CHANNEL, PAYLOAD)
        a.socket.setsockopt(socket.SOL_UDP, udp_segment, len(one))
        a.socket.sendto(one * 4, a.server)
        assert [listener.recv(2048) for _ in range(4)] == [one] * 4
        counts = relay.leg(LEG)
        assert counts
        assert counts.packets == 0
