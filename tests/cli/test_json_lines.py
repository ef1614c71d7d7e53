"""With `--log-json` every line is JSON, from the first to the last, faults among them."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.command import callveil
from tests.kit.daemon import Daemon, serving

_LEVELS = {"debug", "info", "warning", "error", "critical"}


def _parsed(lines: list[str]) -> list[dict[str, Any]]:
    """Every line, each of which is one object with the same head."""
    documents = [json.loads(line) for line in lines]
    for document in documents:
        assert list(document)[:4] == ["time", "level", "logger", "event"]
        assert document["level"] in _LEVELS
        assert document["time"].endswith("Z")
    return documents


def _until(running: Daemon, event: str) -> dict[str, Any]:
    return dict(json.loads(running.until_said(f'"event": "{event}"')))


def test_a_run_from_ready_to_stopped_with_a_reload_that_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "callveil.yaml"
    path.write_text("auth: {secrets: [short]}\n")
    with serving("--config", str(path), "--log-json") as running:
        path.write_text("realm: 7\nuser: [203.0.113.9]\n")
        running.signal(signal.SIGHUP)
        refused = _until(running, "reload_refused")
        faults = [_until(running, "fault")["fault"] for _ in range(refused["faults"])]
        assert running.stop() == 0
        said = _parsed(running.lines)
    by_event = {each["event"]: each for each in said}
    assert by_event["ready"]["urls"] == running.urls
    assert running.urls[0].startswith("turn:127.0.0.1:")
    assert by_event["ready"]["api"] == running.api
    assert by_event["caution"]["caution"].startswith("auth.secrets[0]: shorter than")
    assert by_event["stopped"]["level"] == "info"
    assert faults == [
        "realm: 7: expected 1 to 127 printable characters without quotes",
        "user: ['203.0.113.9']: expected the name of a user, or empty",
    ]


def test_the_same_in_words(tmp_path: Path) -> None:
    path = tmp_path / "callveil.yaml"
    path.write_text("")
    with serving("--config", str(path)) as running:
        path.write_text("realm: 7\nuser: [203.0.113.9]\n")
        running.signal(signal.SIGHUP)
        words = [running.until_said("") for _ in range(3)]
    assert "reload_refused faults=2" in words[0]
    assert words[1] == "callveil: realm: 7: expected 1 to 127 printable characters without quotes"
    assert words[2] == "callveil: user: ['203.0.113.9']: expected the name of a user, or empty"


@pytest.mark.parametrize(
    ("content", "code", "faults"),
    [
        ("realm: 7\nnope: 1\n", 2, ["realm: 7: expected 1 to 127", "nope: unknown key"]),
        ("user: cvnobody0\n", 1, ["user: cvnobody0: there is no such user on this host"]),
        (
            "listen: ['udp://203.0.113.7:0']\nrelay: {addresses: [203.0.113.7]}\n",
            1,
            ["listen: udp://203.0.113.7:0: Cannot assign"],
        ),
    ],
)
def test_what_keeps_it_from_starting(
    tmp_path: Path, content: str, code: int, faults: list[str]
) -> None:
    path = tmp_path / "callveil.yaml"
    path.write_text(f"api: {{listen: '127.0.0.1:0'}}\nfastpath: {{mode: 'off'}}\n{content}")
    env = (
        {} if "listen:" in content.partition("\n")[0] else {"CALLVEIL__LISTEN": "udp://127.0.0.1:0"}
    )
    done = callveil("serve", "--log-json", "--config", str(path), env=env)
    said = [each for each in _parsed(done.err.splitlines()) if each["event"] == "fault"]
    assert (done.code, done.out) == (code, "")
    for each, fault in zip(said, faults, strict=True):
        assert each["level"] == "error"
        assert each["fault"].startswith(fault)
