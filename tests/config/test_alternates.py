"""`relay.alternates`: other relays, to which this one sends clients while it drains."""

import pytest

from relay.address import ServerAddress, Transport
from relay.calls.rules import Alternate
from relay.config import parse
from relay.daemon.settings import rules_of
from tests.config.faults import faults_of


def alternates(text: str) -> tuple[Alternate, ...]:
    """Those of a configuration, as the server is told them."""
    return rules_of(parse(f"relay: {{alternates: {text}}}".encode(), {})).alternates


def test_there_are_none_unless_they_are_named() -> None:
    assert rules_of(parse(b"", {})).alternates == ()


def test_one_per_transport_and_family_and_a_name_with_tls() -> None:
    given = (
        "[udp://198.51.100.7:3478, 'udp://[2001:db8::7]:3478', tcp://198.51.100.7:3478,"
        " tls://198.51.100.7:5349/Turn-2.example.org, 'tls://[2001:db8::7]:5349']"
    )
    v4, v6 = "198.51.100.7", "2001:db8::7"
    assert alternates(given) == (
        Alternate(Transport.UDP, ServerAddress.parse(v4, 3478), ""),
        Alternate(Transport.UDP, ServerAddress.parse(v6, 3478), ""),
        Alternate(Transport.TCP, ServerAddress.parse(v4, 3478), ""),
        Alternate(Transport.TLS, ServerAddress.parse(v4, 5349), "turn-2.example.org"),
        Alternate(Transport.TLS, ServerAddress.parse(v6, 5349), ""),
    )


@pytest.mark.parametrize(
    "text",
    [
        "udp://198.51.100.7:3478",
        "[udp://turn.example.org:3478]",
        "[198.51.100.7:3478]",
        "[udp://198.51.100.7]",
        "[udp://198.51.100.7:0]",
        "[udp://0.0.0.0:3478]",
        "['udp://[::]:3478']",
        "[udp://224.0.0.1:3478]",
        "[udp://198.51.100.7:3478/turn.example.org]",
        "[tls://198.51.100.7:5349/]",
        "[tls://198.51.100.7:5349/198.51.100.7]",
        "[tls://198.51.100.7:5349/a/b]",
        "[sctp://198.51.100.7:3478]",
        "[7]",
        "[udp://198.51.100.7:3478, udp://198.51.100.8:3478]",
    ],
)
def test_what_clients_cannot_be_told_is_a_fault(text: str) -> None:
    (line,) = faults_of(f"relay: {{alternates: {text}}}")
    assert line.startswith("relay.alternates")
    assert "expected" in line
