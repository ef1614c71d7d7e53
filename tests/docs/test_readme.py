"""README's example, run as it stands there: only the ports are others."""

import base64
import hmac
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.docs.pages import ROOT, assert_shows, blocks, parse_json, read
from tests.kit.command import callveil, environment
from tests.kit.daemon import Daemon, serving

API, TURN = "http://127.0.0.1:8080", "127.0.0.1:3478"
CALL = re.compile(r"cv_[\w-]{22}")

_IP = re.compile(r"[0-9]+(?:\.[0-9]+){3}")


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with serving() as running:
        yield running


def _as_served(text: str, daemon: Daemon) -> str:
    """A text of README with this daemon's ports."""
    turn = daemon.urls[0].partition(":")[2].partition("?")[0]
    return text.replace(API, daemon.api).replace(TURN, turn)


def _run(script: str) -> str:
    done = subprocess.run(
        ["bash", "-euc", script], env=environment(), capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_curl_commands_do_what_is_shown(daemon: Daemon) -> None:
    if shutil.which("curl") is None:
        pytest.skip("apt-get install curl")
    example = [block for block in blocks("README.md") if block.language in ("sh", "json")]
    (shown,) = set(CALL.findall(read("README.md")))
    call, answer, states = "", "", []
    for block in example:
        text = _as_served(block.text, daemon).replace(shown, call or shown)
        if block.language == "sh":
            answer = _run(text)
            call = call or json.loads(answer)["id"]
            continue
        assert_shows(json.loads(text), json.loads(answer))
        states.append(json.loads(answer)["state"])
    assert states == ["ringing", "active"]
    assert daemon.ask("GET", f"/v1/calls/{call}").body["state"] == "ended"


def test_the_answer_of_a_whole_party_is_shown_once() -> None:
    created, statistics = (parse_json(b) for b in blocks("README.md") if b.language == "json")
    assert set(created["parties"]) == set(statistics["parties"]) == {"alice", "bob"}
    assert "iceTransportPolicy" in created["parties"]["alice"]["rtc_configuration"]


def test_the_two_peers_talk_and_are_told_relayed_addresses_only(
    daemon: Daemon, tmp_path: Path
) -> None:
    (script,) = (block.text for block in blocks("README.md") if block.language == "python")
    file = tmp_path / "two_peers.py"
    file.write_text(script)
    done = subprocess.run(
        [sys.executable, file, daemon.api],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].endswith("ringing, masked: alice, bob")

    told = [line for line in lines if " was told " in line]
    assert {line.split()[0] for line in told} == {"alice", "bob"}
    assert {ip for line in told for ip in _IP.findall(line)} == {"127.0.0.1", "0.0.0.0"}  # noqa: S104
    candidates = [line for line in told if "a=candidate" in line]
    assert len(candidates) == 2
    assert all("typ relay raddr 0.0.0.0 rport 9" in line for line in candidates)

    assert [line.split(maxsplit=2)[::2] for line in lines if " heard " in line] == [
        ["bob", "'hello bob'"],
        ["alice", "'hello alice'"],
    ]
    for line, name in zip(lines[-2:], ("alice", "bob"), strict=True):
        assert line.startswith(f"{name} {{'transport': 'udp', 'packets': ")
        assert "'packets': 0," not in line
    assert daemon.ask("GET", "/v1/calls").body["calls"] == []


def test_the_credential_formula_is_the_commands() -> None:
    text = read("README.md")
    assert "username = <Unix time until which it may be used>:<call>:<leg>\n" in text
    assert "password = base64(HMAC-SHA1(secret, username))\n" in text
    secret = "a secret for tests only"
    env = {"CALLVEIL__AUTH__SECRETS": secret}
    made = callveil("credential", "--call", "c", "--leg", "l", "--json", env=env)
    credential: dict[str, Any] = json.loads(made.out)
    assert re.fullmatch(r"[0-9]+:c:l", credential["username"])
    mac = hmac.digest(secret.encode(), credential["username"].encode(), "sha1")
    assert credential["password"] == base64.b64encode(mac).decode()


def test_the_configuration_for_deployment_has_no_fault_but_the_missing_certificate(
    tmp_path: Path,
) -> None:
    (text,) = (block.text for block in blocks("README.md") if block.language == "yaml")
    assert urlsplit(yaml.safe_load(text)["listen"][0]).port == 3478
    file = tmp_path / "callveil.yaml"
    file.write_text(text)
    env = {"CALLVEIL_SECRET": "sixteen characters", "CALLVEIL_TOKEN": "sixteen characters"}
    done = callveil("check-config", str(file), env=env)
    assert done.code == 2
    assert [line.split()[1] for line in done.err.splitlines()] == ["tls.certificate:", "tls.key:"]


def test_behind_nat_clients_are_told_the_public_address() -> None:
    assert '`addresses: ["198.51.100.7/10.0.0.7"]`' in read("README.md")
    with serving(env={"CALLVEIL__RELAY__ADDRESSES": '["198.51.100.7/127.0.0.1"]'}) as daemon:
        body = {"parties": [{"id": "a"}, {"id": "b"}]}
        call = daemon.ask("POST", "/v1/calls", body).body
    servers = call["parties"]["a"]["rtc_configuration"]["iceServers"]
    assert servers[0]["urls"][0].startswith("turn:198.51.100.7:")


def test_every_directory_has_its_line() -> None:
    named = set(re.findall(r"^\| `(\w+)/` \|", read("README.md"), re.MULTILINE))
    there = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."}
    assert there - {"dist"} - named <= {"test-output"}
    assert named <= there
