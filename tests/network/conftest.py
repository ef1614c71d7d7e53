"""Every module here gets a laboratory and a daemon of its own, once for each forwarding path."""

import pytest

from tests.lab.fixtures import lab, relay

__all__ = ["lab", "relay"]

_PATHS = ("user", "kernel")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The same tests over both paths, but where a module's `PATHS` says which one it is about."""
    if "relay" in metafunc.fixturenames:
        paths = getattr(metafunc.module, "PATHS", _PATHS)
        metafunc.parametrize("relay", paths, indirect=True, scope="module")
