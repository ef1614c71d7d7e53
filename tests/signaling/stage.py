"""A host that has the addresses of the recipes, and the relay that a recipe configures on it.

What a recipe's blocks say is what runs; only the certificate is in another directory.
"""

import os
import shutil
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from relay.address import PeerAddress
from tests.docs.pages import Block, blocks
from tests.kit import certificates, namespaces, wire
from tests.kit.command import Outcome, callveil
from tests.kit.daemon import CONFIGURATION, Daemon
from tests.kit.namespaces import Namespace
from tests.kit.polling import PATIENCE_S
from tests.kit.sockets import TurnClient
from tests.kit.turn import Credential

RELAY, MEDIA_SERVER = "203.0.113.7", "198.51.100.20"
NAME = "turn.example.org"
SECRET = "b6a1e0b8f2c94b0d97f4c1a2d3e4f506"
_LIVE = f"/etc/letsencrypt/live/{NAME}"
_PORTS = {"udp": 3478, "tcp": 3478, "tls": 443}
_CHANNEL = 0x4001

EXAMPLES_ARE_NETWORKS = {"CALLVEIL__RELAY__ALLOW_PRIVATE": '["198.51.100.0/24"]'}
"""The addresses of a page are those for documentation, in which no media server is."""


class Place(NamedTuple):
    """A relay that a recipe configures.

    Args:
        daemon: it.
        certificate: what its TLS listener shows.
        configuration: its file.
    """

    daemon: Daemon
    certificate: certificates.Files
    configuration: Path

    @contextmanager
    def client(self, credential: Credential, transport: str = "udp") -> Iterator[TurnClient]:
        """A client with this credential, at the relay's address."""
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        sock = socket.socket(socket.AF_INET, kind)
        sock.settimeout(PATIENCE_S)
        sock.connect((RELAY, _PORTS[transport]))
        if transport == "tls":
            sock = self._trusting().wrap_socket(sock, server_hostname=NAME)
        with TurnClient(sock, *credential) as client:
            yield client

    def _trusting(self) -> ssl.SSLContext:
        return self.certificate.trusting_context()


@contextmanager
def host() -> Iterator[None]:
    """The network of the recipes, in which this process is for a `with` block.

    The media server's address is that of another host: no relay relays to its own.
    """
    with namespaces.host("recipes") as made, namespaces.host("server") as other, made.entered():
        made.set_up([f"link add end type veth peer name end netns {other.name}"])
        for each, own, far in ((made, RELAY, MEDIA_SERVER), (other, MEDIA_SERVER, RELAY)):
            each.set_up([f"addr add {own} peer {far} dev end", "link set end up"])
        yield


def media_server() -> Namespace:
    """The host that has the media server's address."""
    return Namespace(namespaces.own_name(0, "server"))


def block(page: str, language: str, *, having: str = "") -> str:
    """The one block of a recipe in a language, with this text in it."""
    found = [each for each in _blocks(page) if each.language == language and having in each.text]
    assert len(found) == 1, (page, language, having, len(found))
    return found[0].text


def _blocks(page: str) -> list[Block]:
    return blocks(f"docs/signaling/{page}.md")


@contextmanager
def relaying(
    directory: Path, configuration: str, env: Mapping[str, str] | None = None
) -> Iterator[Place]:
    """The relay with this configuration, whose certificate is made for the name in the recipes."""
    directory.mkdir(exist_ok=True)
    live = directory / "live"
    files = certificates.write(live, hosts=[NAME, RELAY])
    shutil.copy(files.certificate, live / "fullchain.pem")
    shutil.copy(files.key, live / "privkey.pem")
    path = directory / CONFIGURATION
    path.write_text(configuration.replace(_LIVE, str(live)))
    more = {"CALLVEIL__FASTPATH__MODE": "off", **(env or {})}
    with Daemon(directory, ["--config", str(path)], env=more) as daemon:
        yield Place(daemon, files, path)


def run_checks(page: str, place: Place, env: Mapping[str, str] | None = None) -> list[Outcome]:
    """Run the `callveil` commands of a recipe's last section, each of which must succeed."""
    commands = [
        line.removeprefix("callveil ").replace(CONFIGURATION, str(place.configuration))
        for each in _blocks(page)
        if each.language == "sh"
        for line in each.text.splitlines()
        if line.startswith("callveil ")
    ]
    assert len(commands) >= 2
    outcomes = [callveil(*_words(command), env=env) for command in commands]
    assert [done.code for done in outcomes] == [0] * len(commands), outcomes
    return outcomes


def _words(command: str) -> Sequence[str]:
    return command.replace('"', "").split()


def rest(username: str) -> Credential:
    """A credential as a signaling server makes it that shares the secret of the recipes."""
    return Credential(username, wire.rest_password(SECRET, username))


def expiry(in_s: int = 3600) -> int:
    """A time of expiry."""
    return int(time.time()) + in_s


def assert_media_crosses(one: TurnClient, other: TurnClient) -> None:
    """Two clients allocate, and each hears the other."""
    for client in (one, other):
        assert client.allocate().code == 0
    assert one.bind(_CHANNEL, other.relayed) == 0
    assert other.bind(_CHANNEL, one.relayed) == 0
    for sender, receiver in ((one, other), (other, one)):
        data = os.urandom(20)
        sender.send_on(_CHANNEL, data)
        assert receiver.receive() == wire.channel_data(_CHANNEL, data)


def assert_reaches(client: TurnClient, host: str, port: int) -> None:
    """A client allocates, and a media server there hears it, from the relay, and answers."""
    with media_server().socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((host, port))
        server.settimeout(PATIENCE_S)
        assert client.allocate().code == 0
        assert client.bind(_CHANNEL, PeerAddress.parse(host, port)) == 0
        client.send_on(_CHANNEL, b"to the media server")
        data, source = server.recvfrom(100)
        assert (data, source) == (b"to the media server", client.relayed.reveal())
        server.sendto(b"to the client", source)
        assert client.receive() == wire.channel_data(_CHANNEL, b"to the client")


def assert_does_not_reach(client: TurnClient, host: str, port: int) -> None:
    """A client that has allocated may not name this peer."""
    assert client.bind(_CHANNEL + 1, PeerAddress.parse(host, port)) == 403
