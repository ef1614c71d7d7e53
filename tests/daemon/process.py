"""A daemon in a process of its own: configured, asked, sent signals, listened to."""

import http.client
import json
import re
import resource
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import yaml

from relay.stun.message import Method
from tests.cli.running import COMMAND, READY, environment
from tests.kit import wire
from tests.kit.sockets import TurnClient

SECRET = "a-secret-of-the-daemons-tests"
TOKEN = "a-token-of-the-daemons-tests"
CHANNEL = 0x4321
_DEADLINE_S = 60
_URL = re.compile(r"(turns?):(\[[^]]+\]|[^:]+):(\d+)\?transport=(udp|tcp)")
_SAMPLE = re.compile(r"^(\w+(?:\{[^}]*\})?) ([0-9.eE+-]+)$", re.MULTILINE)

Config = dict[str, Any]


class Answer(NamedTuple):
    """One answer of the HTTP API; `body` is text where it is no JSON."""

    status: int
    body: Any


class Daemon:
    """A daemon, ready once `until_ready` has returned.

    Args:
        configuration: the file it was started with, to be rewritten before a SIGHUP.
    """

    def __init__(self, process: "subprocess.Popen[str]", configuration: Path) -> None:
        self.process = process
        self.said: list[str] = []
        self.urls: list[str] = []
        self._api = urlsplit("")
        self._configuration = configuration
        self._stack = ExitStack()

    def until_ready(self) -> None:
        """Wait for its ready line, and learn from it where it is."""
        ready = READY.match(self.until_said(READY.pattern))
        assert ready
        self.urls = ready["urls"].split()
        self._api = urlsplit(ready["api"])

    def configure(self, config: Config) -> None:
        """Rewrite its configuration file."""
        self._configuration.write_text(yaml.safe_dump(config))

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def until_said(self, pattern: str) -> str:
        """Read what it says up to the first line with that pattern."""
        with self._deadline():
            assert self.process.stderr is not None
            for line in self.process.stderr:
                self.said.append(line.rstrip("\n"))
                if re.search(pattern, line):
                    return line.rstrip("\n")
        raise AssertionError(f"never said {pattern!r}: {self.said}")

    def ended(self) -> int:
        """Its exit code, once it has ended by itself; what it still said is in `said`."""
        with self._deadline():
            assert self.process.stderr is not None
            self.said += self.process.stderr.read().splitlines()
            code = self.process.wait()
        assert not any("Traceback" in line for line in self.said), self.said
        return code

    def ask(self, method: str, path: str, body: object = None, token: str = TOKEN) -> Answer:
        """One request to the HTTP API."""
        connection = http.client.HTTPConnection(*self.api, timeout=_DEADLINE_S)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read().decode()
        finally:
            connection.close()
        is_json = "json" in (response.getheader("Content-Type") or "")
        return Answer(response.status, json.loads(content) if is_json else content)

    def metric(self, name: str) -> float:
        """One sample, by its name with labels as it stands in the text."""
        samples = dict(_SAMPLE.findall(self.ask("GET", "/metrics").body))
        return float(samples[name])

    def drops(self, reason: str) -> int:
        """Datagrams dropped in user space for that reason."""
        return int(self.metric(f'callveil_drops_total{{path="user",reason="{reason}"}}'))

    def create_call(self, **more: object) -> Config:
        """A call between `alice`, who asks for privacy, and `bob`."""
        parties = [{"id": "alice", "enhanced_call_privacy": True}, {"id": "bob"}]
        answer = self.ask("POST", "/v1/calls", {"parties": parties, **more})
        assert answer.status == 201, answer
        assert isinstance(answer.body, dict)
        return answer.body

    def view(self, call: Config) -> Config:
        """A call as the API shows it now."""
        answer = self.ask("GET", f"/v1/calls/{call['id']}")
        assert answer.status == 200
        assert isinstance(answer.body, dict)
        return answer.body

    def client(self, username: str, password: str, url: str = "") -> TurnClient:
        """A TURN client, of the first listener unless told otherwise."""
        sock = self.connect(url or self.urls[0])
        return self._stack.enter_context(TurnClient(sock, username, password))

    def party(self, call: Config, party: str, url: str = "") -> TurnClient:
        """A party's TURN client, with what the API gave to that party."""
        (server,) = call["parties"][party]["rtc_configuration"]["iceServers"]
        return self.client(server["username"], server["credential"], url)

    def stranger(self, call: str, leg: str, secret: str = SECRET, url: str = "") -> TurnClient:
        """A client of a call that only a credential names."""
        username = f"9999999999:{call}:{leg}"
        return self.client(username, wire.rest_password(secret, username), url)

    def connect(self, url: str) -> socket.socket:
        """A socket of a new client, without TLS."""
        place = place_of(url)
        sock = self._stack.enter_context(socket.socket(place.family, place.kind))
        sock.settimeout(_DEADLINE_S)
        sock.connect((place.host, place.port))
        return sock

    @property
    def api(self) -> tuple[str, int]:
        """Where its API listens."""
        assert self._api.hostname
        assert self._api.port
        return self._api.hostname, self._api.port

    def close(self) -> None:
        """Close every client."""
        self._stack.close()

    @contextmanager
    def _deadline(self) -> Iterator[None]:
        """Kill a daemon that is not heard of, so that nobody waits for ever."""
        timer = threading.Timer(_DEADLINE_S, self.process.kill)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


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


def config_of(**sections: object) -> Config:
    """A configuration on ports that the kernel chooses, with the tests' secret and token."""
    return {
        "listen": ["udp://127.0.0.1:0"],
        "auth": {"secrets": [SECRET]},
        "api": {"listen": "127.0.0.1:0", "tokens": [TOKEN]},
        "fastpath": {"mode": "off"},
        **sections,
    }


@contextmanager
def running(
    directory: Path, config: Config | None = None, before: Sequence[str] = ()
) -> Iterator[Daemon]:
    """A daemon for one `with` block; it is killed at the end unless it has ended.

    Args:
        before: what runs it, such as `ip netns exec …`.
    """
    path = directory / "callveil.yaml"
    path.write_text(yaml.safe_dump(config_of() if config is None else config))
    command = [*before, str(COMMAND), "serve", "--config", str(path)]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
    daemon = Daemon(process, path)
    with process:
        try:
            daemon.until_ready()
            yield daemon
        finally:
            daemon.close()
            process.kill()


def joined(daemon: Daemon, call: Config, url: str = "") -> tuple[TurnClient, TurnClient]:
    """Both parties of a call, with an allocation and a channel to the other each."""
    alice, bob = daemon.party(call, "alice", url), daemon.party(call, "bob", url)
    for client in (alice, bob):
        assert client.allocate().code == 0
    for client, other in ((alice, bob), (bob, alice)):
        assert client.bind(CHANNEL, other.relayed) == 0
    return alice, bob


def hears(sender: TurnClient, receiver: TurnClient, data: bytes) -> bool:
    """Whether what one party sends on its channel reaches the other."""
    sender.send_on(CHANNEL, data)
    return receiver.receive(_DEADLINE_S) == wire.channel_data(CHANNEL, data)


def has_heard_nothing(sender: TurnClient, receiver: TurnClient) -> bool:
    """Whether nothing has reached the receiver of what was sent before.

    Both ask something that is answered in any case, one after the other: what the daemon might have
    sent in between had come before the answers.
    """
    for client in (sender, receiver):
        client.request(Method.REFRESH, wire.lifetime(600))
    return not receiver.inbox and not select.select([receiver.sock], [], [], 0)[0]


def limit_files(daemon: Daemon, more: int) -> None:
    """Let a daemon open only so many files more than it has."""
    count = len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (count + more, count + more))
