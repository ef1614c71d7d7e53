"""TURN URLs (RFC 7065), and how a listener is reached from its own host."""

import pytest

from relay.config import Listen
from relay.tools.probe import TurnUrl


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("turn:relay.example", TurnUrl("relay.example", 3478, "udp", False)),
        ("turns:relay.example", TurnUrl("relay.example", 5349, "tcp", True)),
        ("turn:192.0.2.1:80?transport=tcp", TurnUrl("192.0.2.1", 80, "tcp", False)),
        ("turn:[2001:db8::1]:80", TurnUrl("2001:db8::1", 80, "udp", False)),
        ("TURN:[::1]?transport=UDP", TurnUrl("::1", 3478, "udp", False)),
        ("turn://relay.example:1", TurnUrl("relay.example", 1, "udp", False)),
    ],
)
def test_a_url_is_read(text: str, parsed: TurnUrl) -> None:
    assert TurnUrl.parse(text) == parsed
    assert TurnUrl.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "turn:",
        "stun:relay.example",
        "relay.example:3478",
        "turn:a:b",
        "turn:a:0",
        "turn:a:65536",
        "turn:2001:db8::1",
        "turn:[::1",
        "turn:a?transport=sctp",
        "turns:a?transport=udp",
        "turn:user@a",
        "turn:a/path",
        "turn:a b",
        "turn:a\n",
    ],
)
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected "):
        TurnUrl.parse(text)


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("udp://127.0.0.1:3478", "turn:127.0.0.1:3478?transport=udp"),
        ("tcp://0.0.0.0:80", "turn:127.0.0.1:80?transport=tcp"),
        ("udp://[::]:80", "turn:[::1]:80?transport=udp"),
        ("tls://[2001:db8::1]:443", "turns:[2001:db8::1]:443?transport=tcp"),
    ],
)
def test_a_listener_is_reached(listen: str, url: str) -> None:
    assert str(TurnUrl.of(Listen.parse(listen), [])) == url


def test_a_listener_is_reached_by_the_first_name_that_clients_are_told() -> None:
    listen = Listen.parse("tls://[2001:db8::1]:443")
    names = ["turn.example", "six.example"]
    assert str(TurnUrl.of(listen, names)) == "turns:turn.example:443?transport=tcp"
