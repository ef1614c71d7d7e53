"""What the TURN server is told once, at start."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from itertools import chain

from relay.calls.reach import Listed
from relay.special_use import Denied, IPNetwork

_DISCARD = 9  # RFC 863
_DENIED = Denied(default=True)
_WELL_KNOWN = 1023
"""The last port that a WebRTC client takes for no candidate's, but for 80 and 443."""


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """
    Args:
        realm: REALM of every challenge; short, since a challenge is what reflection amplifies.
        secrets: shared secrets of the REST credentials; a credential made from any of them is good.
        relayed_ips: packed IPs that relayed addresses are advertised on, at most one per family.
        local_ips: what this host calls them, in the same order; empty for no outer ports.
        ports: relayed ports.
        peers: `call` (legs of the same call), `relay` (any allocation of this relay), `listed`
            (and the hosts of `listed_peers`) or `any` (and all but `denied_peers`).
        sets_df: the sockets can set DF; else DONT-FRAGMENT is not understood.
        mints_alone: nobody but this relay knows the secrets.
        users: the passwords of static users, by their names; with `call` there are none.
        mask_mapped_address: tell a masked leg that its mapped address is the relay's.
        listed_peers, denied_peers: see `peers`.
        allow_private: special-use networks that listed peers and media servers of calls may be in.
        is_this_host: whether a packed IP address is one of this host's, now.
        own_ports: those that this relay listens on; where it is on loopback, nobody is there.
        masked_port: of that address; no leg's relayed address, and no listener's. Clients take a
            mapped address for a candidate of its own, and one that is there twice for none.
        stun_binding: answer plain Binding requests.
        allocations_per_leg, allocations_per_user, allocations: at most so many for one leg, for one
            user, and on the whole relay.
        unauthenticated_per_s: answers per second to one UDP source before it has authenticated.
        nonce_key: 32 secret bytes; nonces made with it are valid.
    """

    realm: str
    secrets: tuple[str, ...]
    relayed_ips: tuple[bytes, ...]
    ports: range
    peers: str
    mask_mapped_address: bool
    stun_binding: bool
    allocations_per_leg: int
    allocations: int
    unauthenticated_per_s: int
    nonce_key: bytes
    local_ips: tuple[bytes, ...] = ()
    masked_port: int = _DISCARD
    listed_peers: tuple[Listed, ...] = ()
    denied_peers: Denied = _DENIED
    allow_private: tuple[IPNetwork, ...] = ()
    is_this_host: Callable[[bytes], bool] = lambda _: False
    own_ports: frozenset[int] = frozenset()
    allocations_per_user: int = 32
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    mints_alone: bool = False
    sets_df: bool = True


def port_of_nobody(ports: range, taken: Container[int]) -> int:
    """A port that no leg can hold and nothing listens on: the nearest below the relayed ones, else
    above them, else discard.

    Args:
        ports: relayed ports.
        taken: ports of listeners.
    """
    below = range(ports.start - 1, _WELL_KNOWN, -1)
    above = range(ports.stop, 1 << 16)
    return next((port for port in chain(below, above) if port not in taken), _DISCARD)
