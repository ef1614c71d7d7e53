"""Strangers on TCP and TLS, in numbers: calls go on, clients come, and the API answers."""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.daemon.crowding import HALF_A_HELLO, THERE, Pipeline, connected, crowd, party_from, where
from tests.daemon.talking import hears, join, joined
from tests.kit import certificates
from tests.kit.daemon import Config, Daemon, config_of, running
from tests.kit.polling import wait_until
from tests.kit.sockets import TurnClient

IDLE = 4500
"""More than all strangers together may have, and still as many as half a daemon's descriptors."""
HALVES = 2500
PACKETS = 300
GROWTH_BYTES = 48 << 20
FILES = 400
"""A daemon with so few descriptors runs out of them early."""


@pytest.fixture
def files(tmp_path: Path) -> certificates.Files:
    """A certificate."""
    return certificates.write(tmp_path / "tls")


def config_with(files: certificates.Files) -> Config:
    """One listener of each kind."""
    return config_of(
        listen=["udp://127.0.0.1:0", "tcp://127.0.0.1:0", "tls://127.0.0.1:0"],
        tls=files.section,
    )


@pytest.fixture
def daemon(tmp_path: Path, files: certificates.Files) -> Iterator[Daemon]:
    """One that has them."""
    with running(tmp_path, config_with(files)) as started:
        yield started


def over_tls(daemon: Daemon, call: Config, party: str, context: ssl.SSLContext) -> TurnClient:
    """A party's client over TLS that comes from elsewhere."""
    client = party_from(daemon, call, party, daemon.urls[2], THERE)
    client.sock = context.wrap_socket(client.sock, server_hostname="127.0.0.1")
    return client


def test_calls_and_the_api_go_on_while_strangers_pipeline_requests(daemon: Daemon) -> None:
    over_udp, over_tcp, _ = daemon.urls
    call, other = daemon.create_call(), daemon.create_call()
    alice, bob = joined(daemon, call, over_udp)
    carol, dave = joined(daemon, other, over_tcp)
    with ExitStack() as stack:
        floods = [stack.enter_context(Pipeline(where(over_tcp))) for _ in range(4)]
        wait_until(lambda: all(flood.cuts for flood in floods), "strangers are cut")
        for number in range(PACKETS):
            assert hears(alice, bob, b"%d of a call over UDP" % number)
            assert hears(carol, dave, b"%d of a call over TCP" % number)
        daemon.end_call(other)
        cuts = [flood.cuts for flood in floods]
        wait_until(
            lambda: all(flood.cuts > before for flood, before in zip(floods, cuts, strict=True)),
            "they have not given up",
        )
    assert daemon.drops("unauthenticated_rate") >= 8
    assert daemon.drops("internal") == 0


def test_a_newcomer_gets_in_past_thousands_of_idle_connections(
    daemon: Daemon, files: certificates.Files
) -> None:
    _, over_tcp, tls = daemon.urls
    early = joined(daemon, daemon.create_call(), over_tcp)
    memory = daemon.resident_bytes()
    with crowd([where(over_tcp)], IDLE), crowd([where(tls)], HALVES):
        call = daemon.create_call()
        with (
            party_from(daemon, call, "alice", over_tcp, THERE) as alice,
            over_tls(daemon, call, "bob", files.trusting_context()) as bob,
        ):
            join(alice, bob)
            assert hears(alice, bob, b"we got in")
            assert hears(*early, b"we are still there")
        assert daemon.resident_bytes() - memory < GROWTH_BYTES
    assert daemon.drops("crowded") > IDLE


def test_half_open_handshakes_are_counted_and_cost_little(
    daemon: Daemon, files: certificates.Files
) -> None:
    _, _, tls = daemon.urls
    memory = daemon.resident_bytes()
    with crowd([where(tls)], HALVES, HALF_A_HELLO):
        call = daemon.create_call()
        with over_tls(daemon, call, "alice", files.trusting_context()) as alice:
            assert alice.allocate().code == 0
        assert daemon.resident_bytes() - memory < GROWTH_BYTES
    assert daemon.drops("crowded") > HALVES / 2


def test_clients_with_and_without_tls_use_one_port(
    daemon: Daemon, files: certificates.Files
) -> None:
    _, _, tls = daemon.urls
    call = daemon.create_call()
    with (
        party_from(daemon, call, "alice", tls, THERE) as alice,
        over_tls(daemon, call, "bob", files.trusting_context()) as bob,
    ):
        join(alice, bob)
        assert hears(alice, bob, b"without TLS")
        assert hears(bob, alice, b"with TLS")
        parties = daemon.view(call)["parties"]
        assert [parties[name]["transport"] for name in ("alice", "bob")] == ["tcp", "tls"]


def test_turn_and_the_api_do_not_take_each_others_descriptors(
    tmp_path: Path, files: certificates.Files
) -> None:
    few = ["sh", "-c", f'ulimit -n {FILES} && exec "$@"', "sh"]
    with running(tmp_path, config_with(files), few) as daemon:
        _, over_tcp, _ = daemon.urls
        assert any("few_descriptors for_clients=" in line for line in daemon.lines)
        with crowd([where(over_tcp)], FILES), crowd([daemon.api_at], FILES):
            call = daemon.create_call()
            with party_from(daemon, call, "alice", over_tcp, THERE) as alice:
                assert alice.allocate().code == 0
                with connected(daemon.api_at, THERE) as visitor:
                    visitor.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
                    assert visitor.recv(1 << 16).startswith(b"HTTP/1.1 200")
                assert daemon.view(call)["parties"]["alice"]["connected"]
        assert daemon.drops("crowded") > 0
        assert not any("Traceback" in line for line in daemon.lines)


def test_thousands_of_idle_connections_to_the_api_shut_nobody_out(daemon: Daemon) -> None:
    with crowd([daemon.api_at], 2000):
        call = daemon.create_call()
        assert daemon.descriptors() < 1000
        assert hears(*joined(daemon, call, daemon.urls[1]), b"over TCP")
        daemon.end_call(call)
