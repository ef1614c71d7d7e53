"""A daemon on ports that the kernel chose, or an engine without its process, for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.stage import Stage
from tests.kit.daemon import Daemon, running


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with running(tmp_path) as started:
        yield started


@pytest.fixture
def stage() -> Stage:
    """Entered by the loop that the test runs in."""
    return Stage()
