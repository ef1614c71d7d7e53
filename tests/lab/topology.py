"""The laboratory's map: who is where, behind what, with which address.

    caller ── caller-nat ──┐
                           internet ──── relay
    callee ── callee-nat ──┘    └─────── sink     (owns every address nobody else has)

Two parties that learn each other's public address could reach each other directly: nothing but
the relay keeps them apart. `internet` forwards; `relay` does not.
"""

import itertools
import random
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.kit import namespaces
from tests.kit.namespaces import Namespace
from tests.kit.polling import wait_until
from tests.kit.program import Program


class Pair(NamedTuple):
    """The IPv4 and the IPv6 address of one host."""

    v4: str
    v6: str


class Party(NamedTuple):
    """Every address by which a party could be found."""

    private: Pair
    public: Pair

    @property
    def addresses(self) -> tuple[str, ...]:
        """All four: canaries."""
        return (*self.private, *self.public)

    @property
    def ips(self) -> tuple[IPv4Address | IPv6Address, ...]:
        """The same, parsed."""
        return tuple(ip_address(address) for address in self.addresses)


CALLER = Party(
    Pair("10.77.141.93", "fd77:4129:a3c5:71::5d93"),
    Pair("198.18.77.41", "2001:db8:7741:c5::41d9"),
)
CALLEE = Party(
    Pair("10.203.86.211", "fd20:3862:11b7:9d::e9a4"),
    Pair("198.19.142.87", "2001:db8:1428:7a::b35c"),
)
RELAY = Pair("203.0.113.77", "2001:db8:5eed:1::77")
SINK = Pair("192.0.2.2", "2001:db8:ffff:5::2")

ANYWHERE = IPv4Network("100.64.0.0/10")
"""Where strangers are from: the sink's, as every address is that nobody else has."""


def anywhere(rng: random.Random) -> IPv4Address:
    """The address of some stranger."""
    return ANYWHERE[rng.getrandbits(ANYWHERE.max_prefixlen - ANYWHERE.prefixlen)]


UPLINK = "uplink"
"""The interface of every host but `internet` and the routers' inner side (`inner`)."""

_PROBE_S = 0.02

_ROLES = ("caller", "caller-nat", "callee", "callee-nat", "internet", "relay", "sink")
_counter = itertools.count()

_KERNEL = {
    "ipv4/ip_forward": 0,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/rp_filter": 0,
    "ipv6/conf/all/disable_ipv6": 0,
    "ipv6/conf/all/accept_dad": 0,
    "ipv6/conf/default/accept_dad": 0,
    "ipv6/conf/default/accept_ra": 0,
    "ipv6/conf/default/router_solicitations": 0,
}

_AS_ON_A_WIRE = ["tx", "off", "tso", "off", "gso", "off", "gro", "off"]
"""What is captured has whole checksums and is no larger than the MTU."""

_MASQUERADE = """
table inet translate {
    chain out {
        type nat hook postrouting priority srcnat;
        oifname "uplink" masquerade
    }
}
"""


class Lab:
    """The namespaces of one laboratory, and the processes started in them."""

    def __init__(self) -> None:
        number = next(_counter)
        made = namespaces.make([namespaces.own_name(number, role) for role in _ROLES])
        self.all: tuple[Namespace, ...] = tuple(made)
        (
            self.caller,
            self.caller_nat,
            self.callee,
            self.callee_nat,
            self.internet,
            self.relay,
            self.sink,
        ) = made
        self._processes: list[subprocess.Popen[str]] = []
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        for namespace in self.all:
            namespace.set_kernel(_KERNEL)
        for router in (self.internet, self.caller_nat, self.callee_nat):
            router.set_kernel({"ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1})
        self._join_all()
        for host, router, party in (
            (self.caller, self.caller_nat, CALLER),
            (self.callee, self.callee_nat, CALLEE),
        ):
            host.set_up(_host_lines(party.private))
            router.set_up(_router_lines(party))
            router.run(["nft", "-f", "-"], _MASQUERADE)
        self.relay.set_up(_host_lines(RELAY))
        self.sink.set_up(_host_lines(SINK))
        self.sink.set_up(_SINK_LINES)
        self.sink.set_up(_SINK_LINES, "-6")
        self.internet.set_up(_internet_lines())
        for target, address in ((self.relay, RELAY), (self.sink, SINK)):
            for source in (self.caller, self.callee, self.relay):
                if source is not target:
                    _wait_for_path(source, target, address.v4)
                    _wait_for_path(source, target, address.v6)

    def _join_all(self) -> None:
        """Lay every cable in one process; interface names are local to their namespace.

        The kernel takes a veth whose number equals that of its other end for no virtual device,
        and reports its carrier up to a second late: the near ends get numbers of their own.
        """
        cables = [
            (self.caller, UPLINK, self.caller_nat, "inner"),
            (self.callee, UPLINK, self.callee_nat, "inner"),
            (self.caller_nat, UPLINK, self.internet, "caller"),
            (self.callee_nat, UPLINK, self.internet, "callee"),
            (self.relay, UPLINK, self.internet, "relay"),
            (self.sink, UPLINK, self.internet, "sink"),
        ]
        self.relay.set_up(["link set dev lo mtu 1500"])
        self.internet.set_up(
            f"link add {a} index {number} netns {left.name}"
            f" type veth peer name {b} netns {right.name}"
            for number, (left, a, right, b) in enumerate(cables, start=1001)
        )
        for left, a, right, b in cables:
            for namespace, interface in ((left, a), (right, b)):
                namespace.run(["ethtool", "-K", interface, *_AS_ON_A_WIRE])
        self.relay.run(["ethtool", "-K", "lo", *_AS_ON_A_WIRE])

    def popen(
        self, where: Namespace, command: Sequence[str], **options: Any
    ) -> subprocess.Popen[str]:
        """Start a process that ends with the laboratory at the latest."""
        process = where.popen(command, **options)
        self._processes.append(process)
        return process

    def program(self, where: Namespace, command: Sequence[str], log: Path) -> Program:
        """A program that is started for a `with` block."""
        return Program(command, log, partial(self.popen, where))

    def close(self) -> None:
        """End every process, then remove every namespace. May be called twice."""
        namespaces.remove([namespace.name for namespace in self.all])
        for process in self._processes:
            process.kill()
            process.wait()
            namespaces.close_pipes(process.stdin, process.stdout, process.stderr)
        self._processes.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _wait_for_path(source: Namespace, target: Namespace, address: str) -> None:
    """Send until something arrives: the kernel brings IPv6 on a new cable up in its own time."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with (
        source.socket(family, socket.SOCK_DGRAM) as sender,
        target.socket(family, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.bind((address, 0))
        receiver.settimeout(_PROBE_S)

        def arrives() -> bool:
            with suppress(TimeoutError):
                sender.sendto(b"", receiver.getsockname())
                receiver.recv(1)
                return True
            return False

        wait_until(arrives, "a path of the laboratory comes up")


def gateway_of(pair: Pair) -> Pair:
    """The gateway of a host: its network's first address, IPv4 /24 and IPv6 /64."""
    return Pair(pair.v4.rpartition(".")[0] + ".1", pair.v6.partition("::")[0] + "::1")


def _addresses(pair: Pair, interface: str) -> list[str]:
    return [
        f"addr add {pair.v4}/24 dev {interface}",
        f"addr add {pair.v6}/64 dev {interface} nodad",
        f"link set dev {interface} up",
    ]


def _host_lines(pair: Pair) -> list[str]:
    gateway = gateway_of(pair)
    return [
        "link set dev lo up",
        *_addresses(pair, UPLINK),
        f"route add default via {gateway.v4}",
        f"route add ::/0 via {gateway.v6}",
    ]


def _router_lines(party: Party) -> list[str]:
    return [*_host_lines(party.public), *_addresses(gateway_of(party.private), "inner")]


def _internet_lines() -> list[str]:
    lines = ["link set dev lo up"]
    for name, pair in (
        ("caller", CALLER.public),
        ("callee", CALLEE.public),
        ("relay", RELAY),
        ("sink", SINK),
    ):
        lines += _addresses(gateway_of(pair), name)
    return [
        *lines,
        f"route add default via {SINK.v4}",
        f"route add ::/0 via {SINK.v6}",
    ]


_SINK_LINES = [
    # What comes in is for this host, whatever its destination; what goes out is routed as ever.
    f"rule add iif {UPLINK} lookup 100 pref 0",
    "route add local default dev lo table 100",
]
