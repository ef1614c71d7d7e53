"""Tests of callveil."""
