"""The user-space path: listeners, relayed ports, and the loops that move packets."""
