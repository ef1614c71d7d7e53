"""SIGTERM drains and a second one stops; SIGINT stops."""

import signal
import socket
from pathlib import Path

import pytest

from relay.address import PeerAddress
from tests.daemon.talking import CHANNEL, hears, joined
from tests.kit import wire
from tests.kit.daemon import Daemon, config_of, running


def drain(daemon: Daemon) -> None:
    """Send SIGTERM and wait until it counts."""
    daemon.signal(signal.SIGTERM)
    daemon.until_said("draining")


def test_an_idle_daemon_drains_at_once(daemon: Daemon) -> None:
    daemon.signal(signal.SIGTERM)
    assert daemon.ended() == 0


def test_while_it_drains_the_running_call_goes_on_and_no_other_begins(daemon: Daemon) -> None:
    assert daemon.ask("GET", "/readyz").status == 200
    call, other = daemon.create_call(), daemon.create_call(ring=True)
    alice, bob = joined(daemon, call)
    drain(daemon)
    assert daemon.ask("GET", "/readyz").status == 503
    assert daemon.ask("GET", "/healthz").status == 200
    refused = daemon.ask("POST", "/v1/calls", {"parties": [{"id": "a"}, {"id": "b"}]})
    assert refused.status == 503
    assert refused.body["type"].endswith("draining")
    assert daemon.stranger("new-call", "leg").allocate().code == 508
    assert hears(alice, bob, b"still there?")
    assert hears(bob, alice, b"yes")
    # Another device of a party of a running call is not a new call.
    assert daemon.party(call, "bob").allocate().code == 0
    # Nor is a call that rang before: it may be accepted, and talk.
    daemon.accept_call(other)
    assert hears(*joined(daemon, other), b"hello")
    assert daemon.is_running


def test_it_ends_when_the_last_call_has_ended(daemon: Daemon) -> None:
    calls = [daemon.create_call() for _ in range(2)]
    legs = [joined(daemon, call) for call in calls]
    drain(daemon)
    daemon.end_call(calls[0])
    assert hears(*legs[1], b"we go on")
    daemon.end_call(calls[1])
    assert daemon.ended() == 0


def test_it_ends_when_the_last_client_has_left(daemon: Daemon) -> None:
    client = daemon.stranger("implicit", "leg")
    assert client.allocate().code == 0
    drain(daemon)
    assert client.request(4, wire.lifetime(0)).code == 0
    assert daemon.ended() == 0


def test_a_second_sigterm_stops(daemon: Daemon) -> None:
    joined(daemon, daemon.create_call())
    drain(daemon)
    daemon.signal(signal.SIGTERM)
    assert daemon.ended() == 0


def test_the_first_sigterm_spares_calls_though_the_api_has_drained(daemon: Daemon) -> None:
    """As Kubernetes does it: `callveil drain` before the stop, and then SIGTERM."""
    alice, bob = joined(daemon, daemon.create_call())
    assert daemon.ask("POST", "/v1/drain").status == 202
    drain(daemon)
    assert daemon.ask("GET", "/healthz").status == 200
    assert hears(alice, bob, b"still there?")
    daemon.signal(signal.SIGTERM)
    assert daemon.ended() == 0


@pytest.mark.parametrize("is_draining", [False, True])
def test_ctrl_c_stops_whatever_runs(daemon: Daemon, is_draining: bool) -> None:
    joined(daemon, daemon.create_call())
    if is_draining:
        drain(daemon)
    daemon.signal(signal.SIGINT)
    assert daemon.ended() == 0


def test_whoever_holds_connections_cannot_keep_it_from_stopping(tmp_path: Path) -> None:
    """Half a request at the API, and half a frame at a TCP listener."""
    config = {"listen": ["tcp://127.0.0.1:0"], "api": {"listen": "127.0.0.1:0"}}
    with running(tmp_path, config) as daemon, socket.socket() as half:
        half.connect(daemon.api_at)
        half.sendall(b"POST /v1/calls HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        daemon.connect(daemon.urls[0]).sendall(wire.channel_data(CHANNEL, b"half")[:5])
        assert daemon.ask("GET", "/healthz").status == 200
        daemon.signal(signal.SIGINT)
        assert daemon.ended() == 0


def test_a_half_relayed_call_over_tcp_ends_without_a_fault(tmp_path: Path) -> None:
    """Its outer port is closed before the connection's end has come through."""
    config = config_of(listen=["tcp://127.0.0.1:0"], privacy={"masking": "opted_in"})
    with running(tmp_path, config) as daemon:
        alice, _ = joined(daemon, daemon.create_call())
        assert alice.bind(CHANNEL + 1, PeerAddress.parse("127.0.0.1", 5004)) == 0
        daemon.signal(signal.SIGINT)
        assert daemon.ended() == 0
        assert not [line for line in daemon.lines if "error" in line], daemon.lines
