"""A daemon on ports that the kernel chose, one for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.daemon import Daemon, running


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with running(tmp_path) as started:
        yield started
