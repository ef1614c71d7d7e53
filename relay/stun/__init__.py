"""STUN messages and ChannelData: bytes to values and back. Pure; RFC 8489, RFC 8656, RFC 8445."""
