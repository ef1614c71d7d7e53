"""What all tests share: Hypothesis profiles, a network, Ctrl-C, and what a skipped test means."""

import os
import signal
from contextlib import ExitStack
from types import FrameType

import pytest
from hypothesis import HealthCheck, settings

from tests.lab import requirements
from tests.lab.namespaces import own_host

# No deadline anywhere: how long an example takes says more about the machine than about callveil.
# Derandomized where a change is judged, so that it fails for what it changed.
_SLOW = [HealthCheck.too_slow]
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=_SLOW)
settings.register_profile("dev", deadline=None, suppress_health_check=_SLOW)
settings.register_profile("fuzz", deadline=None, max_examples=5_000, suppress_health_check=_SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


_host = ExitStack()


def pytest_configure() -> None:
    """Be on the same machine everywhere, as far as this process may."""
    _default_sigint()
    if not requirements.missing({"ip": "iproute2"}):
        _host.enter_context(own_host())


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    _host.close()


def _default_sigint() -> None:
    """Let SIGINT be what it usually is to the processes that tests start.

    A shell script has its background jobs ignore SIGINT, and so does whatever they start: an
    ignored signal stays ignored, while one with a handler is reset to its default. We go on
    ignoring it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, _ignore)


def _ignore(number: int, frame: FrameType | None) -> None:
    """A handler that does nothing."""


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With CALLVEIL_TEST_NO_SKIPS a skipped test is a failure: `.ci/run` sets it."""
    if "CALLVEIL_TEST_NO_SKIPS" not in os.environ:
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("a test was skipped, and none may be here", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
