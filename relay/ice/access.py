"""How an endpoint without TURN and its relayed port find each other: the values of `ports` mode."""

import re
from dataclasses import dataclass, field

from relay.address import ClientAddress, PeerAddress

UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
PWD = re.compile(r"[A-Za-z0-9+/]{22,256}")
"""RFC 8839 section 5.4."""


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """What one side of an ICE check calls itself, and what answers to it are signed with."""

    ufrag: str
    pwd: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Access:
    """What the signaling server knows of a party; at most one of the two, and neither is no fault.

    Args:
        ice: the party does ICE, with these credentials of its own: the relay checks back with them
            whether the party is where its checks come from.
        address: the party does no ICE and is at this address.
    """

    ice: IceCredentials | None = None
    address: ClientAddress | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a party is told: its relayed port, and how the relay signs there.

    Args:
        ice: None where the party's address was declared, since nobody checks then.
    """

    address: PeerAddress
    ice: IceCredentials | None
