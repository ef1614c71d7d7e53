"""Keys that must fit each other, and what this version refuses because it cannot do it."""

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from relay.config import cautions, parse
from tests.config.faults import faults_of

_BOTH = "relay: {addresses: [192.0.2.1, '2001:db8::1']}\n"


def make_certificate(directory: Path, password: bytes | None = None) -> tuple[Path, Path]:
    """A self-signed certificate and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "relay.invalid")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    encryption = (
        serialization.NoEncryption()
        if password is None
        else serialization.BestAvailableEncryption(password)
    )
    directory.mkdir(exist_ok=True)
    paths = directory / "certificate.pem", directory / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )
    return paths


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ("privacy: {log_addresses: keyed}", "privacy.log_addresses"),
        ("state: {directory: /var/lib/callveil}", "state.directory"),
        ("fleet: {redis: 'redis://:hush@192.0.2.1'}", "fleet.redis"),
        ("fleet: {node: a}", "fleet.node"),
        ("fleet: {region: a}", "fleet.region"),
    ],
)
def test_what_this_version_cannot_do_is_refused(content: str, key: str) -> None:
    (line,) = faults_of(content)
    assert line.startswith(f"{key}: ")
    assert line.endswith("; not available in this version")
    assert "hush" not in line


def test_peers_relay_is_available() -> None:
    assert parse(b"relay: {peers: relay}", {}).relay.peers == "relay"


@pytest.mark.parametrize(
    ("urls", "place", "first"),
    [
        (["tcp://127.0.0.1:1", "udp://127.0.0.1:1", "tcp://127.0.0.1:1"], 2, "listen[0]"),
        (["udp://127.0.0.1:1", "udp://127.0.0.1:1"], 1, "listen[0]"),
        (["tls://[::1]:1", "tcp://[::1]:1"], 1, "listen[0]"),
        (["udp://0.0.0.0:1", "udp://192.0.2.1:1"], 1, "listen[0]"),
        (["tcp://192.0.2.1:1", "tls://0.0.0.0:1"], 1, "listen[0]"),
        (["udp://[2001:db8::1]:1", "udp://[::]:1"], 1, "listen[0]"),
        (["udp://127.0.0.1:8080", "tcp://127.0.0.1:8080"], 1, "api.listen"),
        (["tls://0.0.0.0:8080"], 0, "api.listen"),
    ],
)
def test_whatever_listens_has_a_port_of_its_own(urls: list[str], place: int, first: str) -> None:
    """TCP, TLS and the API share ports; a wildcard is every address."""
    tls = "tls: {certificate: /dev/null, key: /dev/null}\n"
    lines = [line for line in faults_of(f"{_BOTH}{tls}listen: {urls}") if "tls." not in line]
    assert lines == [
        f"listen[{place}]: {urls[place]!r}: expected a port of its own, since {first} has it"
    ]


@pytest.mark.parametrize(
    ("api", "url"),
    [("0.0.0.0:80", "tcp://192.0.2.1:80"), ("[::]:80", "tcp://192.0.2.1:80")],
)
def test_an_api_on_every_address_has_its_port_everywhere(api: str, url: str) -> None:
    """Its socket for IPv6 is one for IPv4 too."""
    (line,) = faults_of(f"{_BOTH}listen: ['{url}']\napi: {{listen: '{api}', tokens: [{'t' * 16}]}}")
    assert line.startswith("listen[0]: ")


@pytest.mark.parametrize(
    "urls",
    [
        ["tcp://192.0.2.1:1", "tcp://192.0.2.2:1", "udp://192.0.2.1:1"],
        ["udp://0.0.0.0:1", "udp://[::]:1", "tcp://0.0.0.0:1", "tcp://[::]:1"],
        ["udp://0.0.0.0:8080", "tcp://192.0.2.1:8080"],
    ],
)
def test_what_can_be_had_beside_each_other_is_taken(urls: list[str]) -> None:
    assert parse(f"{_BOTH}listen: {urls}".encode(), {}).listen


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("tcp://192.0.2.1:3478", "192.168.1.9"),
        ("udp://[2001:db8::1]:3478", "fe80::7"),
        ("udp://192.0.2.1:3478", "100.64.0.7/192.168.1.9"),
    ],
)
def test_clients_from_outside_are_not_told_a_private_address(listen: str, address: str) -> None:
    (line,) = faults_of(
        f"listen: ['udp://127.0.0.1:1', '{listen}']\nrelay: {{addresses: ['{address}']}}"
    )
    public = address.partition("/")[0]
    assert line == (
        f"relay.addresses[0]: '{public}': a private address, though other networks reach {listen}: "
        "expected PUBLIC/LOCAL, or listeners on private addresses only"
    )


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("udp://0.0.0.0:3478", "10.0.0.7"),
        ("udp://[::]:3478", "fd00::7"),
        ("tcp://0.0.0.0:3478", "192.168.1.9/172.17.0.2"),
    ],
)
def test_on_every_address_of_a_host_a_private_one_is_told_with_a_caution(
    listen: str, address: str
) -> None:
    """All of them may be private: a relay for an office, or in a container."""
    settings = parse(f"listen: ['{listen}']\nrelay: {{addresses: ['{address}']}}".encode(), {})
    (line,) = cautions(settings.with_secret(bytes))
    public = address.partition("/")[0]
    assert line == (
        f"relay.addresses[0]: '{public}': a private address, and {listen} listens on every address "
        "of this host: clients outside of your network cannot use it; for them write PUBLIC/LOCAL"
    )


@pytest.mark.parametrize(
    ("listen", "addresses"),
    [
        (["udp://10.0.0.7:3478", "udp://127.0.0.1:3478"], ["10.0.0.7"]),
        (["udp://0.0.0.0:3478"], ["203.0.113.7/10.0.0.7"]),
        (["udp://10.0.0.7:3478"], ["203.0.113.7/10.0.0.7"]),
        (["udp://[fd00::7]:3478"], ["fd00::7"]),
        # An office: IPv6 has no private side there.
        (["udp://10.0.0.7:3478", "udp://[2001:db8::7]:3478"], ["10.0.0.7", "2001:db8::7"]),
    ],
)
def test_a_private_network_and_nat_are_no_fault(listen: list[str], addresses: list[str]) -> None:
    settings = parse(f"listen: {listen}\nrelay: {{addresses: {addresses}}}".encode(), {})
    assert cautions(settings.with_secret(bytes)) == []


def test_udp_and_tcp_share_a_port_and_port_0_is_always_another() -> None:
    urls = ["udp://127.0.0.1:1", "tcp://127.0.0.1:1", "udp://127.0.0.1:0", "udp://127.0.0.1:0"]
    settings = parse(f"listen: {urls}".encode(), {})
    assert [listen.url for listen in settings.listen] == urls


@pytest.mark.parametrize("url", ["udp://0.0.0.0:3478", "udp://192.0.2.1:3478", "udp://[::]:3478"])
def test_clients_elsewhere_are_not_told_a_loopback_address(url: str) -> None:
    (line,) = faults_of(f"listen: ['udp://127.0.0.1:1', '{url}']")
    assert line.startswith("relay.addresses: a loopback address")
    assert parse(f"listen: ['{url}']\n{_BOTH}".encode(), {}).listen


def test_a_relay_that_could_not_say_where_it_is_is_refused() -> None:
    """A wildcard is told as the relay's address of its family."""
    relay = "relay: {addresses: [192.0.2.1]}\n"
    (line,) = faults_of(f"{relay}listen: ['tcp://[::]:1', 'udp://[::]:1']")
    assert line == "listen[0]: 'tcp://[::]:1': expected relay.addresses to have one of its family"
    assert parse(f"{relay}listen: ['udp://[::]:1', 'udp://0.0.0.0:1']".encode(), {}).listen


def test_one_relay_address_per_family() -> None:
    (line,) = faults_of("relay: {addresses: [192.0.2.1, 192.0.2.2]}")
    assert line.startswith("relay.addresses: expected one address per family")
    both = parse(b"relay: {addresses: [192.0.2.1/10.0.0.1, '2001:db8::1']}", {})
    assert [address.family for address in both.relay.addresses] == [1, 2]
    assert both.relay.addresses[0].public.packed == bytes([192, 0, 2, 1])
    assert both.relay.addresses[0].local.packed == bytes([10, 0, 0, 1])


@pytest.mark.parametrize("listen", ["0.0.0.0:80", "192.0.2.1:80", "[::]:80", "[2001:db8::1]:80"])
def test_an_api_that_others_reach_needs_a_token(listen: str) -> None:
    (line,) = faults_of(f"api: {{listen: '{listen}'}}")
    assert line.startswith("api.tokens: []: expected at least one token")
    assert parse(f"api: {{listen: '{listen}', tokens: [{'t' * 16}]}}".encode(), {}).api.tokens


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:80", "127.9.9.9:80", "localhost:80"])
def test_an_api_on_loopback_needs_none(listen: str) -> None:
    assert parse(f"api: {{listen: '{listen}'}}".encode(), {}).api.listen.is_loopback


def test_tls_needs_a_certificate_with_its_key(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path / "a")
    _, other = make_certificate(tmp_path / "b")
    _, locked = make_certificate(tmp_path / "c", b"passphrase")
    tls = "listen: ['tls://127.0.0.1:5349']\n"
    assert faults_of(tls) == ["tls.certificate: '': expected a file, since listen has tls://"]
    for used in (other, locked, certificate, Path("/dev/null")):
        (line,) = faults_of(f"{tls}tls: {{certificate: '{certificate}', key: '{used}'}}")
        assert line.startswith(f"tls.certificate: '{certificate}': expected a PEM certificate")
    assert parse(f"{tls}tls: {{certificate: '{certificate}', key: '{key}'}}".encode(), {})


def test_a_certificate_that_cannot_be_read_is_named_and_a_pasted_key_not_shown() -> None:
    lines = faults_of("tls: {certificate: /nowhere, key: '-----BEGIN hush'}")
    assert lines == [
        "tls.certificate: '/nowhere': expected a PEM file that can be read",
        "tls.key: expected a PEM file that can be read",
    ]
    assert faults_of("tls: {certificate: /dev/null}") == [
        "tls.key: expected a PEM file that can be read"
    ]


def test_load_balancers_need_a_listener_that_is_no_udp() -> None:
    (line,) = faults_of("proxy_protocol: [192.0.2.1]")
    assert line.startswith("proxy_protocol: expected a tcp:// or tls:// listener")
    listen = "listen: [udp://127.0.0.1:3478, tcp://127.0.0.1:3478]\n"
    assert parse(f"{listen}proxy_protocol: [192.0.2.1]".encode(), {}).proxy_protocol.networks
