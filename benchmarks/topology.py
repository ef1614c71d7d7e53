"""Three network namespaces, caller, relay and callee, joined by two veth pairs.

Rules of this file: the relay's receive processing (RPS) is on the relay's core and that of both
parties on the generator's; the parties' ends have no IP address, because the generator is their IP
stack: their kernel takes no part, answers nothing and sends no ICMP error. Addresses are from
198.18.0.0/15, which is set aside for benchmarks (RFC 2544 appendix C.2.2).
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from tests.kit import namespaces
from tests.kit.namespaces import Namespace

GENERATOR_CORE = 0
RELAY_CORE = 1
RELAY_ADDRESS = "198.18.0.1"
"""On the loopback interface of the relay's namespace: it belongs to neither party's link."""

ROLE = "bench"
"""What the names of the namespaces say that they are for."""


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

    def __enter__(self) -> "Topology":
        roles = [f"{ROLE}-{role}" for role in ("relay", *(link.party for link in LINKS))]
        made = namespaces.make([namespaces.own_name(0, role) for role in roles])
        self.relay = made[0]
        self._parties = dict(zip((link.party for link in LINKS), made[1:], strict=True))
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def party(self, link: Link) -> Namespace:
        """The namespace of a link's party."""
        return self._parties[link.party]

    def close(self) -> None:
        """Remove the namespaces, and with them their links. Removing twice is no error."""
        namespaces.remove([each.name for each in (self.relay, *self._parties.values())])

    def command_in_relay(self, command: list[str]) -> list[str]:
        """A command line that runs `command` in the relay's namespace, on the relay's core.

        `ip` and `taskset` replace themselves, so the process started is the command's own.
        """
        return self.relay.command(["taskset", "--cpu-list", str(RELAY_CORE), *command])

    @contextlib.contextmanager
    def forwarding(self) -> Iterator[None]:
        """While it lasts the relay's kernel is a plain IP router between the parties."""
        self.relay.set_kernel({"ipv4/ip_forward": 1})
        try:
            yield
        finally:
            self.relay.set_kernel({"ipv4/ip_forward": 0})

    def _build(self) -> None:
        self.relay.set_up(["link set lo up", f"address add {RELAY_ADDRESS}/32 dev lo"])
        for link in LINKS:
            self._join(link)

    def _join(self, link: Link) -> None:
        party, device = self.party(link), link.party
        party.set_kernel({"ipv6/conf/all/disable_ipv6": 1})
        self.relay.set_up(
            [
                f"link add {device} address {link.relay_mac}"
                f" type veth peer name relay address {link.party_mac} netns {party.name}",
                f"link set {device} up",
                f"address add {link.subnet}.1/24 dev {device}",
            ]
        )
        party.set_up(["link set relay up"])
        neighbour = f"{link.address} lladdr {link.party_mac} nud permanent"
        self.relay.set_up([f"neighbour add {neighbour} dev {device}"])
        _receive_on(self.relay, device, RELAY_CORE)
        _receive_on(party, "relay", GENERATOR_CORE)


def _receive_on(namespace: Namespace, device: str, core: int) -> None:
    """Receive processing of `device` on `core`; sysfs shows a device only in its namespace."""
    path = f"/sys/class/net/{device}/queues/rx-0/rps_cpus"
    namespace.run(["sh", "-c", f"echo {1 << core:x} > {path}"])
