"""The fixtures that tests in the laboratory share; a conftest imports them."""

import re
import signal
from collections.abc import Iterator

import pytest

from tests.kit.requirements import require
from tests.lab.relay import Relay
from tests.lab.topology import Lab

_FAULT = re.compile(r"^\S+ (error|critical) .*|^Traceback", re.MULTILINE)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """One laboratory per test module."""
    require()
    with Lab() as made:
        yield made


@pytest.fixture(scope="module")
def relay(
    lab: Lab, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Relay]:
    """One daemon per test module and path, configured by the module's `CONFIG`.

    Its parameter is the path that forwards: `user` (where nothing else is said), or `kernel`.

    Whatever the tests did to it, it runs at the end, has logged no fault, and neither its log at
    debug level nor any answer of its API holds an address of a party.
    """
    path = getattr(request, "param", "user")
    config = getattr(request.module, "CONFIG", {})
    running = Relay(lab, tmp_path_factory.mktemp("relay"), config, path)
    yield running
    running.stop(signal.SIGKILL)
    assert running.canaries() == []
    assert not _FAULT.search(running.log_text()), running.log_text()[-4000:]
