"""The recipe for one port 443: nginx, HAProxy, a web site and the relay, as the page has them."""

import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.daemon.talking import hears, join
from tests.docs.pages import blocks, read
from tests.kit import certificates, namespaces, wire
from tests.kit.certificates import Files
from tests.kit.daemon import SECRET, Daemon, config_of, configured
from tests.kit.namespaces import Namespace
from tests.kit.polling import PATIENCE_S, wait_until
from tests.kit.program import Program
from tests.kit.requirements import insist, require
from tests.kit.sockets import TurnClient
from tests.kit.turn import mint

PAGE = "docs/operations.md"
SITE, TURN = "www.example.org", "turn.example.org"
MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")

V4, V6 = ("203.0.113.7", "198.51.100.9"), ("2001:db8::7", "2001:db8:c::9")
"""Of the relay, as the page has them, and of the client."""

XOR_MAPPED_ADDRESS = 0x0020
"""RFC 8489 section 18.3."""

_LETSENCRYPT = "/etc/letsencrypt/live"


def _recipe(language: str) -> list[str]:
    """The blocks of the section that are for this program."""
    section = read(PAGE).partition("## Behind a load balancer")[2].partition("\n## ")[0]
    return [text for kind, text in blocks(PAGE) if kind == language and text in section]


class Site(NamedTuple):
    """What runs, and where its clients are."""

    relay: Namespace
    client: Namespace
    daemon: Daemon
    files: dict[str, Files]
    visits: Path

    def connect(self, ends: tuple[str, str], name: str) -> ssl.SSLSocket:
        """A client's TLS connection to port 443 and this name."""
        host, own = ends
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = self.client.socket(family, socket.SOCK_STREAM)
        sock.settimeout(PATIENCE_S)
        sock.bind((own, 0))
        sock.connect((host, 443))
        return self.files[name].trusting_context().wrap_socket(sock, server_hostname=name)

    def caller(self, ends: tuple[str, str], leg: str) -> TurnClient:
        """One of the call's clients."""
        return TurnClient(self.connect(ends, TURN), *mint(SECRET, "call", leg))


@pytest.fixture(autouse=True, scope="module")
def installed() -> None:
    """Skip, or fail under CI, where a part of it is missing."""
    require({"ip": "iproute2", "nginx": "nginx", "haproxy": "haproxy"})
    insist("nginx's stream", "" if MODULE.exists() else "apt-get install libnginx-mod-stream")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Everything, in networks of its own with the page's addresses and ports."""
    home = tmp_path_factory.mktemp("site")
    files = {name: certificates.write(home / name, hosts=[name]) for name in (SITE, TURN)}
    with ExitStack() as stack:
        relay = stack.enter_context(namespaces.host("relay"))
        client = stack.enter_context(namespaces.host("client"))
        _join_networks(relay, client)
        daemon = stack.enter_context(_daemon(relay, home, files))
        for program, command in _programs(home, files).items():
            running = Program(relay.command(command), home / f"{program}.log")
            stack.enter_context(running)
        for port in (443, 8443, 5350):
            wait_until(lambda port=port: _listens(relay, port), f"{port} is listened on")  # type: ignore[misc]
        yield Site(relay, client, daemon, files, home / "visits.log")


def _join_networks(relay: Namespace, client: Namespace) -> None:
    relay.set_up([f"link add wire type veth peer name wire netns {client.name}"])
    for namespace, number in ((relay, 0), (client, 1)):
        others = 1 - number
        namespace.set_up(
            [
                f"addr add {V4[number]}/32 dev wire",
                f"addr add {V6[number]}/128 dev wire nodad",
                "link set wire up",
                f"route add {V4[others]}/32 dev wire src {V4[number]}",
                f"route add {V6[others]}/128 dev wire",
            ]
        )


def _daemon(relay: Namespace, home: Path, files: dict[str, Files]) -> Daemon:
    (recipe,) = _recipe("yaml")
    own = {"privacy": {"mask_mapped_address": False}}  # else nobody is told what the relay saw
    config = config_of() | yaml.safe_load(_placed(recipe, files)) | own
    return Daemon(home, configured(home, config), before=relay.command([]))


def _programs(home: Path, files: dict[str, Files]) -> dict[str, list[str]]:
    """The commands, whose configurations are the page's and what Debian's files say around them."""
    stream, server = (_placed(block, files) for block in _recipe("nginx"))
    (haproxy,) = _recipe("haproxy")
    (home / "haproxy.cfg").write_text(haproxy)
    (home / "nginx.conf").write_text(
        f"load_module {MODULE};\n"
        f"daemon off;\npid {home}/nginx.pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{ access_log {home}/visits.log;\n{server}}}\n{stream}"
    )
    return {
        "nginx": ["nginx", "-e", "stderr", "-c", str(home / "nginx.conf")],
        "haproxy": ["haproxy", "-db", "-f", str(home / "haproxy.cfg")],
    }


def _placed(text: str, files: dict[str, Files]) -> str:
    """The same with this test's certificates."""
    for name, (certificate, key) in files.items():
        text = text.replace(f"{_LETSENCRYPT}/{name}/fullchain.pem", str(certificate))
        text = text.replace(f"{_LETSENCRYPT}/{name}/privkey.pem", str(key))
    assert _LETSENCRYPT not in text
    return text


def _listens(relay: Namespace, port: int) -> bool:
    host = V4[0] if port == 443 else "127.0.0.1"
    with relay.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex((host, port)) == 0


@pytest.mark.parametrize("ends", [V4, V6], ids=["IPv4", "IPv6"])
def test_the_relay_sees_each_clients_own_address(site: Site, ends: tuple[str, str]) -> None:
    with site.caller(ends, "alice") as alice:
        host, port = alice.sock.getsockname()[:2]
        answer = alice.allocate(wire.requested_family(2 if ":" in host else 1))
        assert answer.code == 0
        seen = answer.address(XOR_MAPPED_ADDRESS)
        assert seen == (ipaddress.ip_address(host).packed, port)


def test_two_clients_hear_each_other_through_port_443(site: Site) -> None:
    with site.caller(V4, "alice") as alice, site.caller(V4, "bob") as bob:
        join(alice, bob)
        assert hears(alice, bob, b"there")
        assert hears(bob, alice, b"and back")


@pytest.mark.parametrize("ends", [V4, V6], ids=["IPv4", "IPv6"])
def test_the_web_site_has_the_same_port_and_sees_its_visitors(
    site: Site, ends: tuple[str, str]
) -> None:
    with site.connect(ends, SITE) as visitor:
        visitor.sendall(f"GET / HTTP/1.0\r\nHost: {SITE}\r\n\r\n".encode())
        assert visitor.recv(100).startswith(b"HTTP/1.1 ")
    wait_until(lambda: ends[1] in site.visits.read_text(), "the visit is noted")


def test_clients_are_told_the_port_that_nginx_has(site: Site) -> None:
    assert f"turns:{TURN}:443?transport=tcp" in site.daemon.urls


def test_the_relay_takes_no_connection_of_nginx_without_a_header(site: Site) -> None:
    with (
        site.relay.entered(),
        site.daemon.dropping("bad_proxy_header", count=1),
        socket.create_connection(("127.0.0.1", 443), PATIENCE_S) as sock,
    ):
        sock.sendall(certificates.hello(TURN))
        with suppress(ConnectionError):
            assert sock.recv(1) == b""


def test_haproxys_part_fits_what_debian_ships(tmp_path: Path) -> None:
    (recipe,) = _recipe("haproxy")
    shipped = Path("/etc/haproxy/haproxy.cfg").read_text()
    (tmp_path / "haproxy.cfg").write_text(f"{shipped}\n{recipe}")
    namespaces.run_command(["haproxy", "-c", "-f", str(tmp_path / "haproxy.cfg")])
