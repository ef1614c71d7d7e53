"""What a configuration takes for granted: users, interfaces, a certificate that clients take."""

import getpass
import socket
import time
from pathlib import Path

import pytest

from relay.config import look_at_certificate, look_at_host, parse
from relay.config.host import Found
from tests.kit import certificates

_ADDRESSES = "relay: {addresses: [192.0.2.7, '2001:db8::7/2001:db8::8']}\n"
_LISTEN = "listen: ['tls://192.0.2.7:5349', 'tls://[2001:db8::8]:5349', 'udp://192.0.2.9:1']\n"
_ALL = ("192.0.2.7", "2001:db8::7")


def _look(
    directory: Path,
    hosts: tuple[str, ...] = _ALL,
    days: tuple[float, float] = (-30, 60),
    content: str = _LISTEN,
    relay: str = _ADDRESSES,
) -> Found:
    files = certificates.write(directory / "tls", hosts=hosts, days=days)
    tls = f"tls: {{certificate: {files.certificate}, key: {files.key}}}\n"
    found = look_at_certificate(parse((relay + tls + content).encode(), {}), time.time())
    place = f"tls.certificate: {str(files.certificate)!r}: "
    lines = [*found.faults, *found.cautions]
    assert all(line.startswith(place) for line in lines)
    return Found(*([line.removeprefix(place) for line in part] for part in found))


def test_a_good_certificate_is_nothing_to_speak_of(tmp_path: Path) -> None:
    assert _look(tmp_path) == ([], [])
    assert _look(tmp_path, (*_ALL, "turn.example"), (-1, 5)) == ([], [])


def test_an_expired_certificate_is_a_fault(tmp_path: Path) -> None:
    assert _look(tmp_path, days=(-90, -0.01)) == (
        ["expected a certificate that has not expired"],
        [],
    )


def test_one_that_is_not_valid_yet_is_a_fault(tmp_path: Path) -> None:
    (fault,), _ = _look(tmp_path, days=(0.5, 90))
    assert fault == "expected a certificate that is valid by now; check this host's clock too"


@pytest.mark.parametrize(
    ("days", "left"), [((-77, 13.5), 13), ((-5.5, 1.5), 1), ((-90, 0.01), 0), ((-350, 5.5), 5)]
)
def test_one_that_should_have_been_renewed_is_a_caution(
    tmp_path: Path, days: tuple[float, float], left: int
) -> None:
    assert _look(tmp_path, days=days) == ([], [f"the certificate expires in {left} days; renew it"])


@pytest.mark.parametrize(
    ("hosts", "names", "unfit"),
    [
        (("turn.example",), "turn.example", "192.0.2.7, 2001:db8::7"),
        (("192.0.2.7", "192.0.2.9"), "192.0.2.7, 192.0.2.9", "2001:db8::7"),
        (
            ("a.example", "b.example", "c.example", "d.example", *_ALL[1:]),
            "a.example, b.example, c.example",
            "192.0.2.7",
        ),
    ],
)
def test_one_for_others_than_clients_are_told_is_a_caution(
    tmp_path: Path, hosts: tuple[str, ...], names: str, unfit: str
) -> None:
    (caution,) = _look(tmp_path, hosts).cautions
    assert caution == (
        f"the certificate is for {names}, and not for {unfit}, which the relay tells clients: they "
        "refuse it; write a name that it is for into relay.names"
    )


def test_numbers_that_no_client_is_told_do_not_count(tmp_path: Path) -> None:
    content = _LISTEN + "relay: {addresses: [192.0.2.7, '2001:db8::7'], names: [turn.example]}\n"
    assert _look(tmp_path, ("turn.example",), content=content, relay="") == ([], [])


def test_only_what_is_told_of_tls_listeners_counts(tmp_path: Path) -> None:
    """Of a wildcard the relay's public address is."""
    wildcard = "listen: ['tls://[::]:5349', 'udp://192.0.2.7:1']\n"
    assert _look(tmp_path, ("2001:db8::7",), content=wildcard) == ([], [])
    assert _look(tmp_path, ("a.example",), content="listen: ['udp://192.0.2.7:1']\n") == ([], [])


def test_without_a_certificate_there_is_none_to_look_at() -> None:
    assert look_at_certificate(parse(b"", {}), time.time()) == ([], [])


def test_users_and_interfaces_are_this_hosts() -> None:
    (_, there), *_ = socket.if_nameindex()
    known = parse(f"user: {getpass.getuser()}\nfastpath: {{interfaces: [{there}]}}".encode(), {})
    assert look_at_host(known) == ([], [])
    lacking = f"user: cvnobody0\nfastpath: {{interfaces: [{there}, cv0], mode: require}}"
    faults, _ = look_at_host(parse(lacking.encode(), {}))
    assert faults[0] == "user: 'cvnobody0': expected the name of a user of this host"
    assert faults[1].startswith("fastpath.interfaces[1]: 'cv0': expected an interface of this host")
    assert there in faults[1]


def test_an_interface_that_is_not_there_yet_keeps_nothing_from_the_user_path() -> None:
    faults, (caution,) = look_at_host(parse(b"fastpath: {interfaces: [cv0]}", {}))
    assert faults == []
    assert caution.startswith("fastpath.interfaces[0]: 'cv0': this host has ")
    assert caution.endswith("; without that interface, everything takes the user path")


def test_interfaces_that_are_not_used_are_not_looked_for() -> None:
    settings = parse(b"fastpath: {interfaces: [cv0], mode: 'off'}", {})
    assert look_at_host(settings) == ([], [])
