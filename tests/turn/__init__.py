"""Tests of the TURN server as decisions, written from RFC 8656 and RFC 8489."""
