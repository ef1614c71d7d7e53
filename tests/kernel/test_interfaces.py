"""What the kernel is asked: interfaces, addresses, and the way to a client."""

import errno
import ipaddress
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from relay.address import ServerAddress
from relay.errors import FastPathError
from relay.forward.kernel import layout
from relay.forward.kernel.interfaces import Interfaces, Way
from relay.forward.netlink import Changes, Netlink
from relay.forward.own_addresses import OwnAddresses
from tests.kit.namespaces import Namespace

_HOST4, _HOST6 = "192.0.2.1", "2001:db8::1"


def packed(host: str) -> bytes:
    return ipaddress.ip_address(host).packed


@pytest.fixture(autouse=True)
def cables(namespace: Namespace) -> Iterator[None]:
    """Two interfaces: `cvf-a` with addresses and the default route, `cvf-b` with one more each."""
    namespace.set_up(
        [
            "link add cvf-a mtu 1400 type veth peer name cvf-b",
            f"addr add {_HOST4}/24 dev cvf-a",
            f"addr add {_HOST6}/64 dev cvf-a nodad",
            "addr add 198.51.100.1/24 dev cvf-b",
            "addr add 2001:db8:b::1/64 dev cvf-b nodad",
            "link set cvf-a up",
            "link set cvf-b mtu 1400 up",
            "route add default via 192.0.2.254 dev cvf-a",
            "route add ::/0 via 2001:db8::fe dev cvf-a",
        ]
    )
    yield
    namespace.set_up(["link del cvf-a"])


@contextmanager
def interfaces(
    *listeners: str, names: tuple[str, ...] = (), relayed: tuple[str, ...] = ()
) -> Iterator[Interfaces]:
    addresses = [ServerAddress.parse(host, 3478) for host in listeners]
    made = Interfaces(names, addresses, [ServerAddress.parse(host, 0) for host in relayed])
    try:
        yield made
    finally:
        made.close()


def index(name: str) -> int:
    return socket.if_nametoindex(name)


@pytest.mark.parametrize(
    ("listeners", "expected"),
    [
        ([_HOST4], ["cvf-a"]),
        ([_HOST6], ["cvf-a"]),
        ([_HOST4, "198.51.100.1"], ["cvf-a", "cvf-b"]),
        (["127.0.0.1"], ["lo"]),
        (["::1", _HOST4], ["lo", "cvf-a"]),
        (["203.0.113.1"], []),
    ],
    ids=str,
)
def test_interfaces_that_carry_the_listen_addresses_are_filtered(
    listeners: list[str], expected: list[str]
) -> None:
    with interfaces(*listeners) as seen:
        assert set(seen.ingress()) == {index(name) for name in expected}


@pytest.mark.parametrize("listener", ["127.0.0.1", _HOST4])
@pytest.mark.parametrize("relayed", [("198.51.100.1",), (_HOST4, "2001:db8:b::1")], ids=str)
def test_interfaces_that_carry_relayed_ports_are_filtered_too(
    listener: str, relayed: tuple[str, ...]
) -> None:
    with interfaces(listener) as without, interfaces(listener, relayed=relayed) as seen:
        assert set(seen.ingress()) == set(without.ingress()) | {
            index("cvf-b" if host in ("198.51.100.1", "2001:db8:b::1") else "cvf-a")
            for host in relayed
        }


def test_interfaces_that_are_named_are_filtered() -> None:
    with interfaces(_HOST4, names=("cvf-b", "lo"), relayed=(_HOST4,)) as seen:
        assert seen.ingress() == sorted([index("lo"), index("cvf-b")])


def test_interface_without_ethernet_is_refused() -> None:
    with pytest.raises(FastPathError, match="cvf-none"):
        Interfaces(["cvf-none"], [], [])


@pytest.mark.parametrize(
    ("client", "server", "name"),
    [
        ("203.0.113.9", _HOST4, "cvf-a"),
        ("192.0.2.7", _HOST4, "cvf-a"),
        ("198.51.100.7", "198.51.100.1", "cvf-b"),
        ("2001:db8:b::7", "2001:db8:b::1", "cvf-b"),
        ("2001:db8:ffff::7", _HOST6, "cvf-a"),
        (_HOST4, _HOST4, "lo"),
        (_HOST6, _HOST6, "lo"),
        ("127.0.0.1", "127.0.0.1", "lo"),
    ],
)
def test_way_is_the_kernels_own(client: str, server: str, name: str) -> None:
    mtu = 65536 if name == "lo" else 1400
    with interfaces(_HOST4) as seen:
        size = layout.packet_size_max(packed(client), mtu)
        assert seen.way(packed(client), packed(server)) == Way(index(name), size)


@pytest.mark.parametrize("client", ["fe80::7", "224.0.0.1", "255.255.255.255", "192.0.2.255"])
def test_there_is_no_way_to_what_is_no_client(client: str) -> None:
    server = _HOST6 if ":" in client else _HOST4
    with interfaces(_HOST4) as seen:
        assert seen.way(packed(client), packed(server)) is None


def test_rules_that_look_at_the_relays_address_hold(namespace: Namespace) -> None:
    target = packed("203.0.113.9")
    with interfaces(_HOST4) as seen:
        namespace.set_up(
            [
                "rule add from 198.51.100.1 table 77",
                "route add default via 198.51.100.254 dev cvf-b table 77",
            ]
        )
        try:
            one, other = seen.way(target, packed(_HOST4)), seen.way(target, packed("198.51.100.1"))
            assert one
            assert other
            assert (one.ifindex, other.ifindex) == (index("cvf-a"), index("cvf-b"))
        finally:
            namespace.set_up(["rule del from 198.51.100.1 table 77"])


def test_no_way_leads_over_an_interface_that_is_down(namespace: Namespace) -> None:
    namespace.set_up(["link set cvf-a down"])
    with interfaces(_HOST4) as seen:
        assert seen.way(packed("192.0.2.7"), packed(_HOST4)) is None


@pytest.mark.parametrize(
    "change",
    [
        "addr add 192.0.2.3/24 dev cvf-a",
        "addr add 2001:db8::3/64 dev cvf-a nodad",
        "route add 203.0.113.0/24 dev cvf-a",
        "route add 2001:db8:c::/64 dev cvf-a",
        "rule add from 192.0.2.3 table main",
        "link set cvf-a down",
    ],
)
def test_changes_are_told(namespace: Namespace, change: str) -> None:
    changes = Changes()
    try:
        changes.drain()
        assert not changes.drain()
        namespace.set_up([change])
        assert changes.drain()
        assert not changes.drain()
    finally:
        changes.close()
        if change.startswith("rule"):
            namespace.set_up([change.replace("add", "del")])


def test_more_changes_than_fit_are_one_change(namespace: Namespace) -> None:
    changes = Changes()
    try:
        changes.drain()
        routes = [f"route add 10.{i // 256}.{i % 256}.0/24 dev cvf-a" for i in range(4_000)]
        namespace.set_up(routes)
        assert changes.drain()
        assert not changes.drain()
    finally:
        changes.close()


def test_dump_that_does_not_fit_one_datagram_is_whole(namespace: Namespace) -> None:
    namespace.set_up([f"addr add 10.9.{i // 250}.{i % 250 + 1}/32 dev cvf-b" for i in range(1_000)])
    netlink = Netlink()
    try:
        assert len([p for p in netlink.addresses() if p[:2] == b"\x0a\x09"]) == 1_000
    finally:
        netlink.close()


def test_an_answer_that_was_left_is_not_taken_for_the_next() -> None:
    netlink = Netlink()
    try:
        netlink._send(18, 1, struct.pack("=BxHiII", 0, 0, index("lo"), 0, 0))  # RTM_GETLINK
        assert {link.name for link in netlink.links()} >= {"lo", "cvf-a", "cvf-b"}
        netlink._send(18, 1, struct.pack("=BxHiII", 0, 0, index("lo"), 0, 0))
        hop = netlink.next_hop(packed("203.0.113.9"), packed(_HOST4))
        assert hop is not None
        assert hop.ifindex == index("cvf-a")
    finally:
        netlink.close()


def test_own_addresses_are_those_of_every_interface_as_they_are_now(namespace: Namespace) -> None:
    own = OwnAddresses()
    try:
        for host in (_HOST4, _HOST6, "198.51.100.1", "2001:db8:b::1", "127.0.0.1", "::1"):
            assert own.has(packed(host))
        assert not own.has(packed("192.0.2.254"))
        for host in ("198.51.100.77", "2001:db8:b::77"):
            assert not own.has(packed(host))
            namespace.set_up([f"addr add {host} dev cvf-b"])
            assert own.has(packed(host))
            namespace.set_up([f"addr del {host} dev cvf-b"])
            assert not own.has(packed(host))
    finally:
        own.close()


def test_where_the_kernel_tells_no_addresses_every_one_may_be_this_hosts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> socket.socket:
        raise OSError(errno.EAFNOSUPPORT, "address family not supported")

    monkeypatch.setattr(socket, "socket", refuse)
    own = OwnAddresses()
    assert own.has(packed("8.8.8.8"))
    own.close()


def teach_path_mtus(numbers: range) -> set[bytes]:
    """Have ICMP tell this host a path MTU to so many addresses, which it sends to afterwards."""
    relay = packed(_HOST4)
    taught = set()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as icmp,
    ):
        udp.bind((_HOST4, 3478))
        udp.setblocking(False)
        for number in numbers:
            target = (0x0B000000 + number).to_bytes(4)
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 1400, 0, 0x4000, 64, 17, 0, relay, target)
            quoted = ip[:10] + checksum(ip) + ip[12:] + struct.pack("!HHHH", 3478, 9, 1380, 0)
            told = struct.pack("!BBHHH", 3, 4, 0, 0, 1000) + quoted  # RFC 1191 section 4
            icmp.sendto(told[:2] + checksum(told) + told[4:], (_HOST4, 0))
            with suppress(OSError):  # nobody is there
                udp.sendto(b"x", (socket.inet_ntoa(target), 9))
            taught.add(target)
    return taught


def checksum(data: bytes) -> bytes:
    """RFC 1071; of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2)


def test_a_path_mtu_is_told_once() -> None:
    with interfaces(_HOST4) as found:
        assert found.new_path_mtus() == set()
        taught = teach_path_mtus(range(3))
        assert found.new_path_mtus() == taught
        assert found.new_path_mtus() == set()


def test_of_very_many_path_mtus_a_call_looks_at_some_and_all_are_told_in_the_end() -> None:
    with interfaces(_HOST4) as found:
        taught = teach_path_mtus(range(4000))
        assert found.new_path_mtus() == set()
        told = [found.new_path_mtus() for _ in range(8)]
        assert set().union(*told) <= taught
        assert len(set().union(*told)) > 3000  # the kernel keeps five of each of its buckets
