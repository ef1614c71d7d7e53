"""Every module here gets a laboratory and a daemon of its own."""

from tests.lab.fixtures import lab, relay

__all__ = ["lab", "relay"]
