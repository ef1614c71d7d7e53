"""Three network namespaces, caller, relay and callee, joined by two veth pairs.

Rules of this file: the relay's receive processing (RPS) is on the relay's core and that of both
parties on the generator's; the parties' ends have no IP address, because the generator is their IP
stack: their kernel takes no part, answers nothing and sends no ICMP error. Addresses are from
198.18.0.0/15, which is set aside for benchmarks (RFC 2544 appendix C.2.2).
"""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pyroute2 import netns

GENERATOR_CORE = 0
RELAY_CORE = 1
RELAY_ADDRESS = "198.18.0.1"
"""On the loopback interface of the relay's namespace: it belongs to neither party's link."""

PREFIX = "cvb"


@dataclass(frozen=True, slots=True)
class Link:
    """One veth pair between a party and the relay.

    Args:
        party: `caller` or `callee`.
        subnet: the first three bytes of the link's addresses; the relay is .1, the party .2.
    """

    party: str
    subnet: str
    party_mac: str
    relay_mac: str

    @property
    def address(self) -> str:
        """The party's address."""
        return f"{self.subnet}.2"


LINKS = (
    Link("caller", "198.18.1", "02:00:00:00:01:02", "02:00:00:00:01:01"),
    Link("callee", "198.18.2", "02:00:00:00:02:02", "02:00:00:00:02:01"),
)


class Topology:
    """The three namespaces; a context manager that leaves nothing behind."""

    def __init__(self) -> None:
        self._prefix = f"{PREFIX}{os.getpid()}"
        self.relay = f"{self._prefix}-relay"

    def namespace(self, role: str) -> str:
        """The namespace of `caller`, `relay` or `callee`."""
        return f"{self._prefix}-{role}"

    def __enter__(self) -> "Topology":
        remove_leftovers()
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the namespaces, and with them their links. Removing twice is no error."""
        for name in _namespaces():
            if name.startswith(f"{self._prefix}-"):
                _ip("netns", "delete", name)

    def command_in_relay(self, command: list[str]) -> list[str]:
        """A command line that runs `command` in the relay's namespace, on the relay's core.

        `ip` and `taskset` replace themselves, so the process started is the command's own.
        """
        pinned = ["taskset", "--cpu-list", str(RELAY_CORE), *command]
        return ["ip", "netns", "exec", self.relay, *pinned]

    @contextlib.contextmanager
    def forwarding(self) -> Iterator[None]:
        """While it lasts the relay's kernel is a plain IP router between the parties."""
        self._sysctl("net.ipv4.ip_forward=1")
        try:
            yield
        finally:
            self._sysctl("net.ipv4.ip_forward=0")

    def _build(self) -> None:
        for role in ("caller", "relay", "callee"):
            _ip("netns", "add", self.namespace(role))
        _ip("-n", self.relay, "link", "set", "lo", "up")
        _ip("-n", self.relay, "address", "add", f"{RELAY_ADDRESS}/32", "dev", "lo")
        for link in LINKS:
            self._join(link)

    def _join(self, link: Link) -> None:
        party = self.namespace(link.party)
        pair = ["type", "veth", "peer", "name", "relay", "address", link.party_mac, "netns", party]
        _ip("-n", self.relay, "link", "add", link.party, "address", link.relay_mac, *pair)
        self._sysctl("net.ipv6.conf.all.disable_ipv6=1", namespace=party)
        for namespace, device in ((self.relay, link.party), (party, "relay")):
            _ip("-n", namespace, "link", "set", device, "up")
        _ip("-n", self.relay, "address", "add", f"{link.subnet}.1/24", "dev", link.party)
        neighbour = [link.address, "lladdr", link.party_mac, "nud", "permanent"]
        _ip("-n", self.relay, "neighbour", "add", *neighbour, "dev", link.party)
        _receive_on(self.relay, link.party, RELAY_CORE)
        _receive_on(party, "relay", GENERATOR_CORE)

    def _sysctl(self, setting: str, namespace: str = "") -> None:
        run_command(["ip", "netns", "exec", namespace or self.relay, "sysctl", "-q", "-w", setting])


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Sockets opened while this lasts belong to the namespace, and stay there."""
    netns.pushns(namespace)
    try:
        yield
    finally:
        netns.popns()


def remove_leftovers() -> None:
    """Remove namespaces of runs that were killed: those whose process is gone."""
    for name in _namespaces():
        owner = re.fullmatch(rf"{PREFIX}(\d+)-\w+", name)
        if owner and not Path("/proc", owner[1]).exists():
            with contextlib.suppress(OSError):  # another run has removed it at the same time
                _ip("netns", "delete", name)


def _receive_on(namespace: str, device: str, core: int) -> None:
    """Receive processing of `device` on `core`; sysfs shows a device only in its namespace."""
    path = f"/sys/class/net/{device}/queues/rx-0/rps_cpus"
    run_command(["ip", "netns", "exec", namespace, "sh", "-c", f"echo {1 << core:x} > {path}"])


def _namespaces() -> list[str]:
    listing = _ip("netns", "list")
    return [line.split()[0] for line in listing.splitlines() if line]


def _ip(*arguments: str) -> str:
    return run_command(["ip", *arguments])


def run_command(command: list[str]) -> str:
    """Run a command to its end.

    Returns: what it printed.
    Raises: OSError, with what it complained of.
    """
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
