"""Calls, legs, credentials and masking, as the signaling server sees them. Pure."""
