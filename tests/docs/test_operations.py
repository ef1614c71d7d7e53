"""The page about operations: its signals are sent, its lists are complete."""

import ast
import re
import signal
from pathlib import Path

import pytest

from relay.client import ApiFault, Client
from relay.client.bodies import PartyCreate, Status
from relay.config import Settings
from relay.errors import DropReason
from relay.metrics import CertificateState, Counters, Snapshot, render
from tests.docs.pages import ROOT, read
from tests.kit.daemon import Daemon, serving
from tests.kit.polling import wait_until

PAGE = "docs/operations.md"
PARTIES: list[PartyCreate] = [{"id": "a"}, {"id": "b"}]
OLD, NEW = "the-old-token-of-the-tests", "the-new-token-of-the-tests"


def _table(head: str) -> dict[str, list[str]]:
    """The rows below a head: the word in backticks that each begins with, and its other cells."""
    _, _, below = read(PAGE).partition(f"| {head} |")
    rows = re.findall(r"\|[^\n]*", below.partition("\n\n")[0])[1:]
    cells = ([cell.strip() for cell in row.strip("| ").split("|")] for row in rows)
    return {first.strip("`"): rest for first, *rest in cells if first.startswith("`")}


def _status(daemon: Daemon, token: str = "") -> Status:
    with Client(daemon.api, token) as client:
        return client.status()


def _is_accepted(daemon: Daemon, token: str) -> bool:
    try:
        _status(daemon, token)
    except ApiFault:
        return False
    return True


def test_the_first_sigterm_drains_and_the_second_stops() -> None:
    with serving() as daemon:
        daemon.create_call(ring=True)
        daemon.signal(signal.SIGTERM)
        wait_until(lambda: _status(daemon)["draining"], "it drains")
        assert _status(daemon)["calls"] == {"ringing": 1, "active": 0}
        with Client(daemon.api) as client:
            assert not client.is_ready()
            with pytest.raises(ApiFault) as caught:
                client.create_call(PARTIES)
        assert (caught.value.status, caught.value.kind) == (503, "draining")
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0


def test_a_drained_relay_ends_with_its_last_call() -> None:
    with serving() as daemon:
        call = daemon.create_call(ring=True)
        daemon.signal(signal.SIGTERM)
        wait_until(lambda: _status(daemon)["draining"], "it drains")
        daemon.end_call(call)
        assert daemon.ended() == 0


def test_sighup_takes_the_new_configuration_or_keeps_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "callveil.yaml"
    file.write_text(f"api: {{tokens: [{OLD}]}}\n")
    with serving("--config", str(file)) as daemon:
        with Client(daemon.api, OLD) as client:
            call = client.create_call(PARTIES)["id"]

        file.write_text(f"api: {{tokens: [{NEW}]}}\nlimits: {{call_duration_s: none}}\n")
        daemon.signal(signal.SIGHUP)
        daemon.until_said("reload_refused")
        assert "limits.call_duration_s" in daemon.until_said("")
        assert _is_accepted(daemon, OLD)
        assert not _is_accepted(daemon, NEW)

        file.write_text(f"api: {{tokens: [{NEW}]}}\nrealm: elsewhere\n")
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: _is_accepted(daemon, NEW), "the new token is taken")
        assert not _is_accepted(daemon, OLD)
        with Client(daemon.api, NEW) as client:
            assert client.show_call(call)["state"] == "ringing"
        daemon.stop()
        assert "needs_restart key=realm" in daemon.log_text()
        assert "reloaded" in daemon.log_text()


def test_every_metric_is_listed_with_its_labels() -> None:
    snapshot = Snapshot(certificate=CertificateState(expires_at_s=0.0))
    text = render(snapshot, Counters()).decode()
    scraped: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^(callveil_\w+?)(?:_bucket)?(?:\{(.*?)\})? ", text, re.M):
        if not name.endswith(("_count", "_sum")):
            scraped.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    listed = {name: set(re.findall(r"\w+", cells[0])) for name, cells in _table("metric").items()}
    assert listed == scraped


def test_every_drop_reason_is_listed_in_order() -> None:
    assert list(_table("drop reason")) == [reason.label for reason in DropReason]


def test_every_limit_is_listed_with_its_default() -> None:
    limits = Settings().limits.model_dump()
    assert {name: int(cells[0]) for name, cells in _table("key").items()} == limits


def test_every_event_is_listed_with_its_level() -> None:
    logged = {}
    for file in (ROOT / "relay").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr=level, value=logger),
                    args=[ast.Constant(value=str(event)), *_],
                ) if re.search(r"log$|getLogger", ast.unparse(logger)):
                    logged[event] = "error" if level == "exception" else level
    assert {event: cells[0] for event, cells in _table("event").items()} == logged
