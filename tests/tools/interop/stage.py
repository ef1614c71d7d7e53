"""The laboratory as the cells need it: a relay for each configuration, names, an authority."""

import signal
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from relay.tools.audit.search import Hit
from tests.kit import certificates, turn
from tests.kit.daemon import SECRET, Config
from tests.kit.turn import Credential
from tests.lab.relay import TLS_PORT, UDP_PORT, Relay
from tests.lab.topology import RELAY, SINK, Lab
from tests.tools.interop.cells import Cell

NAMES = {"IPv4": "turn4.callveil.example", "IPv6": "turn6.callveil.example"}
"""The relay's, one for each family: a client that is told one cannot use the other family."""
_ADDRESSES = dict(zip(NAMES, RELAY, strict=True))
_SERVER_PORTS = (10_000, 20_000)

_IN_OWN_FILES = """
mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"
"""
"""`ip netns exec` gives each command a mount namespace of its own, so nobody else sees it."""


class Stage:
    """One laboratory, in which cells are placed one after the other.

    Args:
        directory: for what outlasts a cell.
    """

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.directory = directory
        self.stack = ExitStack()
        authority, issuer = certificates.authority(directory / "authority")
        self.authority = authority.certificate
        hosts = [*RELAY, *NAMES.values()]
        self._certificate = certificates.write(directory / "tls", hosts=hosts, issuer=issuer)
        self._hosts, self._resolver = directory / "hosts", directory / "resolv.conf"
        # Chromium asks for the name with a dot at its end, as DNS has it, when it is for UDP.
        lines = [f"{_ADDRESSES[family]} {name} {name}.\n" for family, name in NAMES.items()]
        self._hosts.write_text("".join(["127.0.0.1 localhost\n", *lines]))
        self._resolver.touch()
        lab.sink.set_kernel({"ipv4/ip_local_port_range": "{} {}".format(*_SERVER_PORTS)})
        self._relay: Relay | None = None
        self._config: Config = {}
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stack.close()
        self._end_relay()

    def named(self, command: Sequence[str]) -> list[str]:
        """The command that runs another where the relay's names are known, and no others."""
        return ["sh", "-c", _IN_OWN_FILES, "sh", str(self._hosts), str(self._resolver), *command]

    def relay_of(self, cell: Cell) -> Relay:
        """A relay that listens where the cell says, and nowhere else."""
        config = _config(cell, self._certificate)
        if self._relay is None or config != self._config or not self._relay.is_running:
            self._end_relay()
            self._number += 1
            directory = self.directory / f"relay-{self._number}"
            directory.mkdir()
            self._relay, self._config = Relay(self.lab, directory, config), config
        return self._relay

    def canaries(self) -> list[Hit]:
        """Addresses of parties in what the relay has written, or answered since the last time."""
        if self._relay is None:
            return []
        found = self._relay.canaries()
        self._relay.bodies.clear()
        return found

    def _end_relay(self) -> None:
        if self._relay is not None:
            self._relay.stop(signal.SIGKILL) if self._relay.is_running else self._relay.close()
            self._relay = None


def urls_of(relay: Relay, cell: Cell, party: str) -> list[str]:
    """What the relay tells, as it is; of two families the one that is the party's."""
    family = cell.family_of(party)
    place = _host(_ADDRESSES[family]) if cell.is_numeric else NAMES[family]
    return [url for url in relay.urls if f":{place}:" in url]


def credential(party: str) -> Credential:
    """What a signaling server makes with the shared secret alone."""
    return turn.mint(SECRET, "interop", party)


def _config(cell: Cell, certificate: certificates.Files) -> Config:
    families = sorted({cell.family_of("caller"), cell.family_of("callee")})
    port = TLS_PORT if cell.transport == "tls" else UDP_PORT
    # Where parties reach the relay over different families, it gives all of one call the same.
    addresses = [_ADDRESSES[family] for family in families]
    relay: Config = {"addresses": addresses, "peers": cell.peers}
    if not cell.is_numeric:
        relay["names"] = [NAMES[family] for family in families]
    if cell.peers == "listed":
        first, last = _SERVER_PORTS
        relay["listed_peers"] = [f"{_host(address)}:{first}-{last}" for address in SINK]
        relay["allow_private"] = [*SINK]
    return {
        "listen": [f"{cell.transport}://{_host(_ADDRESSES[family])}:{port}" for family in families],
        "relay": relay,
        "tls": certificate.section,
        "limits": {"unauthenticated_per_s": 1000},
    }


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
