"""Addresses that a party may be at, and what the relay has asked there.

Rules of this file: it holds values; the times are monotonic seconds.
"""

from collections import deque
from math import inf
from typing import NamedTuple

from relay.address import ClientAddress, FiveTuple, ServerAddress, Transport
from relay.calls.call import Leg
from relay.calls.ends import End
from relay.effects import NO_CHANNEL
from relay.ice.access import IceCredentials

_OUTSTANDING = 8  # checks without an answer that are remembered: those of thirty seconds


class Generation(NamedTuple):
    """The credentials of relay and party between two ICE restarts."""

    own: IceCredentials
    party: IceCredentials


class Candidate(End):
    """An address of a party: declared, or where checks of it come from.

    `expires` is how long the party's consent to be sent data there lasts; 0 where it has not shown
    that it is there. `due` is when the relay asks it next, with `asked` still without an answer;
    `tries` and `answers` are how often it was sent a check and an answer before it had shown that.

    Args:
        port: the relayed port that data of it comes to.
        generation: None for one that was declared.
    """

    __slots__ = ("answers", "asked", "due", "generation", "nominates", "tries")

    def __init__(
        self, leg: Leg, port: ServerAddress, address: ClientAddress, generation: Generation | None
    ) -> None:
        client = FiveTuple(Transport.UDP, address, port)
        super().__init__(leg, client, NO_CHANNEL, 0.0 if generation else inf)
        self.generation = generation
        self.due = 0.0
        self.asked: deque[bytes] = deque(maxlen=_OUTSTANDING)
        self.tries = 0
        self.answers = 0
        self.nominates = False

    @property
    def address(self) -> ClientAddress:
        """Where the party is, or may be."""
        return self.client.client
