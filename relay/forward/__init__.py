"""The doing side: listeners, routes and the loops that move packets."""
