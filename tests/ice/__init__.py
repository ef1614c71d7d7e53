"""Relayed ports: the core without sockets."""
