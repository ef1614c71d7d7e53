"""What all tests share: Hypothesis profiles, a network, Ctrl-C, and what a skipped test means."""

import os
import resource
import signal
from contextlib import ExitStack
from types import FrameType

import pytest
from hypothesis import HealthCheck, settings

from tests.kit import requirements
from tests.kit.namespaces import own_host

# No deadline anywhere: how long an example takes says more about the machine than about callveil.
# Derandomized where a change is judged, so that it fails for what it changed.
_SLOW = [HealthCheck.too_slow]
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=_SLOW)
settings.register_profile("dev", deadline=None, suppress_health_check=_SLOW)
settings.register_profile("fuzz", deadline=None, max_examples=5_000, suppress_health_check=_SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


_FILES = 4096
"""Open files, several times what any test has."""

_host = ExitStack()


def pytest_configure() -> None:
    """Be on the same machine everywhere, as far as this process may."""
    _default_sigint()
    _default_environment()
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


def _default_environment() -> None:
    """Let neither proxies nor a taste in terminals nor a low limit of open files matter.

    What is asked for over loopback goes to no proxy, and widths and colours are for a test to say.
    """
    proxies = {name for name in os.environ if name.lower().endswith("_proxy")}
    for name in proxies | {"COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"}:
        os.environ.pop(name, None)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With CALLVEIL_TEST_NO_SKIPS a skipped test is a failure: `.ci/run` sets it."""
    if "CALLVEIL_TEST_NO_SKIPS" not in os.environ:
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("a test was skipped, and none may be here", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
