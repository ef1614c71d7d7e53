"""Clients of RFC 8489 and older ones in one call, over the daemon's UDP and TCP."""

from pathlib import Path

import pytest

from tests.daemon.talking import CHANNEL, hears
from tests.kit import rfc8489
from tests.kit.daemon import SECRET, Daemon, config_of, running
from tests.kit.sockets import TurnClient
from tests.kit.turn import credential_of
from tests.kit.wire import Method

_LISTEN = ["udp://127.0.0.1:0", "tcp://127.0.0.1:0"]


def _party(daemon: Daemon, call: dict[str, object], party: str, url: str) -> TurnClient:
    """A party's client that does RFC 8489."""
    client = daemon.party(call, party, url)
    client.turn = rfc8489.Client(credential_of(call, party))
    return client


def _knows(client: TurnClient) -> rfc8489.Client:
    assert isinstance(client.turn, rfc8489.Client)
    return client.turn


@pytest.mark.parametrize("is_anonymous", [True, False])
def test_sha256_and_hashes_of_names_over_udp_and_tcp_beside_an_older_client(
    tmp_path: Path, *, is_anonymous: bool
) -> None:
    """Hashes are asked for where the relay has generated its secret."""
    auth = {} if is_anonymous else {"secrets": [SECRET]}
    with running(tmp_path, config_of(listen=_LISTEN, auth=auth)) as daemon:
        for url in daemon.urls:
            call = daemon.create_call()
            alice, bob = _party(daemon, call, "alice", url), daemon.party(call, "bob", url)
            answer = alice.allocate()
            assert answer.code == bob.allocate().code == 0
            knows = _knows(alice)
            assert knows.algorithm == rfc8489.SHA256
            assert knows.is_anonymous is is_anonymous
            assert knows.is_genuine(answer)
            assert alice.bind(CHANNEL, bob.relayed) == bob.bind(CHANNEL, alice.relayed) == 0
            assert hears(alice, bob, b"over")
            assert hears(bob, alice, b"and back")


def test_hashes_are_asked_for_no_longer_once_a_reload_gives_others_a_secret(tmp_path: Path) -> None:
    with running(tmp_path, config_of(auth={})) as daemon:
        first = _party(daemon, daemon.create_call(), "alice", daemon.urls[0])
        assert first.allocate().code == 0
        assert _knows(first).is_anonymous
        daemon.configure(config_of(auth={"secrets": [SECRET]}))
        assert daemon.ask("POST", "/v1/reload").status < 300
        second = _party(daemon, daemon.create_call(), "alice", daemon.urls[0])
        assert second.allocate().code == 0
        assert not _knows(second).is_anonymous
        assert first.request(Method.REFRESH).code == 0
