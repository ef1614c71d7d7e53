"""The HTTP API that signaling servers call."""
