"""Ranges of addresses: Python's `ipaddress` is the oracle."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.special_use import SPECIAL_USE
from relay.tools.coturn.ranges import Range, networks_of, parse, parse_network, within, without

_BITS = {4: 32, 6: 128}


def _of(version: int, low: int, size: int) -> Range:
    return Range(version, low, min(low + size, 2 ** _BITS[version] - 1))


_NEAR = st.integers(0, 300) | st.integers(0x0A000000 - 300, 0x0A000000 + 300)
_RANGES = st.lists(st.builds(_of, st.sampled_from([4, 6]), _NEAR, st.integers(0, 90)), max_size=8)


def _addresses(ranges: list[Range]) -> set[tuple[int, int]]:
    return {(each.version, ip) for each in ranges for ip in range(each.low, each.high + 1)}


@given(ranges=_RANGES, taken=_RANGES)
def test_what_is_left_is_the_difference(ranges: list[Range], taken: list[Range]) -> None:
    assert _addresses(without(ranges, taken)) == _addresses(ranges) - _addresses(taken)


@given(ranges=_RANGES)
def test_what_is_within_is_what_ipaddress_says(ranges: list[Range]) -> None:
    kinds = {4: ipaddress.IPv4Address, 6: ipaddress.IPv6Address}
    assert _addresses(within(ranges, SPECIAL_USE)) == {
        (version, ip)
        for version, ip in _addresses(ranges)
        if any(kinds[version](ip) in network for network in SPECIAL_USE)
    }


@given(ranges=_RANGES)
def test_networks_hold_these_addresses_each_once(ranges: list[Range]) -> None:
    networks = [ipaddress.ip_network(text) for text in networks_of(ranges)]
    held = [(network.version, int(ip)) for network in networks for ip in network]
    assert len(held) == len(set(held))
    assert set(held) == _addresses(ranges)


def test_tens_of_thousands_of_ranges_take_no_time() -> None:
    many = [Range(4, 16 * at, 16 * at + 9) for at in range(40_000)]
    taken = [Range(4, 16 * at + 3, 16 * at + 5) for at in range(40_000)]
    assert len(without(many, taken)) == 80_000


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("10.0.0.1", ["10.0.0.1/32"]),
        ("10.0.0.0-10.255.255.255", ["10.0.0.0/8"]),
        ("10.0.0.1 - 10.0.0.2", ["10.0.0.1/32", "10.0.0.2/32"]),
        ("::ffff:0.0.0.0-::ffff:255.255.255.255", ["::ffff:0.0.0.0/96"]),
        ("fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ["fc00::/7"]),
    ],
)
def test_a_range_is_read(text: str, networks: list[str]) -> None:
    found = parse(text)
    assert found is not None
    assert [ipaddress.ip_network(each) for each in networks_of([found])] == [
        ipaddress.ip_network(each) for each in networks
    ]


@pytest.mark.parametrize("text", ["", "-", "a-b", "10.0.0.1-", "10.0.0.2-10.0.0.1", "10.0.0.0/8"])
def test_what_is_no_range_is_none(text: str) -> None:
    assert parse(text) is None


def test_a_network_is_read_for_itself() -> None:
    assert parse_network("10.1.2.3/8") == parse("10.0.0.0-10.255.255.255")
    assert parse_network("10.0.0.1") is None
    assert parse_network("x/8") is None
