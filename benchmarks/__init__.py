"""Benchmarks: callveil and the relays it is compared with, in turns, on one host."""
