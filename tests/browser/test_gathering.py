"""Chromium asks each TURN server for its own address first, by plain STUN, and waits for an answer.

The relay does not say; it says so at once, and gathering goes on.
"""

import socket
from collections.abc import Iterator

import pytest

from tests.browser.fixtures import Tabs
from tests.lab.relay import Relay
from tests.lab.topology import SINK

_SILENT_PORT = 3478

_RACE = """async (servers) => {
    const gather = (name) => new Promise((resolve) => {
        const connection = new RTCPeerConnection({iceServers: [servers[name]]});
        const kinds = new Set();
        connection.onicecandidate = ({candidate}) => {
            if (candidate) { kinds.add(candidate.type); return; }
            connection.close();
            resolve([name, [...kinds].sort()]);
        };
        connection.createDataChannel("");
        connection.setLocalDescription();
    });
    return await Promise.race([gather("silent"), gather("relay")]);
}"""
"""Which of two gatherings is complete first, and the kinds of its candidates."""


@pytest.fixture
def silent(relay: Relay) -> Iterator[str]:
    """A STUN server that takes what it is sent and never answers."""
    with relay.lab.sink.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((SINK.v4, _SILENT_PORT))
        yield f"stun:{SINK.v4}:{_SILENT_PORT}"


def test_gathering_at_the_relay_is_complete_before_it_is_at_a_silent_server(
    tabs: Tabs, relay: Relay, silent: str
) -> None:
    """Where both are silent, the one that began first is."""
    call = relay.create_call()
    (server,) = call["parties"]["caller"]["rtc_configuration"]["iceServers"]
    udp = [url for url in server["urls"] if url.startswith("turn:") and "tcp" not in url]
    servers = {"silent": {"urls": silent}, "relay": server | {"urls": udp}}
    first, kinds = tabs.alice.page.evaluate(_RACE, servers)
    assert first == "relay"
    assert kinds == ["host", "relay"]
    relay.end_call(call)
