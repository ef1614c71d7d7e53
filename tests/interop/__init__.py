"""Clients that nobody here wrote, in the laboratory."""
