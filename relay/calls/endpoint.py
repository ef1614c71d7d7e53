"""How an endpoint without TURN and its relayed port find each other: the values of `ports` mode."""

import re
from dataclasses import dataclass, field

from relay.address import ClientAddress, PeerAddress

UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
PWD = re.compile(r"[A-Za-z0-9+/]{22,256}")
"""RFC 8839 section 5.4."""


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """What one side of an ICE check calls itself, and what it signs with."""

    ufrag: str
    pwd: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Access:
    """What the signaling server knows of a party; at most one of the two, and neither is no fault.

    Args:
        ice_ufrag: the party does ICE and calls itself so. Its password is never needed: a lite
            agent sends no checks, and answers are signed with its own.
        address: the party does no ICE and is at this address.
    """

    ice_ufrag: str | None = None
    address: ClientAddress | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a party is told: its relayed port, and how the relay signs there.

    Args:
        ice: None where the party's address was declared, since nobody checks then.
    """

    address: PeerAddress
    ice: IceCredentials | None
