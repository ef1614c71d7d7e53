"""Users at a daemon: caps that the operator raises, a reload, and names that name no call."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from relay.stun.message import Method
from tests.daemon.test_reload import reload
from tests.kit import wire
from tests.kit.daemon import SECRET, Config, Daemon, config_of, running
from tests.kit.turn import Credential

EXPIRY = 4_000_000_000
LISTEN = ["udp://127.0.0.1:0", "tcp://127.0.0.1:0"]


def with_users(peers: str = "relay", users: Config | None = None, **limits: int) -> Config:
    """A configuration with static users and limits."""
    return config_of(
        listen=LISTEN,
        relay={"peers": peers},
        auth={"secrets": [SECRET], "users": users or {}},
        limits={"unauthenticated_per_s": 1000, **limits},
    )


def rest(username: str) -> Credential:
    return Credential(username, wire.rest_password(SECRET, username))


@pytest.fixture
def wide(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that has users, forty allocations each."""
    users = {"asterisk": "a-password-of-the-tests", "a:b": "file:" + str(tmp_path / "password")}
    (tmp_path / "password").write_text("in-a-file-of-its-own\n")
    config = with_users(users=users, allocations_per_user=40)
    with running(tmp_path, config) as daemon:
        yield daemon


def test_forty_allocations_of_one_user_where_the_operator_allows_it(wide: Daemon) -> None:
    codes = [wide.client(rest(f"{EXPIRY}:alice")).allocate().code for _ in range(41)]
    assert codes == [0] * 40 + [486]
    assert wide.metric("callveil_users") == 1


@pytest.mark.parametrize("url", [0, 1], ids=["udp", "tcp"])
def test_static_users_have_their_own_passwords(wide: Daemon, url: int) -> None:
    for user, password in (
        ("asterisk", "a-password-of-the-tests"),
        ("a:b", "in-a-file-of-its-own"),
    ):
        credential = Credential(user, password)
        assert wide.client(credential, wide.urls[url]).allocate().code == 0
        assert wide.client(rest(user), wide.urls[url]).allocate().code == 401


def test_a_reload_replaces_static_users_and_lets_those_inside_be(wide: Daemon) -> None:
    old, new = Credential("asterisk", "a-password-of-the-tests"), Credential("asterisk", "changed")
    client = wide.client(old)
    assert client.allocate().code == 0
    reload(wide, with_users(users={"asterisk": "changed"}, allocations_per_user=40))
    assert client.request(Method.REFRESH, wire.lifetime(600)).code == 0
    assert [wide.client(each).allocate().code for each in (old, new)] == [401, 0]
    assert "a-password-of-the-tests" not in wide.log_text()


@pytest.mark.parametrize(
    "name", ["a/b", "..%2F..%2Fhealthz", "a b", "?x#y", "größe", "1:2:3", "n" * 490]
)
def test_a_user_of_any_name_is_revoked(wide: Daemon, name: str) -> None:
    client = wide.client(rest(f"{EXPIRY}:{name}"))
    assert client.allocate().code == 0
    path = f"/v1/users/{quote(name, safe='')}"
    assert [wide.ask("DELETE", path).status for _ in range(2)] == [204, 204]
    assert client.request(Method.REFRESH, wire.lifetime(600)).code == 437
    assert client.allocate().code == 403
    assert wide.ask("DELETE", f"{path}?for_s=0").status == 204
    assert client.allocate().code == 0


def test_a_call_of_the_api_is_a_call_where_there_are_users(wide: Daemon) -> None:
    call = wide.create_call()
    alice = wide.party(call, "alice")
    assert alice.allocate().code == 0
    assert wide.metric("callveil_users") == 0
    wide.end_call(call)
    assert alice.allocate().code == 403


def test_valid_credentials_that_name_no_call_are_said_once_without_their_names(
    daemon: Daemon,
) -> None:
    names = [f"{EXPIRY}", f"{EXPIRY}:@alice:example.org", f"alice:{EXPIRY}", "asterisk"]
    for name in names:
        assert daemon.client(rest(name)).allocate().code == 401
        assert daemon.client(Credential(name, "a guess")).allocate().code == 401
    said = daemon.until_said("credentials name no call: set relay.peers")
    assert "requests=" in said
    assert daemon.metric('callveil_refused_total{reason="names_no_call"}') >= len(names)
    assert not any(part in daemon.log_text() for part in ("alice", "asterisk", str(EXPIRY)))
    answer = daemon.ask("DELETE", "/v1/users/asterisk")
    assert (answer.status, answer.body["type"]) == (409, "urn:callveil:problem:no_users")
    assert "asterisk" not in json.dumps(answer.body)
