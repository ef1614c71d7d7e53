"""End-to-end tests: the real daemon, real clients, real packets in the laboratory."""
