"""Phone and tablet ring, the phone answers: the tablet's credential reaches nobody any more."""

import errno
import socket
from collections.abc import Iterable

import pytest

from tests.daemon.talking import CHANNEL, has_heard_nothing, hears
from tests.kit.daemon import Config, Daemon
from tests.kit.sockets import TurnClient
from tests.kit.wire import channel_data

PARTIES: list[Config] = [
    {"id": "alice", "enhanced_call_privacy": True},
    {"id": "phone"},
    {"id": "tablet"},
]
"""As many as it takes; the caller first."""


def create(daemon: Daemon, *, ring: bool) -> Config:
    """A call to two devices."""
    answer = daemon.ask("POST", "/v1/calls", {"parties": PARTIES, "ring": ring})
    assert answer.status == 201
    body: Config = answer.body
    return body


def all_joined(daemon: Daemon, call: Config) -> list[TurnClient]:
    """Everybody allocates and binds a channel to everybody else: the nth of them on the nth."""
    clients = [daemon.party(call, party["id"]) for party in PARTIES]
    assert [client.allocate().code for client in clients] == [0] * 3
    for client in clients:
        for number, other in enumerate(clients):
            if other is not client:
                assert client.bind(CHANNEL + number, other.relayed) == 0
    return clients


def speaks(sender: TurnClient, at: int, receiver: TurnClient, to: int, data: bytes) -> bool:
    """Whether it is heard what the party at one place sends to the one at another."""
    sender.send_on(CHANNEL + to, data)
    return receiver.receive(60) == channel_data(CHANNEL + at, data)


def assert_gone(gone: TurnClient, others: Iterable[TurnClient]) -> None:
    """It reaches nobody, nobody reaches it, and it does not come back."""
    for number, other in enumerate(others):
        gone.send_on(CHANNEL + number, b"let me in")
        gone.send(other.relayed, b"let me in")
        other.send_on(CHANNEL + 2, b"are you there")
        other.send(gone.relayed, b"are you there")
        assert other.bind(CHANNEL + 9, gone.relayed) == 403
        assert has_heard_nothing(gone, other)
        assert has_heard_nothing(other, gone)
    assert gone.allocate().code == 403


def test_who_answers_is_put_through_and_the_other_device_is_not(daemon: Daemon) -> None:
    call = create(daemon, ring=True)
    alice, phone, tablet = all_joined(daemon, call)
    accepted = daemon.ask("POST", f"/v1/calls/{call['id']}/accept", {"party": "phone"})
    assert (accepted.status, list(accepted.body["parties"])) == (200, ["alice", "phone"])
    assert daemon.metric('callveil_routes{path="user"}') == 2
    assert daemon.metric('callveil_allocations{transport="udp"}') == 2
    assert speaks(alice, 0, phone, 1, b"hello")
    assert speaks(phone, 1, alice, 0, b"hello yourself")
    assert_gone(tablet, (alice, phone))
    assert speaks(alice, 0, phone, 1, b"still there")


def test_a_party_that_is_ended_mid_call_is_silent_at_once_and_the_others_go_on(
    daemon: Daemon,
) -> None:
    call = create(daemon, ring=False)
    alice, phone, tablet = all_joined(daemon, call)
    assert speaks(tablet, 2, alice, 0, b"while it lasts")
    path = f"/v1/calls/{call['id']}/parties/tablet"
    assert [daemon.ask("DELETE", path).status for _ in range(2)] == [204, 204]
    assert_gone(tablet, (alice, phone))
    assert speaks(alice, 0, phone, 1, b"we go on")
    assert daemon.ask("DELETE", f"/v1/calls/{call['id']}/parties/phone").status == 204
    assert daemon.view(call)["state"] == "ended"
    assert alice.allocate().code == 403
    assert daemon.metric('callveil_allocations{transport="udp"}') == 0
    assert daemon.ask("DELETE", f"/v1/calls/{call['id']}/parties/phone").status == 204


def test_an_answer_of_nobody_leaves_the_call_ringing(daemon: Daemon) -> None:
    call = create(daemon, ring=True)
    path = f"/v1/calls/{call['id']}/accept"
    for body, status in (({"party": "mallory"}, 404), ({"party": "alice"}, 422)):
        assert daemon.ask("POST", path, body).status == status
    assert daemon.view(call)["state"] == "ringing"
    assert daemon.ask("POST", path, {"leg": call["parties"]["tablet"]["leg"]}).status == 200
    assert list(daemon.view(call)["parties"]) == ["alice", "tablet"]


@pytest.mark.parametrize("party", ["caller", "callee"])
def test_in_ports_mode_the_call_ends_with_either(daemon: Daemon, party: str) -> None:
    body = {"parties": [{"id": "caller"}, {"id": "callee"}], "mode": "ports", "ring": False}
    call = daemon.ask("POST", "/v1/calls", body).body
    endpoints = [each["endpoint"] for each in call["parties"].values()]
    assert not any(map(_is_closed, endpoints))
    assert daemon.ask("DELETE", f"/v1/calls/{call['id']}/parties/{party}").status == 204
    assert daemon.view(call)["state"] == "ended"
    assert all(map(_is_closed, endpoints))


def _is_closed(endpoint: Config) -> bool:
    """Whether nobody listens at a relayed port: the kernel says so in the same call to it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((endpoint["address"], endpoint["port"]))
        sock.send(b"x")
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED


def test_a_leg_of_a_call_that_credentials_began_is_ended_alone(daemon: Daemon) -> None:
    one, two = (daemon.stranger("room/1", leg) for leg in ("one", "two:x"))
    for client in (one, two):
        assert client.allocate().code == 0
    for client, other in ((one, two), (two, one)):
        assert client.bind(CHANNEL, other.relayed) == 0
    assert hears(one, two, b"hello")
    assert daemon.ask("DELETE", "/v1/calls/room%2F1/parties/two%3Ax").status == 204
    two.send_on(CHANNEL, b"let me in")
    assert has_heard_nothing(two, one)
    assert two.allocate().code == 403
    assert daemon.stranger("room/1", "three").allocate().code == 0
