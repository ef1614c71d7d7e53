"""The daemon in the relay's namespace, and what only the laboratory can see of it."""

import socket
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from relay.tools.audit.search import Hit, find
from tests.kit import certificates
from tests.kit.api import TOKEN
from tests.kit.command import COMMAND
from tests.kit.daemon import SECRET, Config, Daemon, configured
from tests.lab.topology import CALLEE, CALLER, RELAY, Lab

NAME = "turn.callveil.example"
"""What the certificate is for, beside the relay's addresses; nobody can look it up."""
UDP_PORT = TCP_PORT = 3478
TLS_PORT = 5349
FOR_AIORTC: Config = {
    "listen": [f"udp://{RELAY.v4}:{UDP_PORT}", f"tcp://{RELAY.v4}:{TCP_PORT}"],
    "relay": {"addresses": [RELAY.v4]},
}
"""aiortc refuses a TURN URI with an IPv6 address as malformed; it is given what it can read."""

_API = ("127.0.0.1", 8080)


class Relay(Daemon):
    """One daemon: every listener on both of the relay's addresses, everything logged.

    Args:
        directory: for its configuration, certificate and log.
        overrides: sections of the configuration, merged key by key over the laboratory's.
        path: which path has to forward where it can, `user` or `kernel`.
        program: what to run in place of `callveil`.
    """

    parties = ("caller", "callee")

    def __init__(
        self,
        lab: Lab,
        directory: Path,
        overrides: Config | None = None,
        path: str = "user",
        program: Sequence[str] = (str(COMMAND),),
    ) -> None:
        self.lab = lab
        self.path = path
        self.certificate = certificates.write(directory, hosts=[*RELAY, NAME])
        config = _merged(self._defaults(), overrides or {})
        super().__init__(
            directory,
            [*configured(directory, config), "--log-level", "debug"],
            program=program,
            popen=partial(lab.popen, lab.relay),
        )

    def _defaults(self) -> Config:
        hosts = (RELAY.v4, f"[{RELAY.v6}]")
        listen = [f"udp://{host}:{UDP_PORT}" for host in hosts]
        listen += [f"tcp://{host}:{TCP_PORT}" for host in hosts]
        listen += [f"tls://{host}:{TLS_PORT}" for host in hosts]
        return {
            "listen": listen,
            "relay": {"addresses": list(RELAY)},
            "auth": {"secrets": [SECRET]},
            "api": {"listen": f"{_API[0]}:{_API[1]}", "tokens": [TOKEN]},
            "tls": self.certificate.section,
            "fastpath": {"mode": "require" if self.path == "kernel" else "off"},
        }

    def connect_api(self) -> socket.socket:
        """A connection to its API, from its own host."""
        sock = self.lab.relay.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.connect(_API)
        return sock

    def queued_bytes(self) -> int:
        """What its UDP sockets hold that it has not read yet."""
        return sum(int(fields[4].split(":")[1], 16) for fields in self._udp_sockets())

    def overflowed(self) -> int:
        """Datagrams that the kernel dropped because the daemon did not read in time."""
        return sum(int(fields[12]) for fields in self._udp_sockets())

    def _udp_sockets(self) -> list[list[str]]:
        lines = []
        for table in ("udp", "udp6"):
            lines += self.proc(f"net/{table}").read_text().splitlines()[1:]
        return [line.split() for line in lines]

    def canaries(self) -> list[Hit]:
        """Hits of any address of either party in its log and in every body it has answered."""
        lines = self.log.read_bytes().splitlines()
        return find([*lines, *self.bodies], *CALLER.addresses, *CALLEE.addresses)


def _merged(base: Config, over: Config) -> Config:
    merged = dict(base)
    for key, value in over.items():
        is_section = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _merged(base[key], value) if is_section else value
    return merged
