"""The laboratory and its daemon."""

from tests.lab.fixtures import lab, relay

__all__ = ["lab", "relay"]
