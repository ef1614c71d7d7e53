"""The TURN server as decisions over a table. Pure; RFC 8656."""
