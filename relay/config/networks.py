"""Parses the networks of a configuration: who may be reached, who may not, who is believed.

Rules of this file: those of `values.py`.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Self

from relay.calls.reach import Listed, ports_of
from relay.special_use import LOOPBACK, NOWHERE, SPECIAL_USE, IPNetwork

_DENIED = 'expected "default", or a list of "default" and networks such as 192.0.2.0/24'
_ALLOWED = (
    "expected a list of networks within special-use ranges that hosts may be in, such as 10.0.0.0/8"
)
_BALANCERS = (
    "expected a list of addresses, or networks no wider than /8 (IPv6: /32), of load balancers"
)

_LISTED = (
    'expected "ADDRESS:PORT-PORT" or "ADDRESS/PREFIX:PORT-PORT", "[…]" around IPv6 addresses, of '
    "networks no wider than /16 (IPv6: /48)"
)

_WIDEST_BALANCERS = {4: 8, 6: 32}  # a cloud's private network; what a provider is given
_WIDEST_LISTED = {4: 16, 6: 48}  # what one site has

_LISTED_PEER = re.compile(
    r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<v4>[0-9.]+))(?:/(?P<prefix>[0-9]{1,3}))?:(?P<ports>[0-9-]+)",
    re.A,
)


def _network(item: object, expected: str) -> IPNetwork:
    try:
        # An integer is a network to `ipaddress`, and an address to nobody who writes one.
        return ipaddress.ip_network(item if isinstance(item, str) else "")
    except ValueError:
        raise ValueError(expected) from None


def _is_within(inner: IPNetwork, outer: IPNetwork) -> bool:
    if isinstance(inner, ipaddress.IPv4Network):
        return isinstance(outer, ipaddress.IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, ipaddress.IPv6Network) and inner.subnet_of(outer)


@dataclass(frozen=True, slots=True)
class DeniedPeers:
    """Networks that nobody may reach through this relay, whatever else is allowed.

    Args:
        default: every special-use range is denied.
        networks: further networks that are denied.
    """

    default: bool
    networks: tuple[IPNetwork, ...]

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read `default` or a list. An empty list is refused, because it would deny nothing.

        Raises: ValueError. Nothing else.
        """
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not items:
            raise ValueError(_DENIED)
        networks: list[IPNetwork] = []
        for item in items:
            if item == "default":
                continue
            network = _network(item, _DENIED)
            first = network.network_address
            if isinstance(first, ipaddress.IPv6Address) and first.ipv4_mapped:  # of no use
                raise ValueError(_DENIED)
            networks.append(network)
        return cls("default" in items, tuple(networks))


@dataclass(frozen=True, slots=True)
class AllowedPrivate:
    """Special-use networks that parties may be in."""

    networks: tuple[IPNetwork, ...]

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a list of networks, each within a special-use network. May be empty.

        Raises: ValueError. Nothing else.
        """
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list):
            raise ValueError(_ALLOWED)
        networks = tuple(_network(item, _ALLOWED) for item in items)
        if not all(any(_is_within(each, special) for special in SPECIAL_USE) for each in networks):
            raise ValueError(_ALLOWED)
        return cls(networks)


@dataclass(frozen=True, slots=True)
class Balancers:
    """Load balancers, which say in a PROXY header who their clients are."""

    networks: tuple[IPNetwork, ...]

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a list of addresses and networks. May be empty.

        Whoever is in it can speak for any client, so a network that is too wide to be one's own is
        refused, as is IPv4 inside IPv6, which no source is compared with.
        Raises: ValueError. Nothing else.
        """
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list):
            raise ValueError(_BALANCERS)
        networks = tuple(_network(item, _BALANCERS) for item in items)
        for each in networks:
            if each.prefixlen < _WIDEST_BALANCERS[each.version]:
                raise ValueError(_BALANCERS)
            first = each.network_address
            if isinstance(first, ipaddress.IPv6Address) and (first.ipv4_mapped or first.scope_id):
                raise ValueError(_BALANCERS)
        return cls(networks)


@dataclass(frozen=True, slots=True)
class ListedPeer:
    """Media servers that users may reach, as an operator lists them."""

    listed: Listed

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `198.51.100.7:10000-20000` or `[2001:db8::]/48:10000-20000`.

        Raises: ValueError. Nothing else.
        """
        match = _LISTED_PEER.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ValueError(_LISTED)
        ip, prefix = match["v4"] or match["v6"], match["prefix"]
        network = _network(ip if prefix is None else f"{ip}/{prefix}", _LISTED)
        is_right_family = (network.version == 4) == (match["v4"] is not None)
        if not is_right_family or network.prefixlen < _WIDEST_LISTED[network.version]:
            raise ValueError(_LISTED)
        try:
            return cls(Listed(network, ports_of(match["ports"])))
        except ValueError:
            raise ValueError(_LISTED) from None

    def is_nowhere(self) -> bool:
        """Whether no single other host can be at one of the addresses, loopback left aside."""
        network = self.listed.network
        if self.is_loopback:
            return False
        return any(network.version == each.version and network.overlaps(each) for each in NOWHERE)

    @property
    def is_loopback(self) -> bool:
        """Whether this host alone can be meant."""
        return any(_is_within(self.listed.network, each) for each in LOOPBACK)

    def is_special(self, allowed: AllowedPrivate) -> bool:
        """Whether some of the addresses are special-use, in none of the networks allowed."""
        network = self.listed.network
        if any(_is_within(network, each) for each in allowed.networks):
            return False
        special = (each for each in SPECIAL_USE if each.version == network.version)
        return any(network.overlaps(each) for each in special)
