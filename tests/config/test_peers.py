"""`relay.peers` and what goes with it: what is listed, allowed and denied."""

import pytest

from relay.config import cautions, parse
from tests.config.faults import faults_of

_LISTED = (
    "relay: {{peers: listed, addresses: [8.8.4.4], listed_peers: [{}]{}}}\n"
    "listen: [udp://8.8.4.4:3478]\n"
)


@pytest.mark.parametrize(
    ("listed", "more"),
    [
        ("'9.9.9.9:10000-20000'", ""),
        ("'9.9.0.0/16:1-65535', '[2620:fe::fe]:443'", ""),
        ("'[2620:fe::]/48:10000-20000'", ""),
        ("'10.20.0.7:10000-20000'", ", allow_private: [10.20.0.0/16]"),
    ],
)
def test_media_servers_are_listed_by_address_and_ports(listed: str, more: str) -> None:
    settings = parse(_LISTED.format(listed, more).encode(), {})
    assert len(settings.relay.listed_peers) == listed.count("'") // 2


@pytest.mark.parametrize(
    "listed",
    [
        *("9.9.9.9", "'9.9.9.9:0-1'", "'9.9.9.9:2-1'", "'9.9.9.9:1-65536'", "'9.9.0.0/15:1-2'"),
        *("'[2620:fe::]/47:1-2'", "'2620:fe::fe:1-2'", "'[9.9.9.9]:1-2'", "'name:1-2'", "7"),
        *("'9.9.9.9/16:1-2'", "'127.0.0.1:1-2'", "'0.0.0.0/16:1-2'", "'224.0.0.1:1-2'"),
        *("'[::ffff:9.9.9.9]:1-2'", "'[fe80::1]:1-2'", "'10.20.0.7:1-2'", "'8.8.4.4:1-2'"),
    ],
)
def test_what_is_no_media_server_of_ones_own_is_a_fault(listed: str) -> None:
    (fault,) = faults_of(_LISTED.format(listed, ""))
    assert fault.startswith("relay.listed_peers")


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ("relay: {peers: listed}", "relay.listed_peers"),
        ("relay: {listed_peers: ['9.9.9.9:1-2']}", "relay.listed_peers"),
        ("relay: {peers: any, listed_peers: ['9.9.9.9:1-2']}", "relay.listed_peers"),
        ("relay: {peers: any, denied_peers: []}", "relay.denied_peers"),
        (
            "relay: {peers: any, denied_peers: [default, '::ffff:9.9.9.9/128']}",
            "relay.denied_peers",
        ),
        (
            "relay: {peers: listed, listed_peers: ['127.0.0.1:1-2'], denied_peers: [9.9.9.9]}",
            "relay.denied_peers",
        ),
    ],
)
def test_what_does_not_go_together_is_a_fault(content: str, key: str) -> None:
    (fault,) = faults_of(content)
    assert fault.startswith(key)


def test_a_relay_on_loopback_may_have_its_media_servers_there() -> None:
    parse(b"relay: {peers: listed, listed_peers: ['127.0.0.1:10000-20000']}", {})


def test_private_networks_that_can_be_reached_are_said() -> None:
    assert cautions(parse(b"relay: {peers: any}", {})) == []
    (caution,) = cautions(parse(b"relay: {peers: any, denied_peers: [9.9.9.0/24]}", {}))
    assert caution.startswith("relay.denied_peers")
