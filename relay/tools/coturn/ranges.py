"""Ranges of IP addresses, as coturn allows and denies them to peers, and what networks they are.

Rules of this file: a range that cannot be read gives None. Ranges of both families go through the
same functions, each family for itself.
"""

import ipaddress
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from relay.special_use import IPNetwork

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Range(NamedTuple):
    """Addresses of one family, both ends included."""

    version: int
    low: int
    high: int


def parse(text: str) -> Range | None:
    """Read `192.0.2.1` or `192.0.2.1-192.0.2.9`. A network is none: coturn ignores it."""
    first, separator, second = (each.strip() for each in text.partition("-"))
    try:
        low = _address(first)
        high = _address(second) if separator else low
    except ValueError:
        return None
    if low.version != high.version or int(low) > int(high):
        return None
    return Range(low.version, int(low), int(high))


def parse_network(text: str) -> Range | None:
    """Read `192.0.2.0/24`, which coturn does not know and people write."""
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None
    return _range(network) if "/" in text else None


def without(ranges: Iterable[Range], taken: Iterable[Range]) -> list[Range]:
    """What is left of ranges when others are taken out of them."""
    gone, left = deque(_merged(taken)), []
    for each in _merged(ranges):
        low = each.low
        while gone and (gone[0].version, gone[0].high) < (each.version, low):
            gone.popleft()
        for other in gone:
            if (other.version, other.low) > (each.version, each.high):
                break
            left += [Range(each.version, low, other.low - 1)] if low < other.low else []
            low = other.high + 1
            if low > each.high:
                break
        left += [Range(each.version, low, each.high)] if low <= each.high else []
    return left


def within(ranges: Iterable[Range], networks: Iterable[IPNetwork]) -> list[Range]:
    """The parts of ranges that are in one of the networks."""
    outer = whole(networks)
    return [
        Range(each.version, max(each.low, other.low), min(each.high, other.high))
        for each in _merged(ranges)
        for other in outer
        if each.version == other.version and each.low <= other.high and other.low <= each.high
    ]


def networks_of(ranges: Iterable[Range]) -> list[str]:
    """The fewest networks that hold these addresses and no other."""
    return [
        str(network)
        for each in _merged(ranges)
        for network in ipaddress.summarize_address_range(*_ends(each))
    ]


def whole(networks: Iterable[IPNetwork]) -> list[Range]:
    """Every address of the networks."""
    return [_range(network) for network in networks]


def _address(text: str) -> IPAddress:
    ip = ipaddress.ip_address(text)
    if isinstance(ip, ipaddress.IPv6Address) and ip.scope_id is not None:
        raise ValueError
    return ip


def _range(network: IPNetwork) -> Range:
    low, high = network.network_address, network.broadcast_address
    return Range(network.version, int(low), int(high))


def _ends(each: Range) -> tuple[IPAddress, IPAddress]:
    kind = ipaddress.IPv4Address if each.version == 4 else ipaddress.IPv6Address
    return kind(each.low), kind(each.high)


def _merged(ranges: Iterable[Range]) -> list[Range]:
    """The same addresses in order, each once, with as few ranges as can be."""
    merged: list[Range] = []
    for each in sorted(ranges):
        last = merged[-1] if merged else None
        if last is not None and last.version == each.version and each.low <= last.high + 1:
            merged[-1] = last._replace(high=max(last.high, each.high))
        else:
            merged.append(each)
    return merged
