"""What the TURN server is told once, at start."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """
    Args:
        realm: REALM of every challenge; short, since a challenge is what reflection amplifies.
        secrets: shared secrets of the REST credentials; a credential made from any of them is good.
        relayed_ips: packed IPs that relayed addresses are advertised on, at most one per family.
        local_ips: what this host calls them, in the same order; empty for no outer ports.
        ports: relayed ports.
        peers: `call` (legs of the same call) or `relay` (any allocation of this relay).
        mask_mapped_address: tell a masked leg its relayed address instead of its mapped one.
        stun_binding: answer plain Binding requests.
        allocations_per_leg, allocations: at most so many for one leg, and on the whole relay.
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
