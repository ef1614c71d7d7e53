"""Lists networks that are not part of the public internet, and decides which of them are denied.

The ranges are those of the IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890),
with multicast and what is reserved besides.
"""

import ipaddress
from dataclasses import dataclass

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(*texts: str) -> tuple[IPNetwork, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


LOOPBACK = _networks("127.0.0.0/8", "::1/128")

NOWHERE = (
    *LOOPBACK,
    *_networks(
        "0.0.0.0/8",  # this network: RFC 791 section 3.2
        "169.254.0.0/16",  # link-local: RFC 3927
        "224.0.0.0/4",  # multicast: RFC 5771
        "240.0.0.0/4",  # reserved, broadcast in it: RFC 1112 section 4
        "::/8",  # unspecified, and IPv4 in all its spellings, NAT64 among them: RFC 4291, RFC 6052
        "2002::/16",  # IPv4 again, 6to4: RFC 3056
        "fe80::/10",  # link-local: RFC 4291
        "ff00::/8",  # multicast: RFC 4291
    ),
)
"""Networks that never hold a single other host, however an operator has set up the network."""

SPECIAL_USE = _networks(
    "10.0.0.0/8",  # private use: RFC 1918
    "100.64.0.0/10",  # shared by carrier-grade NATs: RFC 6598
    "172.16.0.0/12",  # private use: RFC 1918
    "192.0.0.0/24",  # IETF protocol assignments: RFC 6890
    "192.0.2.0/24",  # documentation: RFC 5737
    "192.31.196.0/24",  # AS112: RFC 7535
    "192.52.193.0/24",  # AMT: RFC 7450
    "192.88.99.0/24",  # 6to4 relays: RFC 7526
    "192.168.0.0/16",  # private use: RFC 1918
    "192.175.48.0/24",  # AS112: RFC 7534
    "198.18.0.0/15",  # benchmarking: RFC 2544
    "198.51.100.0/24",  # documentation: RFC 5737
    "203.0.113.0/24",  # documentation: RFC 5737
    "100::/64",  # discard only: RFC 6666
    "100:0:0:1::/64",  # dummy prefix: RFC 9780
    "2001::/23",  # IETF protocol assignments, Teredo and ORCHID among them: RFC 2928
    "2001:db8::/32",  # documentation: RFC 3849
    "2620:4f:8000::/48",  # AS112: RFC 7534
    "3fff::/20",  # documentation: RFC 9637
    "5f00::/16",  # segment routing: RFC 9602
    "fc00::/7",  # unique local: RFC 4193
    "fec0::/10",  # site-local, deprecated: RFC 3879
)
"""Networks that may hold hosts, but hold no phone of a stranger's."""


@dataclass(frozen=True, slots=True)
class Denied:
    """Networks in which no party may be.

    Args:
        default: `SPECIAL_USE` is denied.
        networks: further networks that are denied, even if `allowed` has them.
        allowed: networks that are taken out of `SPECIAL_USE`.
    """

    default: bool
    networks: tuple[IPNetwork, ...] = ()
    allowed: tuple[IPNetwork, ...] = ()

    def has(self, packed: bytes) -> bool:
        """Whether this IP address, of 4 or 16 bytes, is denied."""
        if is_in(packed, self.networks):
            return True
        return self.default and is_in(packed, SPECIAL_USE) and not is_in(packed, self.allowed)


def is_in(packed: bytes, networks: tuple[IPNetwork, ...]) -> bool:
    """Whether an IP address, of 4 or 16 bytes, is in one of these networks."""
    ip = ipaddress.ip_address(packed)
    return any(ip in network for network in networks)
