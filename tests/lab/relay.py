"""The daemon in the relay's namespace: started, asked through its API, weighed, read."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from relay.tools.audit.search import Hit, find
from tests.forward import certificates
from tests.kit.polling import PATIENCE_S, wait_until
from tests.lab.topology import CALLEE, CALLER, RELAY, Lab

SECRET = "a secret of the laboratory"
TOKEN = "a-token-of-the-laboratory"
UDP_PORT = TCP_PORT = 3478
TLS_PORT = 5349
_API = ("127.0.0.1", 8080)
_CALLVEIL = str(Path(sys.executable).with_name("callveil"))
_SAMPLE = re.compile(r"^(\w+(?:\{[^}]*\})?) ([0-9.eE+-]+)$", re.MULTILINE)

Config = dict[str, Any]


class Answer(NamedTuple):
    """One answer of the HTTP API; `body` is None where there is none, text where it is no JSON."""

    status: int
    body: Any


class Relay:
    """One daemon: every listener on both of the relay's addresses, everything logged.

    Args:
        directory: for its configuration, certificate and log.
        overrides: sections of the configuration, merged key by key over the laboratory's.
        path: which path has to forward where it can, `user` or `kernel`.
        program: what to run in place of `callveil`.
    """

    def __init__(
        self,
        lab: Lab,
        directory: Path,
        overrides: Config | None = None,
        path: str = "user",
        program: Sequence[str] = (_CALLVEIL,),
    ) -> None:
        self.lab = lab
        self.path = path
        self._program = program
        self.certificate = certificates.write(directory, hosts=RELAY)
        self.log = directory / "relay.log"
        self.bodies: list[bytes] = []
        self._config = directory / "callveil.yaml"
        self._config.write_text(yaml.safe_dump(_merged(self._defaults(), overrides or {})))
        self._process = self._start()

    def _defaults(self) -> Config:
        hosts = (RELAY.v4, f"[{RELAY.v6}]")
        listen = [f"udp://{host}:{UDP_PORT}" for host in hosts]
        listen += [f"tcp://{host}:{TCP_PORT}" for host in hosts]
        listen += [f"tls://{host}:{TLS_PORT}" for host in hosts]
        files = self.certificate
        return {
            "listen": listen,
            "relay": {"addresses": list(RELAY)},
            "auth": {"secrets": [SECRET]},
            "api": {"listen": f"{_API[0]}:{_API[1]}", "tokens": [TOKEN]},
            "tls": {"certificate": str(files.certificate), "key": str(files.key)},
            "fastpath": {"mode": "require" if self.path == "kernel" else "off"},
        }

    def _start(self) -> subprocess.Popen[str]:
        command = [*self._program, "serve", "--config", str(self._config)]
        command += ["--log-level", "debug"]
        with self.log.open("wb") as log:
            process = self.lab.popen(
                self.lab.relay, command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(
            lambda: process.poll() is not None or re.search(r"\bready\b", self.log_text()),
            "the daemon says ready",
        )
        if process.poll() is not None:
            raise RuntimeError(f"the daemon ended: {self.log_text()}")
        return process

    def start(self) -> None:
        """Start it again, once it has been stopped; its log begins anew."""
        self._process = self._start()

    def log_text(self) -> str:
        """Everything it has written so far."""
        return self.log.read_text(errors="replace")

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """One request to the HTTP API; its answer is kept for the search for canaries."""
        connection = http.client.HTTPConnection(*_API, timeout=PATIENCE_S)
        connection.sock = self.lab.relay.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            connection.sock.settimeout(PATIENCE_S)
            connection.sock.connect(_API)
            headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
            self.bodies.append(repr(response.getheaders()).encode() + content)
        finally:
            connection.close()
        is_json = "json" in (response.getheader("Content-Type") or "")
        return Answer(response.status, json.loads(content) if is_json else content.decode() or None)

    def create_call(self, *, ring: bool = False, **more: object) -> Config:
        """A call between `caller` and `callee` in which the caller asks for privacy."""
        parties = [{"id": "caller", "enhanced_call_privacy": True}, {"id": "callee"}]
        answer = self.ask("POST", "/v1/calls", {"parties": parties, "ring": ring, **more})
        assert answer.status == 201, answer
        assert isinstance(answer.body, dict)
        return answer.body

    def metrics(self) -> dict[str, float]:
        """Every sample, by its name with labels as it stands in the text."""
        answer = self.ask("GET", "/metrics")
        assert answer.status == 200
        return {match[1]: float(match[2]) for match in _SAMPLE.finditer(answer.body)}

    def drops(self, *reasons: str) -> int:
        """Datagrams dropped so far, for these reasons or for any."""
        return int(
            sum(
                value
                for name, value in self.metrics().items()
                if name.startswith("callveil_drops_total")
                and (not reasons or any(f'reason="{reason}"' in name for reason in reasons))
            )
        )

    def resident_bytes(self) -> int:
        """Its memory now (VmRSS)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        match = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert match
        return int(match[1]) * 1024

    @property
    def pid(self) -> int:
        """Of the daemon itself: `ip netns exec` becomes what it runs."""
        return self._process.pid

    def queued_bytes(self) -> int:
        """What its UDP sockets hold that it has not read yet."""
        return sum(int(fields[4].split(":")[1], 16) for fields in self._udp_sockets())

    def overflowed(self) -> int:
        """Datagrams that the kernel dropped because the daemon did not read in time."""
        return sum(int(fields[12]) for fields in self._udp_sockets())

    def _udp_sockets(self) -> list[list[str]]:
        lines = []
        for table in ("udp", "udp6"):
            lines += Path(f"/proc/{self.pid}/net/{table}").read_text().splitlines()[1:]
        return [line.split() for line in lines]

    def canaries(self) -> list[Hit]:
        """Hits of any address of either party in its log and in every body it has answered."""
        lines = self.log.read_bytes().splitlines()
        return find([*lines, *self.bodies], *CALLER.addresses, *CALLEE.addresses)

    def stop(self, by: signal.Signals = signal.SIGKILL) -> None:
        """End it at once, and fail if it had ended before."""
        assert self._process.poll() is None, f"the daemon ended: {self.log_text()[-2000:]}"
        os.kill(self.pid, by)
        self._process.wait(PATIENCE_S)


def _merged(base: Config, over: Config) -> Config:
    merged = dict(base)
    for key, value in over.items():
        is_section = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _merged(base[key], value) if is_section else value
    return merged
