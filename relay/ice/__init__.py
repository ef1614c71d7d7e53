"""Relayed ports for endpoints without TURN, as decisions: datagrams in, effects out. Pure."""
