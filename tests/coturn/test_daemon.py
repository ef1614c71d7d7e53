"""The relay starts with what was coturn's, and its clients find what they had."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kit import certificates
from tests.kit.command import callveil
from tests.kit.requirements import require
from tests.kit.turn import Credential
from tests.signaling.stage import (
    MEDIA_SERVER,
    NAME,
    RELAY,
    Place,
    assert_does_not_reach,
    assert_media_crosses,
    assert_reaches,
    expiry,
    host,
    relaying,
    rest,
)

_COMMON = f"""\
listening-ip={RELAY}
realm=example.org
cert=certificate.pem
pkey=key.pem
tls-listening-port=443
denied-peer-ip=198.51.100.0-198.51.100.255
allowed-peer-ip={MEDIA_SERVER}
no-cli
"""
_SECRETS = f"{_COMMON}use-auth-secret\nstatic-auth-secret=an-older-secret-of-theirs\n"
_SECRETS += "static-auth-secret=b6a1e0b8f2c94b0d97f4c1a2d3e4f506\n"
_USERS = f"{_COMMON}lt-cred-mech\nuser=asterisk:a-fixed-password-of-theirs\nuser-quota=2\n"


@pytest.fixture(scope="module", autouse=True)
def network() -> Iterator[None]:
    """A network in which the addresses of the configurations are this host's."""
    require()
    with host():
        yield


@contextmanager
def _replaced(directory: Path, text: str) -> Iterator[Place]:
    """The relay with what the command makes of a `turnserver.conf`."""
    files = certificates.write(directory, hosts=[NAME])
    file = directory / "turnserver.conf"
    file.write_text(text)
    done = callveil("import-coturn", str(file))
    assert done.code == 0, done.err
    with relaying(directory / "relay", done.out) as place:
        yield place._replace(certificate=files)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_clients_with_the_shared_secret_have_what_they_had(tmp_path: Path, transport: str) -> None:
    with _replaced(tmp_path, _SECRETS) as place:
        names = (f"{expiry()}:alice", str(expiry()))
        with (
            place.client(rest(names[0]), transport) as one,
            place.client(rest(names[1])) as other,
        ):
            assert_media_crosses(one, other)
        with place.client(rest(f"{expiry()}:bob"), transport) as client:
            assert_reaches(client, MEDIA_SERVER, 9000)
            assert_does_not_reach(client, "198.51.100.21", 9000)
            assert_does_not_reach(client, "127.0.0.1", 8080)


def test_a_fixed_user_has_what_it_had_and_its_quota(tmp_path: Path) -> None:
    fixed = Credential("asterisk", "a-fixed-password-of-theirs")
    with (
        _replaced(tmp_path, _USERS) as place,
        place.client(fixed) as one,
        place.client(fixed) as other,
        place.client(fixed) as third,
    ):
        assert_reaches(one, MEDIA_SERVER, 9000)
        assert other.allocate().code == 0
        assert third.allocate().code == 486
