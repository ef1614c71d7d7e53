"""The laboratory with a daemon, and two browsers in it."""

from tests.browser.fixtures import demo, tabs
from tests.lab.fixtures import lab, relay

__all__ = ["demo", "lab", "relay", "tabs"]
