"""What a daemon says when it is ready, and what it does where it cannot be."""

import itertools
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.address import IPV4, IPV6
from tests.daemon.talking import hears, joined
from tests.kit import certificates, namespaces, requirements, wire
from tests.kit.command import Outcome, callveil
from tests.kit.daemon import CONFIGURATION, Daemon, config_of, configured, place_of, running
from tests.kit.namespaces import Namespace

NOWHERE = "198.51.100.7"


def test_ready_names_every_listener_in_order_and_the_api(tmp_path: Path) -> None:
    requirements.require_ipv6()
    files = certificates.write(tmp_path / "tls")
    listen = ["tls://127.0.0.1:0", "udp://127.0.0.1:0", "tcp://127.0.0.1:0", "udp://[::1]:0"]
    with running(tmp_path, config_of(listen=listen, tls=files.section)) as daemon:
        places = [place_of(url) for url in daemon.urls]
        assert [(place.scheme, place.host) for place in places] == [
            ("turns", "127.0.0.1"),
            ("turn", "127.0.0.1"),
            ("turn", "127.0.0.1"),
            ("turn", "::1"),
        ]
        assert [place.kind == socket.SOCK_DGRAM for place in places] == [False, True, False, True]
        assert daemon.lines[-1].startswith("ready ")
        call = daemon.create_call()
        (server,) = call["parties"]["bob"]["rtc_configuration"]["iceServers"]
        assert server["urls"] == daemon.urls
        for url in daemon.urls[1:]:
            assert daemon.stranger("call", url, url=url).allocate().code == 0


def test_what_is_ready_takes_traffic_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        assert hears(*joined(daemon, daemon.create_call()), b"at once")
        assert daemon.ask("GET", "/readyz").status == 200


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that is in use, over UDP and TCP."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
    ):
        tcp.bind(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        tcp.listen()
        yield port


def serve(tmp_path: Path, **sections: object) -> Outcome:
    """A daemon that is expected to end by itself."""
    return callveil("serve", *configured(tmp_path, config_of(**sections)))


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_listener_whose_port_is_taken_is_one_line(
    tmp_path: Path, taken: int, transport: str
) -> None:
    files = certificates.write(tmp_path / "tls")
    url = f"{transport}://127.0.0.1:{taken}"
    done = serve(tmp_path, listen=["udp://127.0.0.1:0", url], tls=files.section)
    assert (done.code, done.out) == (1, "")
    assert done.err == f"callveil: listen: {url}: Address already in use\n"


def test_an_api_whose_port_is_taken_is_one_line(tmp_path: Path, taken: int) -> None:
    done = serve(tmp_path, api={"listen": f"127.0.0.1:{taken}"})
    assert (done.code, done.out) == (1, "")
    assert done.err == f"callveil: api.listen: 127.0.0.1:{taken}: Address already in use\n"


def test_an_address_of_another_host_is_one_line(tmp_path: Path) -> None:
    url = f"udp://{NOWHERE}:0"
    done = serve(tmp_path, listen=[url], relay={"addresses": [NOWHERE]})
    assert (done.code, done.out) == (1, "")
    assert done.err == f"callveil: listen: {url}: Cannot assign requested address\n"


def test_clients_are_told_the_public_side_of_nat(tmp_path: Path) -> None:
    requirements.require_ipv6()
    config = config_of(
        listen=["udp://127.0.0.1:0", "tcp://127.0.0.1:0", "udp://[::1]:0"],
        relay={"addresses": [f"{NOWHERE}/127.0.0.1", "2001:db8::7/::1"]},
    )
    with running(tmp_path, config) as daemon:
        hosts = [place_of(url).host for url in daemon.urls]
        assert hosts == [NOWHERE, NOWHERE, "2001:db8::7"]
        # The client of this test is on the private side.
        port = place_of(daemon.urls[0]).port
        client = daemon.stranger("call", "leg", url=f"turn:127.0.0.1:{port}?transport=udp")
        assert client.allocate().code == 0
        assert client.relayed.packed == socket.inet_aton(NOWHERE)


def test_clients_are_told_names_in_place_of_numbers(tmp_path: Path) -> None:
    """Each once per listener, in the order given, and over every transport."""
    requirements.require_ipv6()
    one, two = "turn.example.org", "xn--trn-hoa.example.org"
    files = certificates.write(tmp_path / "tls", hosts=["127.0.0.1", "*.example.org"])
    config = config_of(
        listen=["udp://127.0.0.1:0", "tls://127.0.0.1:0", "tcp://[::1]:0"],
        relay={
            "addresses": ["127.0.0.1", "::1"],
            "names": ["Turn.example.org", "türn.example.org"],
        },
        privacy={"stun_binding": True},
        tls=files.section,
    )
    with running(tmp_path, config) as daemon:
        udp, tls, tcp = (place_of(url).port for url in daemon.urls[::2])
        told = [
            f"turn:{one}:{udp}?transport=udp",
            f"turn:{two}:{udp}?transport=udp",
            f"turns:{one}:{tls}?transport=tcp",
            f"turns:{two}:{tls}?transport=tcp",
            f"turn:{one}:{tcp}?transport=tcp",
            f"turn:{two}:{tcp}?transport=tcp",
        ]
        assert daemon.urls == told
        assert _told(daemon) == told
        parties = daemon.ask("POST", "/v1/calls", {"parties": [{"id": "a"}, {"id": "b"}]}).body
        (server,) = parties["parties"]["a"]["rtc_configuration"]["iceServers"]
        assert server["urls"] == [*told, f"stun:{one}:{udp}", f"stun:{two}:{udp}"]


def test_one_port_on_two_addresses_is_told_once_by_its_name(tmp_path: Path, taken: int) -> None:
    config = config_of(
        listen=[f"udp://127.0.0.2:{taken}", f"udp://127.0.0.3:{taken}"],
        relay={"addresses": ["127.0.0.1"], "names": ["turn.example.org"]},
    )
    with running(tmp_path, config) as daemon:
        assert daemon.urls == [f"turn:turn.example.org:{taken}?transport=udp"]


def test_a_reload_changes_the_names_that_clients_are_told(tmp_path: Path) -> None:
    files = certificates.write(tmp_path / "tls", hosts=["127.0.0.1"])
    tls = {"listen": ["tls://127.0.0.1:0"], "tls": files.section}
    with running(tmp_path, config_of(**tls)) as daemon:
        (before,) = _told(daemon)
        daemon.configure(config_of(**tls, relay={"names": ["turn.example.org"]}))
        daemon.signal(signal.SIGHUP)
        daemon.until_said("relay.names\\[0\\]: 'turn.example.org': expected a name that tls.")
        assert _told(daemon) == [before]
        certificates.write(tmp_path / "tls", hosts=["turn.example.org"])
        daemon.signal(signal.SIGHUP)
        daemon.until_said("reloaded")
        assert _told(daemon) == [before.replace("127.0.0.1", "turn.example.org")]
        assert not any("needs_restart" in line for line in daemon.lines)


def test_a_name_that_the_certificate_is_not_for_keeps_the_daemon_from_starting(
    tmp_path: Path,
) -> None:
    files = certificates.write(tmp_path / "tls", hosts=["*.example.org"])
    tls = {"listen": ["tls://127.0.0.1:0"], "tls": files.section}
    done = serve(tmp_path, **tls, relay={"names": ["example.org"]})
    fault = "relay.names[0]: 'example.org': expected a name that tls.certificate is for; it is for"
    assert (done.code, done.err) == (2, f"callveil: {fault} *.example.org\n")
    checked = callveil("check-config", str(tmp_path / CONFIGURATION))
    assert (checked.code, checked.err) == (2, done.err)


def _told(daemon: Daemon) -> list[str]:
    """What clients of a new call are told."""
    (server,) = daemon.create_call()["parties"]["bob"]["rtc_configuration"]["iceServers"]
    urls: list[str] = server["urls"]
    return urls


@pytest.fixture
def host() -> Iterator[Namespace]:
    """A host with several addresses, none of them link-local, and one of them on two interfaces."""
    requirements.require()
    with namespaces.host("several-addresses") as made:
        addresses = ("192.0.2.10/32", "192.0.2.11/32", "2001:db8::10/128")
        lines = [f"addr add {address} dev lo" for address in addresses]
        twice = ["link add cvd-a type veth peer name cvd-b", "addr add 192.0.2.10/32 dev cvd-a"]
        made.set_up([*lines, *twice])
        yield made


def test_a_wildcard_answers_from_the_address_that_was_asked(
    tmp_path: Path, host: Namespace
) -> None:
    config = config_of(
        listen=["udp://0.0.0.0:3478", "udp://[::]:3478", "tcp://0.0.0.0:3478", "tcp://[::]:3478"],
        relay={"addresses": [f"{NOWHERE}/192.0.2.11", "2001:db8::10"]},
        api={"listen": "127.0.0.1:8080"},
    )
    with running(tmp_path, config, before=host.command([])) as daemon:
        # What clients are told is the relay's address of that family, once.
        assert daemon.urls == [
            f"turn:{NOWHERE}:3478?transport=udp",
            "turn:[2001:db8::10]:3478?transport=udp",
            f"turn:{NOWHERE}:3478?transport=tcp",
            "turn:[2001:db8::10]:3478?transport=tcp",
        ]
        addresses = ("127.0.0.1", "192.0.2.10", "192.0.2.11", "::1", "2001:db8::10")
        for own, address in itertools.permutations(addresses, 2):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            if (":" in own) != (":" in address):
                continue
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with host.socket(family, kind) as sock:
                    sock.settimeout(60)
                    sock.bind((own, 0))
                    sock.connect((address, 3478))  # hears that address and no other
                    request = wire.build(3, 0, os.urandom(12), [wire.transport(17)])
                    sock.send(request)
                    assert wire.parse(sock.recv(2048)).code == 401


def test_a_wildcard_of_a_family_without_relay_address_is_not_told(
    tmp_path: Path, host: Namespace
) -> None:
    config = config_of(
        listen=["tcp://[::]:3478", "udp://[::]:3478", "udp://0.0.0.0:3478"],
        relay={"addresses": ["192.0.2.10"]},
        api={"listen": "127.0.0.1:8080"},
    )
    with running(tmp_path, config, before=host.command([])) as daemon:
        assert daemon.urls == ["turn:192.0.2.10:3478?transport=udp"]


@pytest.mark.parametrize(("family", "host"), [(IPV4, "127.0.0.1"), (IPV6, "::1")])
def test_relayed_addresses_of_both_families_are_handed_out(
    tmp_path: Path, family: int, host: str
) -> None:
    config = config_of(relay={"addresses": ["127.0.0.1", "::1"]})
    with running(tmp_path, config) as daemon:
        client = daemon.stranger("call", "leg")
        assert client.allocate(wire.requested_family(family)).code == 0
        assert client.relayed.family == family
        name = socket.AF_INET if family == IPV4 else socket.AF_INET6
        assert client.relayed.packed == socket.inet_pton(name, host)
