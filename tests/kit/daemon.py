"""A daemon that runs: configured, asked, sent signals, listened to, and clients of it."""

import json
import re
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import urlsplit

import yaml

from tests.kit.api import TOKEN, ApiClient, Json
from tests.kit.command import COMMAND, environment
from tests.kit.polling import PATIENCE_S
from tests.kit.program import Popen, Program
from tests.kit.sockets import TurnClient
from tests.kit.turn import Credential, credential_of, mint

SECRET = "a-secret-of-the-tests"
_READY = re.compile(r"^ready (?P<urls>.*) api (?P<api>http://\S+)$")
_URL = re.compile(r"(turns?):(\[[^]]+\]|[^:]+):(\d+)\?transport=(udp|tcp)")

Config = Json
CONFIGURATION = "callveil.yaml"


class Place(NamedTuple):
    """Where a URL leads."""

    scheme: str
    host: str
    port: int
    family: int
    kind: int


def place_of(url: str) -> Place:
    """Take a `turn:` URL apart."""
    match = _URL.fullmatch(url)
    assert match, url
    host = match[2].strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = socket.SOCK_DGRAM if match[4] == "udp" else socket.SOCK_STREAM
    return Place(match[1], host, int(match[3]), family, kind)


class Daemon(Program, ApiClient):
    """A daemon that is ready.

    Args:
        directory: for its log, and for its configuration if it has one.
        arguments: of `callveil serve`.
        before: what runs it, such as `ip netns exec …`.
        program: what to run in place of `callveil`.
    """

    def __init__(
        self,
        directory: Path,
        arguments: Sequence[str],
        *,
        before: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        program: Sequence[str] = (str(COMMAND),),
        popen: Popen = subprocess.Popen,
    ) -> None:
        command = [*before, *program, "serve", *arguments]
        Program.__init__(self, command, directory / "relay.log", popen, env=environment(env))
        ApiClient.__init__(self)
        self.urls: list[str] = []
        self.api = ""
        self._directory = directory
        self._stack = ExitStack()
        self.start()

    def __enter__(self) -> Self:
        return self

    def start(self) -> None:
        """Start it, wait for its ready line, and learn from it where it is."""
        super().start()
        try:
            line = self.until_said(r'^ready |"event": "ready"')
        except BaseException:
            self.close()
            raise
        if ready := _READY.match(line):
            self.urls, self.api = ready["urls"].split(), ready["api"]
        else:
            said = json.loads(line)
            self.urls, self.api = said["urls"], said["api"]

    def configure(self, config: Config) -> None:
        """Rewrite its configuration file."""
        configured(self._directory, config)

    def ended(self) -> int:
        """Its exit code, once it has ended by itself and without a fault of its own."""
        code: int = self.process.wait(PATIENCE_S)
        assert "Traceback" not in self.log_text(), self.log_text()
        return code

    @property
    def api_at(self) -> tuple[str, int]:
        """Where its API listens."""
        url = urlsplit(self.api)
        assert url.hostname
        assert url.port
        return url.hostname, url.port

    def connect_api(self) -> socket.socket:
        """A connection to its API."""
        return socket.create_connection(self.api_at, PATIENCE_S)

    def client(self, credential: Credential, url: str = "") -> TurnClient:
        """A TURN client, of the first listener unless told otherwise."""
        sock = self.connect(url or self.urls[0])
        return self._stack.enter_context(TurnClient(sock, *credential))

    def party(self, call: Json, party: str, url: str = "") -> TurnClient:
        """A party's TURN client, with what the API gave to that party."""
        return self.client(credential_of(call, party), url)

    def stranger(self, call: str, leg: str, secret: str = SECRET, url: str = "") -> TurnClient:
        """A client of a call that only a credential names."""
        return self.client(mint(secret, call, leg), url)

    def connect(self, url: str) -> socket.socket:
        """A socket of a new client, without TLS."""
        place = place_of(url)
        sock = self._stack.enter_context(socket.socket(place.family, place.kind))
        sock.settimeout(PATIENCE_S)
        sock.connect((place.host, place.port))
        return sock

    def close(self) -> None:
        """Close every client, and kill the daemon unless it has ended."""
        self._stack.close()
        super().close()


def config_of(**sections: object) -> Config:
    """A configuration on ports that the kernel chooses, with the tests' secret and token."""
    return {
        "listen": ["udp://127.0.0.1:0"],
        "auth": {"secrets": [SECRET]},
        "api": {"listen": "127.0.0.1:0", "tokens": [TOKEN]},
        "fastpath": {"mode": "off"},
        **sections,
    }


def configured(directory: Path, config: Config) -> list[str]:
    """The arguments of `callveil serve` for this configuration, which is written there."""
    path = directory / CONFIGURATION
    path.write_text(yaml.safe_dump(config))
    return ["--config", str(path)]


@contextmanager
def running(
    directory: Path, config: Config | None = None, before: Sequence[str] = ()
) -> Iterator[Daemon]:
    """A daemon for one `with` block, configured by a file."""
    arguments = configured(directory, config_of() if config is None else config)
    with Daemon(directory, arguments, before=before) as daemon:
        yield daemon


@contextmanager
def serving(*arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Daemon]:
    """A daemon for one `with` block, on ports that the kernel chose, configured as `env` says."""
    ports = {"CALLVEIL__LISTEN": "udp://127.0.0.1:0", "CALLVEIL__API__LISTEN": "127.0.0.1:0"}
    with (
        tempfile.TemporaryDirectory() as directory,
        Daemon(Path(directory), arguments, env=ports | dict(env or {})) as daemon,
    ):
        yield daemon
