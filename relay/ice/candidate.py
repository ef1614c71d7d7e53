"""Addresses that a party may be at, and what the relay has asked there.

Rules of this file: it holds values; the times are monotonic seconds.
"""

from collections import deque
from math import inf
from typing import NamedTuple

from relay.address import ClientAddress
from relay.ice.access import IceCredentials

_OUTSTANDING = 8  # checks without an answer that are remembered: those of thirty seconds


class Generation(NamedTuple):
    """The credentials of relay and party between two ICE restarts."""

    own: IceCredentials
    party: IceCredentials


class Candidate:
    """An address of a party: declared, or where checks of it come from.

    `until` is how long the party's consent to be sent data there lasts; 0 where it has not shown
    that it is there. `due` is when the relay asks it next, with `asked` still without an answer;
    `tries` and `answers` are how often it was sent a check and an answer before it had shown that.

    Args:
        generation: None for one that was declared.
    """

    __slots__ = (
        "address",
        "answers",
        "asked",
        "due",
        "generation",
        "nominates",
        "tries",
        "until",
    )

    def __init__(self, address: ClientAddress, generation: Generation | None) -> None:
        self.address = address
        self.generation = generation
        self.until = 0.0 if generation else inf
        self.due = 0.0
        self.asked: deque[bytes] = deque(maxlen=_OUTSTANDING)
        self.tries = 0
        self.answers = 0
        self.nominates = False
