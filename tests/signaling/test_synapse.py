"""docs/signaling/synapse.md, with Synapse: what `/voip/turnServer` answers works at the relay."""

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docs.pages import ROOT, read
from tests.kit.polling import PATIENCE_S, wait_until
from tests.kit.program import Program
from tests.kit.requirements import insist
from tests.kit.turn import Credential
from tests.signaling.stage import (
    MEDIA_SERVER,
    Place,
    assert_does_not_reach,
    assert_media_crosses,
    block,
    relaying,
    run_checks,
)

_PYTHON = ROOT / ".venv/synapse/bin/python"
_API = "http://localhost:8008"
_ASKED = "/_matrix/client/v3/voip/turnServer"
_AROUND = """\
server_name: example.org
pid_file: {home}/synapse.pid
listeners:
  - {{port: 8008, bind_addresses: ["127.0.0.1"], type: http, resources: [{{names: [client]}}]}}
database: {{name: sqlite3, args: {{database: "{home}/homeserver.db"}}}}
media_store_path: {home}/media
signing_key_path: {home}/signing.key
macaroon_secret_key: of-the-tests
form_secret: of-the-tests
enable_registration: true
enable_registration_without_verification: true
report_stats: false
trusted_key_servers: []
"""


def _ask(path: str, body: dict[str, Any] | None = None, token: str = "") -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{_API}{path}", data, headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)
        return found


@pytest.fixture(scope="module")
def synapse(host: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    insist("Synapse", "" if _PYTHON.exists() else "make synapse")
    home = tmp_path_factory.mktemp("synapse")
    config = home / "homeserver.yaml"
    config.write_text(_AROUND.format(home=home) + block("synapse", "yaml", having="turn_uris"))
    command = [str(_PYTHON), "-m", "synapse.app.homeserver", "-c", str(config)]
    done = Program([*command, "--generate-keys"], home / "keys.log")
    with done:
        assert done.process.wait(PATIENCE_S) == 0, done.log_text()
    with Program(command, home / "synapse.log", cwd=home) as program:
        wait_until(lambda: not program.is_running or _is_there(), "Synapse answers")
        assert program.is_running, program.log_text()[-4000:]
        yield


def _is_there() -> bool:
    try:
        return bool(_ask("/_matrix/client/versions"))
    except OSError:
        return False


@pytest.fixture(scope="module")
def place(host: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    configuration = block("synapse", "yaml", having="peers: relay")
    with relaying(tmp_path_factory.mktemp("relay"), configuration) as made:
        yield made


def _servers(name: str) -> dict[str, Any]:
    """What Synapse tells a user that has just registered."""
    body = {"username": name, "password": "of-the-tests", "auth": {"type": "m.login.dummy"}}
    token = _ask("/_matrix/client/v3/register", body)["access_token"]
    return _ask(_ASKED, token=token)


def _credential(servers: dict[str, Any]) -> Credential:
    return Credential(servers["username"], servers["password"])


def test_two_users_of_synapse_hear_each_other(synapse: None, place: Place) -> None:
    alice, bob = _servers("alice"), _servers("bob")
    assert alice["uris"] == [
        "turn:turn.example.org:3478?transport=udp",
        "turn:turn.example.org:3478?transport=tcp",
        "turns:turn.example.org:443?transport=tcp",
    ]
    assert alice["ttl"] == 3600
    assert re.fullmatch(r"[0-9]+:@alice:example\.org", alice["username"])
    assert abs(int(alice["username"].partition(":")[0]) - time.time() - 3600) < PATIENCE_S
    for transport in ("udp", "tcp", "tls"):
        with (
            place.client(_credential(alice), transport) as one,
            place.client(_credential(bob)) as other,
        ):
            assert_media_crosses(one, other)
            assert_does_not_reach(one, MEDIA_SERVER, 10_000)


def test_a_user_of_synapse_is_revoked_as_the_page_says(synapse: None, place: Place) -> None:
    carol = _credential(_servers("carol"))
    page = read("docs/signaling/synapse.md")
    (url,) = re.findall(r"curl -X DELETE 'http://127\.0\.0\.1:8080(\S+)'", page)
    with place.client(carol) as client:
        assert client.allocate().code == 0
        assert place.daemon.ask("DELETE", url.replace("alice", "carol")).status == 204
    with place.client(carol) as client:
        assert client.allocate().code == 403


def test_the_command_of_the_page_asks_where_synapse_answers() -> None:
    assert f"{_API}{_ASKED}" in block("synapse", "sh", having="curl")


def test_the_checks_of_the_page_succeed(place: Place) -> None:
    assert "ok" in run_checks("synapse", place)[0].out
