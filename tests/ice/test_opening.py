"""Who gets a relayed port, which, and when somebody else may have it."""

import ipaddress
from dataclasses import replace
from typing import Any

import pytest

from relay.address import IPV4, IPV6, ClientAddress, PeerAddress, ServerAddress, Transport
from relay.calls.pool import REST_S
from relay.effects import (
    NO_CHANNEL,
    CallCreated,
    CallEnded,
    ClosePort,
    Count,
    DropLeg,
    DropRoute,
    Effect,
    EndReason,
    LegConnected,
    LegIdle,
    OpenPort,
    SetLeg,
)
from relay.errors import CallError, DropReason
from relay.ice.access import PWD, UFRAG, Access
from relay.ice.settings import PortSettings
from relay.special_use import Denied
from tests.ice.stage import (
    ALICE,
    ANOTHER_OF_THE_HOST,
    AT_ALICE,
    AT_BOB,
    BOB,
    CALL,
    LOCAL_V4,
    NOMINATING,
    PORTS,
    PUBLIC_V4,
    PUBLIC_V6,
    RTP,
    SETTINGS,
    Doing,
    Leg,
    Stage,
    asked_in,
    few,
    ice,
    route,
)

SOMEBODY_V6 = ClientAddress.parse("2001:db8:9::5", 4000)


def test_each_leg_gets_its_caps_then_its_port_and_then_the_call_is_there() -> None:
    stage = Stage()
    legs = stage.call()
    alice, bob = legs
    assert stage.done == [
        SetLeg(ALICE, 1000, 10),
        OpenPort(alice.port),
        SetLeg(BOB, 1000, 10),
        OpenPort(bob.port),
        CallCreated(CALL, is_ringing=False),
    ]
    for leg in legs:
        assert leg.port.reveal()[0] == LOCAL_V4
        assert leg.endpoint.address.reveal() == (PUBLIC_V4, leg.port.port)
        assert leg.port.port in PORTS


def test_the_relays_credentials_are_random_and_long_enough() -> None:
    alice, bob = Stage().pair()
    assert UFRAG.fullmatch(alice.ice.ufrag)
    assert PWD.fullmatch(alice.ice.pwd)
    assert len({alice.ice.ufrag, bob.ice.ufrag}) == len({alice.ice.pwd, bob.ice.pwd}) == 2
    assert alice.ice.pwd not in repr(alice.endpoint)


def test_a_port_is_of_the_family_that_the_party_was_declared_at() -> None:
    alice, bob = Stage().call(Access(address=SOMEBODY_V6), Access(address=AT_BOB))
    assert (alice.port.family, bob.port.family) == (IPV6, IPV4)


def test_ports_are_unique_on_the_relay_and_run_out() -> None:
    stage = Stage(ports=few(4))
    legs = [leg for name in ("cv_a", "cv_b") for leg in stage.call(name=name)]
    assert {leg.port.port for leg in legs} == set(range(50000, 50004))
    assert stage.server.ports_free == 0
    assert_not_created(stage, "out_of_ports")


def test_a_call_for_which_one_port_is_left_gets_none() -> None:
    stage = Stage(ports=few(3))
    stage.call(name="cv_a")
    assert_not_created(stage, "out_of_ports")
    stage.advance(REST_S)
    assert_not_created(stage, "out_of_ports")  # what it had drawn has rested, and is one


def assert_not_created(stage: Stage, kind: str, *access: Access) -> CallError:
    """A call is refused, and nothing is left of it."""
    doing, calls = replace_of(stage.doing), stage.server.page(0, 100)
    with pytest.raises(CallError) as refused:
        stage.call(*access)
    assert refused.value.kind == kind
    with pytest.raises(CallError) as unknown:
        stage.server.call(CALL, stage.now)
    assert unknown.value.kind == "unknown_call"
    assert (stage.doing, stage.server.page(0, 100)) == (doing, calls)
    return refused.value


def replace_of(doing: Doing) -> Doing:
    """What the doing side holds now."""
    return Doing(set(doing.legs), set(doing.ports), dict(doing.routes))


def test_a_released_port_rests_for_a_minute() -> None:
    stage = Stage(ports=few(2))
    stage.call(name="cv_before")
    stage.end("cv_before")
    stage.advance(REST_S - 0.1)
    assert_not_created(stage, "out_of_ports")
    stage.advance(0.1)
    stage.pair()
    assert REST_S >= 60


def test_the_end_of_a_call_takes_routes_and_ports_then_the_call_and_then_its_legs() -> None:
    stage = Stage()
    alice, bob = stage.call(Access(address=AT_ALICE), Access(ice=ice("bob")))
    bob.is_heard_at(AT_BOB)
    stage.advance(3)
    assert stage.end() == [
        DropRoute(alice.from_(AT_ALICE), NO_CHANNEL),
        DropRoute(bob.from_(AT_BOB), NO_CHANNEL),
        ClosePort(alice.port),
        LegIdle(ALICE),
        ClosePort(bob.port),
        LegIdle(BOB),
        CallEnded(CALL, EndReason.ENDED, 3.0, (ALICE, BOB)),
        DropLeg(ALICE),
        DropLeg(BOB),
    ]
    assert stage.doing == Doing()
    assert stage.end() == []
    assert stage.server.has_media() is False
    assert alice.receive(RTP, AT_ALICE) == [Count(DropReason.NO_ALLOCATION)]
    with pytest.raises(CallError):
        alice.set_access(Access(address=AT_ALICE))


# Addresses that may be declared.


@pytest.mark.parametrize(
    "host",
    [
        *("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.0.1", "169.254.169.254", "224.0.0.1"),  # noqa: S104
        *("239.255.255.255", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "ff02::1", "::127.0.0.1", "::ffff:0:127.0.0.1"),
        *("64:ff9b::7f00:1", "2002:7f00:1::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
        *("64:ff9b::8.8.8.8", "2002:808:808::1", "64:ff9b:1::1"),
    ],
)
def test_an_address_that_is_no_other_host_is_refused_without_being_named(host: str) -> None:
    stage = Stage()
    access = Access(address=ClientAddress.parse(host, 4000))
    refused = assert_not_created(stage, "invalid_request", access)
    assert refused.detail.startswith("address: ")
    assert not set(refused.detail) & set("0123456789")
    assert stage.server.has_media() is False
    assert stage.server.ports_free == len(PORTS)
    assert_not_created(stage, "invalid_request", Access(), access)
    assert stage.server.has_media() is False


SPECIAL = [
    *("10.0.0.2", "100.64.0.1", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.168.1.2"),
    *("192.0.2.9", "192.88.99.1", "198.18.0.1", "198.19.255.255"),
    *("100::1", "2001::1", "2001:db8::9", "3fff::1", "5f00::1", "fc00::1", "fd00::1", "fec0::1"),
]


@pytest.mark.parametrize("host", SPECIAL)
def test_an_address_of_a_special_use_range_is_refused_unless_it_is_allowed(host: str) -> None:
    at = ClientAddress.parse(host, 161)
    with pytest.raises(CallError) as refused:
        Stage().call(Access(address=at))
    assert "ports.allow_private" in refused.value.detail
    assert not set(refused.value.detail) & set("0123456789")
    allowed = denied(allowed=(ipaddress.ip_network(host),))
    Stage(allowed).call(Access(address=at))


@pytest.mark.parametrize("host", ["8.8.8.8", "100.63.255.255", "172.32.0.1", "2001:4860::1"])
def test_an_address_of_another_host_is_taken_unless_it_is_denied(host: str) -> None:
    at = ClientAddress.parse(host, 4000)
    Stage().call(Access(address=at))
    network = (ipaddress.ip_network(host),)
    for refusing in (denied(networks=network), denied(networks=network, allowed=network)):
        with pytest.raises(CallError):
            Stage(refusing).call(Access(address=at))


def test_without_the_default_only_the_denied_networks_are_refused() -> None:
    mine = denied(default=False, networks=(ipaddress.ip_network("10.0.0.0/8"),))
    Stage(mine).call(Access(address=ClientAddress.parse("192.168.1.2", 4000)))
    for host in ("10.1.2.3", "127.0.0.1", "169.254.1.1"):
        with pytest.raises(CallError):
            Stage(mine).call(Access(address=ClientAddress.parse(host, 4000)))


def denied(default: bool = True, **networks: Any) -> PortSettings:
    """Other rules about where parties are."""
    return replace(SETTINGS, denied=Denied(default, **networks))


@pytest.mark.parametrize("host", [PUBLIC_V4, LOCAL_V4, PUBLIC_V6, ANOTHER_OF_THE_HOST])
@pytest.mark.parametrize("port", [80, 3478, 50000])
def test_no_address_of_the_relay_or_its_host_can_be_declared_on_any_port(
    host: str, port: int
) -> None:
    everything = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
    stage = Stage(denied(allowed=everything))
    with pytest.raises(CallError) as refused:
        stage.call(Access(address=ClientAddress.parse(host, port)))
    assert refused.value.detail == "address: give the party's address, not one of the relay's host."


def test_a_family_that_the_relay_has_not_is_refused() -> None:
    stage = Stage(replace(SETTINGS, addresses=SETTINGS.addresses[:1]))
    with pytest.raises(CallError):
        stage.call(Access(address=SOMEBODY_V6))


def test_the_family_of_an_open_port_cannot_be_changed() -> None:
    alice, _ = Stage().call()
    with pytest.raises(CallError):
        alice.set_access(Access(address=SOMEBODY_V6))
    assert PUBLIC_V6 not in str(alice.endpoint)


def test_loopback_is_for_a_relay_on_loopback_and_not_its_own_ports() -> None:
    pair = PeerAddress.parse("127.0.0.1", 0), ServerAddress.parse("127.0.0.1", 0)
    here = replace(
        SETTINGS, addresses=(pair,), is_this_host=lambda _: True, own_ports=frozenset({3478})
    )
    stage = Stage(here)
    alice, bob = stage.call(Access(address=ClientAddress.parse("127.0.0.1", 4000)))
    for port in (3478, alice.port.port, bob.port.port):
        at = Access(address=ClientAddress.parse("127.0.0.1", port))
        with pytest.raises(CallError):
            bob.set_access(at)
        with pytest.raises(CallError):
            stage.call(Access(), at, name="cv_another")
    stage.end()
    stage.call(Access(), Access(address=ClientAddress.parse("127.0.0.1", alice.port.port)))


# What is said later.


def test_a_declared_party_is_connected_at_once_and_does_no_ice() -> None:
    stage = Stage()
    alice, bob = stage.call(Access(), Access(address=AT_BOB))
    assert alice.set_access(Access(address=AT_ALICE)) == [
        LegConnected(ALICE, Transport.UDP),
        route(alice, AT_ALICE, bob, AT_BOB),
        route(bob, AT_BOB, alice, AT_ALICE),
    ]
    assert alice.endpoint.ice is None
    assert alice.set_access(Access(address=AT_ALICE)) == []


def test_another_declared_address_takes_the_place_of_the_first() -> None:
    stage = Stage()
    alice, bob = stage.call(Access(address=AT_ALICE), Access(address=AT_BOB))
    moved = ClientAddress(AT_ALICE.packed, 4444)
    assert alice.set_access(Access(address=moved)) == [
        DropRoute(alice.from_(AT_ALICE), NO_CHANNEL),
        route(alice, moved, bob, AT_BOB),
        route(bob, AT_BOB, alice, moved),
    ]
    assert alice.receive(RTP, AT_ALICE) == [Count(DropReason.UNKNOWN_SOURCE)]


def test_a_declared_party_that_turns_to_ice_is_unknown_until_its_check() -> None:
    stage = Stage()
    alice, bob = stage.call(Access(address=AT_ALICE), Access(address=AT_BOB))
    assert alice.set_access(Access(ice=ice("alice"))) == [
        DropRoute(alice.from_(AT_ALICE), NO_CHANNEL),
        DropRoute(bob.from_(AT_BOB), NO_CHANNEL),
        LegIdle(ALICE),
    ]
    assert bob.receive(RTP, AT_BOB) == [Count(DropReason.UNKNOWN_TARGET, BOB)]
    alice.is_heard_at(AT_ALICE)
    assert len(stage.doing.routes) == 2


def test_a_declaration_forgets_what_was_nominated_before() -> None:
    alice, bob = Stage().pair()
    bob.is_heard_at(AT_BOB)
    alice.is_heard_at(AT_ALICE, NOMINATING)
    alice.set_access(Access(address=AT_ALICE))
    alice.set_access(Access(ice=ice("alice")))
    alice.is_heard_at(AT_BOB)
    assert alice.stage.doing.routes[bob.from_(AT_BOB)].target.client == AT_BOB


def test_a_party_that_did_ice_and_is_declared_is_taken_from_there_only() -> None:
    stage = Stage()
    alice, bob = stage.pair()
    alice.is_heard_at(AT_ALICE)
    bob.is_heard_at(AT_BOB)
    check = alice.check()
    moved = ClientAddress(AT_ALICE.packed, 4444)
    alice.set_access(Access(address=moved))
    assert set(stage.doing.routes) == {alice.from_(moved), bob.from_(AT_BOB)}
    assert alice.receive(check, AT_ALICE) == [Count(DropReason.UNAUTHENTICATED)]


def test_a_party_whose_ufrag_comes_late_keeps_what_it_was_told() -> None:
    alice, _ = Stage().call()
    told = alice.ice
    assert alice.set_access(Access(ice=ice("alice"))) == []
    assert alice.ice == told
    alice.set_access(Access(ice=ice("alice")))
    assert alice.ice == told
    alice.is_heard_at(AT_ALICE)


def test_an_ice_restart_renews_the_relays_credentials_and_lets_data_flow_meanwhile() -> None:
    alice, bob = Stage().pair()
    alice.is_heard_at(AT_ALICE, NOMINATING)
    bob.is_heard_at(AT_BOB)
    before, old_check = alice.ice, alice.check()
    assert alice.set_access(Access(ice=ice("again"))) == []
    assert alice.ice.ufrag != before.ufrag
    assert alice.ice.pwd != before.pwd
    assert len(alice.stage.doing.routes) == 2
    old = alice.receive(old_check, AT_ALICE)
    assert len(old) == 2  # answered, and nothing learned from it
    moved = ClientAddress(AT_ALICE.packed, 4444)
    check = alice.check(username=f"{alice.ice.ufrag}:again")
    (asked,) = asked_in(alice.receive(check, moved))
    assert len(alice.stage.doing.routes) == 2
    alice.receive(alice.answer(asked), moved)
    assert set(alice.stage.doing.routes) == {alice.from_(moved), bob.from_(AT_BOB)}
    assert alice.stage.doing.routes[bob.from_(AT_BOB)].target.client == moved
    refused = alice.receive(alice.check(username=f"{before.ufrag}:alice", pwd=before.pwd), AT_ALICE)
    assert is_refused(alice, refused)


def is_refused(leg: Leg, effects: list[Effect]) -> bool:
    """Whether these effects are an error and nothing else."""
    return len(effects) == 2 and AT_ALICE not in {s.client for s in leg.stage.doing.routes}
