"""Tests of `relay/forward` on real sockets of the loopback interface."""
