"""Calls that an identifier names (`ci_…`) are closed, whatever `relay.peers` is."""

import pytest

from relay.calls.credentials import call_of
from relay.effects import Deliver
from tests.kit import wire
from tests.turn.client import REALM, SECRET, Client, Relay

WEEKLY, BOARD = (call_of(SECRET, name) for name in (b"weekly", b"board"))


@pytest.fixture(params=["call", "relay"])
def relay(request: pytest.FixtureRequest) -> Relay:
    return Relay(peers=request.param)


def allocated(relay: Relay, call: str, leg: str) -> Client:
    """A leg of a call that its credential begins or joins."""
    client = relay.client(leg, call)
    client.allocate().accepted()
    return client


def user(relay: Relay, name: str) -> Client:
    """A client that is in no call."""
    client = relay.client(call=name)
    client.username = f"{int(relay.clock.now.wall) + 60}:{name}"
    password = wire.rest_password(SECRET, client.username)
    client.key = wire.long_term_key(client.username, REALM, password)
    return client


def test_its_legs_reach_each_other(relay: Relay) -> None:
    alice, bob = (allocated(relay, WEEKLY, leg) for leg in ("alice", "bob"))
    for client, other in ((alice, bob), (bob, alice)):
        client.permit(other.relayed).accepted()
        client.bind(0x4001, other.relayed).accepted()
    assert isinstance(alice.send(bob.relayed, b"x")[0], Deliver)
    assert len(relay.forwarding.live(relay.clock.now)) == 2


def test_no_leg_of_another_reaches_them(relay: Relay) -> None:
    alice, mallory = allocated(relay, WEEKLY, "alice"), allocated(relay, BOARD, "mallory")
    for client, other in ((alice, mallory), (mallory, alice)):
        assert client.bind(0x4001, other.relayed).code == 403
        assert client.permit(other.relayed).code == 403
    assert relay.forwarding.routes == {}


def test_no_user_reaches_them() -> None:
    relay = Relay(peers="relay")
    alice, mallory = allocated(relay, WEEKLY, "alice"), user(relay, "mallory")
    mallory.allocate().accepted()
    for client, other in ((alice, mallory), (mallory, alice)):
        assert client.bind(0x4001, other.relayed).code == 403
        assert client.permit(other.relayed).code == 403
    assert relay.forwarding.routes == {}


def test_a_leg_that_was_revoked_before_it_came_does_not_come(relay: Relay) -> None:
    relay.end_party("alice", WEEKLY)
    assert relay.client("alice", WEEKLY).allocate().code == 403
    allocated(relay, WEEKLY, "bob")


def test_it_is_listed_and_ended_as_any_call(relay: Relay) -> None:
    allocated(relay, WEEKLY, "alice")
    assert relay.live() == [WEEKLY]
    relay.end(WEEKLY)
    assert relay.live() == []
    assert relay.client("bob", WEEKLY).allocate().code == 403
