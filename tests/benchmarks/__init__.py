"""Tests of the benchmark suite: that it measures, never what it measures."""
