"""Tests of the laboratory itself."""

from tests.lab.fixtures import lab

__all__ = ["lab"]
