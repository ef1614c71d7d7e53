"""Twilio's and FastRTC's own code asks a daemon for credentials, and TURN clients use them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import twilio.base.client_base
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tests.daemon.talking import CHANNEL, has_heard_nothing, hears, join
from tests.daemon.vendor_clients import (
    ACCOUNT,
    TwilioTransport,
    cloudflare_of_fastrtc,
    fastrtc_credentials,
)
from tests.kit.api import TOKEN
from tests.kit.daemon import Daemon, config_of, running
from tests.kit.sockets import TurnClient
from tests.kit.turn import Credential

Ask = Callable[[Daemon, str], Credential]


@pytest.fixture
def slow_daemon(tmp_path: Path) -> Iterator[Daemon]:
    """One that mints ten credentials at once, and one a second."""
    with running(tmp_path, config_of(limits={"mints_per_s": 1})) as started:
        yield started


@pytest.fixture
def wide_daemon(tmp_path: Path) -> Iterator[Daemon]:
    """One that takes users too."""
    with running(tmp_path, config_of(relay={"peers": "relay"})) as started:
        yield started


def ask_twilio(
    daemon: Daemon, identifier: str = "", ttl: int | None = None, token: str = TOKEN
) -> Any:
    """What `client.tokens.create` gives."""
    transport = TwilioTransport(daemon, identifier)
    try:
        tokens = Client(ACCOUNT, token, http_client=transport).tokens
        return tokens.create() if ttl is None else tokens.create(ttl=ttl)
    finally:
        transport.close()


def by_twilio(daemon: Daemon, identifier: str) -> Credential:
    created = ask_twilio(daemon, identifier)
    return Credential(created.username, created.password)


def by_fastrtc(daemon: Daemon, identifier: str) -> Credential:
    server = cloudflare_of_fastrtc(daemon, identifier)["iceServers"][1]
    return Credential(server["username"], server["credential"])


def by_turn_rest(daemon: Daemon, identifier: str) -> Credential:
    username = f"{identifier}%3Ax" if identifier else "x"
    answer = daemon.ask("GET", f"/turn?service=turn&username={username}&key={TOKEN}", token="")
    assert answer.status == 200, answer
    return Credential(answer.body["username"], answer.body["password"])


@pytest.mark.parametrize("ask", [by_twilio, by_fastrtc, by_turn_rest])
def test_those_with_the_same_identifier_meet_and_nobody_else(daemon: Daemon, ask: Ask) -> None:
    alice, bob = [daemon.client(ask(daemon, "weekly")) for _ in range(2)]
    join(alice, bob)
    assert hears(alice, bob, b"there")
    assert hears(bob, alice, b"and back")
    mallory, carol = [daemon.client(ask(daemon, "other")) for _ in range(2)]
    join(mallory, carol)
    for peer in (alice.relayed, bob.relayed):
        assert mallory.bind(CHANNEL + 1, peer) == 403
        assert mallory.permit(peer) == 403
        mallory.send(peer, b"let me in")
    assert has_heard_nothing(mallory, alice)
    assert has_heard_nothing(mallory, bob)


def test_whichever_way_they_ask_they_meet(daemon: Daemon) -> None:
    alice, bob, carol = [
        daemon.client(ask(daemon, "weekly")) for ask in (by_twilio, by_fastrtc, by_turn_rest)
    ]
    for client in (alice, bob, carol):
        assert client.allocate().code == 0
    for number, (one, other) in enumerate(((alice, bob), (bob, carol), (carol, alice))):
        assert one.bind(CHANNEL + number, other.relayed) == 0
        assert other.bind(CHANNEL + number, one.relayed) == 0
        one.send_on(CHANNEL + number, b"there")
        assert other.receive() is not None
    (call,) = daemon.ask("GET", "/v1/calls").body["calls"]
    assert call["id"].startswith("ci_")
    assert (call["state"], len(call["parties"])) == ("active", 3)


def test_twilios_client_reads_every_field(daemon: Daemon) -> None:
    created = ask_twilio(daemon, "weekly", ttl=86_400)
    assert (created.ttl, created.account_sid) == ("86400", ACCOUNT)
    assert created.date_created == created.date_updated
    assert created.date_created.utcoffset().total_seconds() == 0
    stun, *turn = created.ice_servers
    assert stun["urls"].startswith("stun:")
    assert [server["urls"] for server in turn] == daemon.urls


def test_twilios_client_says_what_is_wrong(slow_daemon: Daemon) -> None:
    daemon = slow_daemon
    for arguments, status, code, words in (
        ({}, 400, 20001, "CustomIdentifier"),
        ({"identifier": "weekly", "ttl": 90_000}, 422, 422, "from 1 to 86400"),
        ({"identifier": "weekly", "token": "not-a-token-of-the-tests"}, 401, 20003, "api.tokens"),
    ):
        with pytest.raises(TwilioRestException) as caught:
            ask_twilio(daemon, **arguments)
        assert (caught.value.status, caught.value.code) == (status, code)
        assert words in caught.value.msg
    with pytest.raises(TwilioRestException) as caught:
        [ask_twilio(daemon, "weekly") for _ in range(200)]
    assert (caught.value.status, caught.value.code) == (429, 20429)


def _asked_as_if_by_others(daemon: Daemon, times: int) -> list[int]:
    """The statuses of requests that each claim to come from another source."""
    path = f"/turn?key={TOKEN}&username=weekly%3Ax"
    with httpx.Client(base_url=daemon.api) as client:
        return [
            client.get(path, headers={"x-forwarded-for": f"192.0.2.{n}"}).status_code
            for n in range(times)
        ]


def test_nobody_has_a_rate_of_his_own_by_saying_so(slow_daemon: Daemon) -> None:
    assert 429 in _asked_as_if_by_others(slow_daemon, 200)


def test_a_reload_changes_the_rate(slow_daemon: Daemon) -> None:
    slow_daemon.configure(config_of(limits={"mints_per_s": 1000}))
    assert slow_daemon.ask("POST", "/v1/reload").status == 200
    assert set(_asked_as_if_by_others(slow_daemon, 200)) == {200}


def test_fastrtc_passes_on_a_configuration_that_masks(daemon: Daemon) -> None:
    configuration = cloudflare_of_fastrtc(daemon, "weekly")
    assert configuration["iceTransportPolicy"] == "relay"
    stun, turn = configuration["iceServers"]
    assert [url[:5] for url in stun["urls"]] == ["stun:"]
    assert turn["urls"] == daemon.urls
    with pytest.raises(Exception, match=r"400 .*customIdentifier"):
        cloudflare_of_fastrtc(daemon)


def test_fastrtc_asks_as_twilios_client_does(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = TwilioTransport(daemon, "weekly")
    monkeypatch.setattr(twilio.base.client_base, "TwilioHttpClient", lambda: transport)
    ask = fastrtc_credentials(daemon).get_twilio_turn_credentials
    try:
        configuration = ask(twilio_sid=ACCOUNT, twilio_token=TOKEN)
    finally:
        transport.close()
    assert configuration["iceTransportPolicy"] == "relay"
    assert [server["urls"] for server in configuration["iceServers"][1:]] == daemon.urls


def test_revoking_silences_one_leg_and_it_does_not_come_back(daemon: Daemon) -> None:
    alice, bob, carol = [daemon.client(by_turn_rest(daemon, "weekly")) for _ in range(3)]
    join(alice, bob)
    assert carol.allocate().code == 0
    username = alice.turn.credential.username
    path = f"/v1/turn/keys/any/credentials/{username}/revoke"
    assert daemon.ask("POST", path).status == 204
    bob.send_on(CHANNEL, b"is anybody there?")
    alice.send_on(CHANNEL, b"I am")
    assert _is_silent(alice, bob)
    assert alice.allocate().code == 403
    for one, other in ((bob, carol), (carol, bob)):
        assert one.bind(CHANNEL + 1, other.relayed) == 0
    carol.send_on(CHANNEL + 1, b"the others go on")
    assert bob.receive() is not None


@pytest.mark.parametrize("ask", [by_twilio, by_fastrtc, by_turn_rest])
def test_without_an_identifier_they_are_users_who_meet(wide_daemon: Daemon, ask: Ask) -> None:
    daemon = wide_daemon
    alice, bob = [daemon.client(ask(daemon, "")) for _ in range(2)]
    join(alice, bob)
    assert hears(alice, bob, b"there")
    carol = daemon.client(ask(daemon, "weekly"))
    assert carol.allocate().code == 0
    for one, other in ((alice, carol), (carol, alice)):
        assert one.bind(CHANNEL + 1, other.relayed) == 403
    path = f"/v1/turn/keys/any/credentials/{bob.turn.credential.username}/revoke"
    assert daemon.ask("POST", path).status == 204
    alice.send_on(CHANNEL, b"is anybody there?")
    bob.send_on(CHANNEL, b"I am")
    assert _is_silent(bob, alice)
    assert bob.allocate().code == 403


def _is_silent(ended: TurnClient, other: TurnClient) -> bool:
    return has_heard_nothing(other, other) and has_heard_nothing(ended, ended)
