"""Users: who is named by a credential that names no call, where `peers` is not `call`.

Whoever follows the effects hears of no call: of a user there are caps and counters, one set for
each of its allocations, and nothing else.
"""

from dataclasses import replace

import pytest

from relay.address import PeerAddress, Transport
from relay.effects import (
    Answered,
    Count,
    Deliver,
    DropLeg,
    DropRoute,
    Effect,
    LegKey,
    Refused,
    Send,
    SetLeg,
    SetRoute,
)
from relay.errors import CallError, DropReason, RefusalReason
from relay.stun.attributes import Attribute
from relay.stun.message import Method
from tests.kit import wire
from tests.turn.client import OLD_SECRET, RULES, SECRET, Client, Relay
from tests.turn.test_request_rate import is_looked_at, use_up

NOW = 1_800_000_000
LATER = NOW + 3600
NAMES = {
    "prosody": f"{LATER}",
    "synapse": f"{LATER}:@alice:example.org",
    "nextcloud": f"{LATER}:0123456789abcdef",
    "the other way round": f"alice:{LATER}",
}
FIXED = {"asterisk": "a password", "1700000000:old": "of long ago", "a:b:c": "colons"}


def wide(**overrides: object) -> Relay:
    """A relay with users."""
    return Relay(peers="relay", ports=range(50000, 50400), **overrides)


def alice(relay: Relay) -> Client:
    """One more device of alice's, with an allocation."""
    client = relay.user(f"{LATER}:alice")
    client.allocate(wire.lifetime(3600)).accepted()
    return client


def caps(user: str, number: int) -> SetLeg:
    """Those of one allocation."""
    return SetLeg(LegKey(user, str(number)), RULES.bitrate_bps, RULES.packets_per_s)


@pytest.mark.parametrize("username", NAMES.values(), ids=NAMES)
def test_every_name_that_signaling_servers_send_allocates(username: str) -> None:
    relay = wide()
    client = relay.user(username)
    client.allocate().accepted()
    client.refresh().accepted()
    assert relay.server.count_users() == 1
    assert relay.user(username, wire.rest_password(OLD_SECRET, username)).allocate().code == 0
    assert relay.user(username, "a wrong password").allocate().code == 401


def test_of_a_user_nothing_but_its_caps_is_told() -> None:
    relay = wide()
    client, other = relay.user(f"{LATER}:bob"), relay.user(f"bob:{LATER}")
    assert client.allocate().before_answer() == [caps("bob", 1)]
    assert other.allocate().before_answer() == [caps("bob", 2)]
    assert client.refresh(0).before_answer() == [DropLeg(LegKey("bob", "1"))]
    assert relay.server.count_users() == 1
    assert other.refresh(0).before_answer() == [DropLeg(LegKey("bob", "2"))]
    assert relay.server.count_users() == 0
    assert (relay.live(), relay.server.next_timeout()) == ([], None)


def test_users_are_no_calls() -> None:
    relay = wide()
    relay.user(f"{LATER}:room:one").allocate().accepted()
    assert sum(relay.server.counts().values()) == 0
    for name in ("room", "room:one"):
        with pytest.raises(CallError) as refused:
            relay.end(name)
        assert refused.value.kind == "unknown_call"


def test_a_user_is_not_cut_after_the_duration_of_a_call() -> None:
    relay = wide()
    relay.server.set_rules(replace(RULES, call_duration_s=60))
    one, bob = talking(relay)
    for _ in range(10):
        relay.advance(500)
        one.keep()
        bob.keep()
        routes = one.bind(0x4001, bob.relayed).before_answer()
        routes += bob.bind(0x4002, one.relayed).before_answer()
        assert [type(effect) for effect in routes] == [SetRoute] * 4
        assert isinstance(one.channel_data(0x4001, b"x")[0], Deliver)


def test_two_users_reach_each_other_and_permissions_are_for_a_user_with_all_it_holds() -> None:
    relay = wide()
    one, two = alice(relay), alice(relay)
    bob, carol = relay.user(f"{LATER}:bob"), relay.user(f"{LATER}:carol")
    for client in (bob, carol):
        client.allocate().accepted()
    bob.permit(one.relayed).accepted()
    for device in (one, two):
        device.permit(bob.relayed).accepted()
        assert isinstance(device.send(bob.relayed, b"x")[0], Deliver)
        assert isinstance(bob.send(device.relayed, b"x")[0], Deliver)
    carol.permit(one.relayed).accepted()
    (refused,) = carol.send(one.relayed, b"x")
    assert refused == Count(DropReason.NO_PERMISSION, LegKey("carol", "4"))


def test_two_devices_of_one_user_reach_each_other() -> None:
    """A fixed pair is everybody's."""
    relay = wide(users=FIXED)
    one, two = (relay.user("asterisk", "a password") for _ in range(2))
    for client in (one, two):
        client.allocate().accepted()
    one.bind(0x4001, two.relayed).accepted()
    routes = two.bind(0x4002, one.relayed).before_answer()
    assert [(e.channel, e.leg) for e in routes if isinstance(e, SetRoute)] == [
        (0x4002, LegKey("asterisk", "2")),
        (0x4001, LegKey("asterisk", "1")),
    ]


def test_a_user_and_a_leg_of_a_call_that_is_not_closed_reach_each_other() -> None:
    relay = wide()
    bob, closed = relay.allocated("bob", "cv_open"), relay.create("cv_closed", asked=("alice",))
    one = alice(relay)
    assert closed
    bob.permit(one.relayed).accepted()
    one.permit(bob.relayed).accepted()
    assert isinstance(one.send(bob.relayed, b"x")[0], Deliver)
    assert one.permit(relay.allocated("alice", "cv_closed").relayed).code == 403


# How much a user may have


def test_forty_allocations_of_one_user() -> None:
    relay = wide(allocations_per_user=40)
    devices = [alice(relay) for _ in range(40)]
    assert len({device.relayed for device in devices}) == 40
    assert relay.user(f"{LATER}:alice").allocate().code == 486


def test_the_33rd_of_a_user_is_486_and_none_gives_way() -> None:
    relay = wide()
    devices = [alice(relay) for _ in range(32)]
    relay.advance(60)
    for username in (f"{LATER}:alice", f"alice:{LATER}", f"{LATER + 1}:alice"):
        exchange = relay.user(username).allocate()
        assert exchange.effects[-1] == Answered(Method.ALLOCATE, 486)
    relay.user(f"{LATER}:bob").allocate().accepted()
    devices[0].refresh(0).accepted()
    alice(relay)
    assert all(device.refresh().code == 0 for device in devices[1:])


def come_and_go(relay: Relay, most: int) -> int:
    """Allocate and leave as often as one user may. Returns: how often."""
    for number in range(most):
        client = relay.user(f"{LATER}:mallory")
        if client.allocate().code:
            return number
        client.refresh(0).accepted()
        relay.advance(0.05)  # within a user's rate of requests
    return most


@pytest.mark.parametrize(
    ("ports", "per_user", "used"),
    [
        pytest.param(400, 32, 128, id="four times what it may hold"),
        pytest.param(100, 32, 50, id="half of the pool"),
        pytest.param(100, 80, 80, id="what the operator lets it hold"),
    ],
)
def test_ports_that_rest_count_so_that_one_user_cannot_empty_the_pool(
    ports: int, per_user: int, used: int
) -> None:
    relay = Relay(
        peers="relay",
        ports=range(50000, 50000 + ports),
        allocations_per_user=per_user,
        unauthenticated_per_s=1000,
    )
    assert come_and_go(relay, ports) == used
    relay.user(f"{LATER}:bob").allocate().accepted()
    relay.advance(61)
    assert come_and_go(relay, 1) == 1


def test_a_reserved_port_is_for_another_allocation_of_its_user() -> None:
    relay = wide()
    one = alice(relay)
    keeper, bob = relay.user(f"{LATER}:alice"), relay.user(f"{LATER}:bob")
    reserved = keeper.allocate(wire.even_port(reserve=True)).accepted()
    token = (int(Attribute.RESERVATION_TOKEN), reserved.value(Attribute.RESERVATION_TOKEN))
    assert bob.allocate(token).code == 508
    other = relay.user(f"alice:{LATER}")
    other.allocate(token).accepted()
    assert other.relayed.port == keeper.relayed.port + 1
    assert one.refresh().code == 0


def test_requests_about_an_allocation_have_a_rate_of_their_own() -> None:
    relay = wide()
    one, two = alice(relay), alice(relay)
    one.leg, two.leg = LegKey("alice", "1"), LegKey("alice", "2")
    use_up(one)
    assert is_looked_at(two)
    alice(relay)


def test_requests_without_an_allocation_share_the_users_rate() -> None:
    relay = wide()
    one, two = relay.user(f"{LATER}:alice"), relay.user(f"alice:{LATER}")
    one.leg = two.leg = LegKey("alice", "")
    use_up(one)
    two.challenge()
    assert not is_looked_at(two)
    relay.user(f"{LATER}:bob").allocate().accepted()


# Which credentials are good


def test_the_time_of_a_name_is_checked_at_allocate_alone() -> None:
    relay = wide()
    for username in (f"{NOW - 1}:alice", f"alice:{NOW - 1}", f"{NOW - 1}"):
        assert relay.user(username).allocate().code == 401
    client = relay.user(f"{NOW + 1}:alice")
    client.allocate().accepted()
    relay.advance(2)
    client.refresh().accepted()


@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize("transport", Transport)
def test_a_static_user_has_its_password_and_no_end(name: str, transport: Transport) -> None:
    relay = wide(users=FIXED)
    relay.user(name, FIXED[name], transport).allocate().accepted()
    for wrong in (wire.rest_password(SECRET, name), "another", FIXED[name] + " "):
        assert relay.user(name, wrong, transport).allocate().code == 401
    relay.user(f"{LATER}:{name}", transport=transport).allocate().accepted()


def test_a_reload_replaces_static_users_and_their_allocations_keep_their_key() -> None:
    relay = wide(users=FIXED)
    client = relay.user("asterisk", "a password")
    client.allocate().accepted()
    for users in ({"asterisk": "changed"}, {}):
        relay.server.replace_secrets((SECRET,), users)
        client.refresh().accepted()
        assert relay.user("asterisk", "a password").allocate().code == 401
    relay.server.replace_secrets((SECRET,), {"asterisk": "changed"})
    relay.user("asterisk", "changed").allocate().accepted()


def test_the_credential_of_a_registered_call_names_its_leg_and_never_a_user() -> None:
    relay = wide()
    relay.allocated("alice", "cv_one")
    assert (relay.server.count_users(), relay.live()) == (0, ["cv_one"])
    assert relay.client("eve", "cv_one").allocate().code == 403
    relay.end("cv_one")
    assert relay.client("alice", "cv_one").allocate().code == 403
    assert relay.user(f"{LATER}:cv_never:leg").allocate().code == 403


def test_where_only_calls_of_the_api_exist_there_is_no_user() -> None:
    relay = wide(users=FIXED)
    relay.server.set_rules(replace(RULES, require_registered_call=True))
    assert relay.user("asterisk", "a password").allocate().code == 403
    assert relay.user(f"{LATER}:alice").allocate().code == 403


def test_a_draining_relay_takes_no_new_user_and_those_there_go_on() -> None:
    relay = wide()
    alice(relay)
    relay.server.drain()
    alice(relay)
    assert relay.user(f"{LATER}:bob").allocate().code == 508


def test_a_user_that_gets_no_port_is_not_there() -> None:
    relay = Relay(peers="relay", ports=range(50000, 50001))
    relay.user(f"{LATER}:alice").allocate().accepted()
    assert relay.user(f"{LATER}:bob").allocate().code == 508
    assert relay.server.count_users() == 1


# Where `peers` is `call`

NO_CALL = Refused(RefusalReason.NAMES_NO_CALL)


@pytest.mark.parametrize("username", [*NAMES.values(), "asterisk", f"{LATER}:a b:leg"])
def test_a_credential_that_names_no_call_is_counted(username: str) -> None:
    client = Relay().user(username)
    exchange = client.allocate()
    assert exchange.before_answer() == [NO_CALL]
    assert exchange.code == 401


def test_a_name_whose_mac_does_not_verify_is_not_counted() -> None:
    """Anybody could have it said."""
    client = Relay().user(f"{LATER}", "a guess")
    assert client.allocate().before_answer() == []
    assert wide().user("asterisk").allocate().before_answer() == []


# Revocation


def talking(relay: Relay) -> tuple[Client, Client]:
    """A device of alice's and one of bob's, with channels to each other."""
    one, bob = alice(relay), relay.user(f"{LATER}:bob")
    bob.allocate(wire.lifetime(3600)).accepted()
    one.bind(0x4001, bob.relayed).accepted()
    bob.bind(0x4002, one.relayed).accepted()
    return one, bob


REVOKED = Refused(RefusalReason.REVOKED)


def test_who_is_revoked_loses_every_allocation_at_once() -> None:
    relay = wide()
    one, bob = talking(relay)
    second = alice(relay)
    assert relay.revoke("alice") == [
        DropRoute(one.five_tuple, 0x4001),
        DropRoute(bob.five_tuple, 0x4002),
        DropLeg(LegKey("alice", "1")),
        DropLeg(LegKey("alice", "3")),
    ]
    assert relay.revoke("alice") == []
    assert relay.server.count_users() == 1
    for client in (one, second):
        assert client.refresh().code == 437
        assert client.allocate().before_answer() == [REVOKED]
        assert client.allocate().code == 403
    assert not any(isinstance(e, Deliver) for e in bob.channel_data(0x4002, b"x"))
    bob.refresh().accepted()


@pytest.mark.parametrize("username", [f"{LATER}:alice", f"alice:{LATER}", f"{LATER + 9}:alice"])
def test_a_revoked_name_is_refused_in_every_spelling_and_no_other_is(username: str) -> None:
    relay = wide()
    relay.revoke("alice")
    assert relay.user(username).allocate().code == 403
    for other in (f"{LATER}:alice2", f"{LATER}:Alice", f"{LATER}:{LATER}:alice"):
        relay.user(other).allocate().accepted()


def test_who_is_revoked_is_told_so_whatever_ports_of_it_rest() -> None:
    relay = wide(allocations_per_user=1)
    assert come_and_go(relay, 5) == 4
    relay.revoke("mallory")
    assert relay.user(f"{LATER}:mallory").allocate().code == 403


@pytest.mark.parametrize("name", FIXED)
def test_a_static_user_can_be_revoked(name: str) -> None:
    relay = wide(users=FIXED)
    client = relay.user(name, FIXED[name])
    client.allocate().accepted()
    relay.revoke(name, 60)
    assert client.refresh().code == 437
    assert client.allocate().code == 403
    relay.advance(60)
    client.allocate().accepted()


@pytest.mark.parametrize(("for_s", "lasts_s"), [(None, 86_400), (1, 1), (604_800, 604_800)])
def test_a_revocation_lasts_as_long_as_it_says_or_the_operator(
    for_s: int | None, lasts_s: int
) -> None:
    relay = wide()
    relay.revoke("alice", for_s)
    relay.advance(lasts_s - 0.5)
    assert relay.user(f"{2 * LATER}:alice").allocate().code == 403
    relay.advance(0.5)
    relay.user(f"{2 * LATER}:alice").allocate().accepted()
    relay.revoke("alice", 1)
    relay.advance(1)
    assert relay.server.next_timeout() is None


def test_a_later_revocation_takes_the_place_of_an_earlier_one() -> None:
    relay = wide()
    relay.revoke("alice", 10)
    relay.revoke("alice", 100)
    relay.advance(99)
    assert relay.user(f"{LATER}:alice").allocate().code == 403
    relay.revoke("alice", 0)
    client = alice(relay)
    assert relay.revoke("alice", 0) == [DropLeg(LegKey("alice", "1"))]
    client.allocate().accepted()


def test_revocations_are_bounded() -> None:
    relay = wide()
    for number in range(65_537):
        relay.server.revoke_user(f"user{number}", None, relay.clock.now)
    for number, code in ((0, 0), (1, 403), (65_536, 403)):
        assert relay.user(f"{LATER}:user{number}").allocate().code == code
    relay.advance(86_400)
    relay.user(f"{2 * LATER}:user1").allocate().accepted()


def test_where_there_are_no_users_none_is_revoked() -> None:
    with pytest.raises(CallError) as refused:
        Relay().revoke("alice")
    assert refused.value.kind == "no_users"


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"1800003600:\xc3", b"1800003600:" + b"u" * 498, b""])
@pytest.mark.parametrize("peers", ["call", "relay"])
def test_names_that_are_not_utf8_or_too_long_draw_no_success(raw: bytes, peers: str) -> None:
    relay = Relay(peers=peers)
    client = relay.client()
    client.challenge()
    request = wire.build(
        Method.ALLOCATE,
        wire.Class.REQUEST,
        client.transaction(),
        [
            wire.transport(17),
            (Attribute.USERNAME, raw),
            (Attribute.REALM, client.realm),
            (Attribute.NONCE, client.nonce),
        ],
        key=client.key,
    )
    effects: list[Effect] = relay.receive(request, client.five_tuple)
    sent = [wire.parse(effect.datagram).code for effect in effects if isinstance(effect, Send)]
    assert sent in ([], [400], [401])
    assert effects != []


@pytest.mark.parametrize("name", ["u" * 497, "nul\0nul", "a:b:c:d:e:f:g:h:i:j", "%2F/ ", "é"])
def test_odd_names_are_users_as_well(name: str) -> None:
    relay = wide()
    client = relay.user(f"{LATER}:{name}")
    client.allocate().accepted()
    assert relay.revoke(name)[0] == DropLeg(LegKey(name, "1"))
    assert client.allocate().code == 403
    assert client.relayed != PeerAddress(bytes(4), 0)
