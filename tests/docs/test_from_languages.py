"""The code of the API's page, run as it stands: only the port is another."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks
from tests.kit.command import run
from tests.kit.daemon import Daemon, serving
from tests.kit.node import node

SAID = ["alice relay", "bob relay", "409 wrong_state"]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with serving() as running:
        yield running


def _code(language: str, daemon: Daemon) -> str:
    (text,) = (block.text for block in blocks("docs/api.md") if block.language == language)
    assert text.count("http://127.0.0.1:8080") == 1
    return text.replace("http://127.0.0.1:8080", daemon.api)


def test_from_python(daemon: Daemon) -> None:
    done = run([sys.executable, "-c", _code("python", daemon)])
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [*SAID, "active 1"]
    assert daemon.ask("GET", "/v1/calls").body["calls"] == []


def test_from_node(daemon: Daemon, tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples/node/callveil.mjs", tmp_path)
    (tmp_path / "server.mjs").write_text(_code("js", daemon))
    done = node("server.mjs", cwd=tmp_path)
    assert (done.code, done.out.splitlines()) == (0, [*SAID, "active"]), done.err
    assert daemon.ask("GET", "/v1/calls").body["calls"] == []
