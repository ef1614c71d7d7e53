"""Who gets a relayed port, which, and when somebody else may have it."""

from dataclasses import replace

import pytest

from relay.address import IPV4, IPV6, ClientAddress, Transport
from relay.calls.endpoint import PWD, UFRAG, Access
from relay.errors import CallError, DropReason
from relay.ports.settings import PortSettings
from relay.turn.effects import (
    NO_CHANNEL,
    ClosePort,
    Count,
    DropLeg,
    DropRoute,
    Effect,
    LegConnected,
    LegIdle,
    LegKey,
    OpenPort,
    SetLeg,
)
from relay.turn.ports import REST_S
from tests.ports.stage import (
    ALICE,
    AT_ALICE,
    AT_BOB,
    BOB,
    CALL,
    LOCAL_V4,
    NOMINATING,
    PUBLIC_V4,
    PUBLIC_V6,
    RTP,
    SETTINGS,
    Doing,
    Leg,
    Stage,
    route,
)

SOMEBODY_V6 = ClientAddress.parse("2001:db8:9::5", 4000)


def few(count: int) -> PortSettings:
    """So many ports and no more."""
    return replace(SETTINGS, ports=range(50000, 50000 + count))


def test_a_leg_gets_its_caps_then_its_port() -> None:
    stage = Stage()
    leg = stage.open(ALICE)
    assert stage.done == [SetLeg(ALICE, 1000, 10), OpenPort(leg.port)]
    assert leg.port.reveal()[0] == LOCAL_V4
    assert leg.endpoint.address.reveal() == (PUBLIC_V4, leg.port.port)
    assert leg.port.port in SETTINGS.ports


def test_the_relays_credentials_are_random_and_long_enough() -> None:
    alice, bob = Stage().pair()
    assert UFRAG.fullmatch(alice.ice.ufrag)
    assert PWD.fullmatch(alice.ice.pwd)
    assert len({alice.ice.ufrag, bob.ice.ufrag}) == len({alice.ice.pwd, bob.ice.pwd}) == 2
    assert alice.ice.pwd not in repr(alice.endpoint)


def test_a_port_is_of_the_family_that_the_party_was_declared_at() -> None:
    stage = Stage()
    assert stage.open(ALICE, Access(address=SOMEBODY_V6)).port.family == IPV6
    assert stage.open(BOB, Access(address=AT_BOB)).port.family == IPV4


def test_ports_are_unique_on_the_relay_and_run_out() -> None:
    stage = Stage(few(4))
    legs = [stage.open(key) for call in "ab" for key in keys(call)]
    assert {leg.port.port for leg in legs} == set(range(50000, 50004))
    assert stage.core.ports_free == 0
    with pytest.raises(CallError) as refused:
        stage.open(ALICE)
    assert refused.value.kind == "out_of_ports"
    assert stage.core.connected_legs(CALL) == {}


def keys(call: str) -> list[LegKey]:
    return [ALICE._replace(call=call), BOB._replace(call=call)]


def test_a_released_port_rests_for_a_minute() -> None:
    stage = Stage(few(2))
    stage.pair()
    stage.apply(stage.core.end_call(CALL, stage.now))
    stage.advance(REST_S - 0.1)
    with pytest.raises(CallError):
        stage.open(ALICE)
    stage.advance(0.1)
    stage.pair()
    assert REST_S >= 60


def test_a_port_that_could_not_be_opened_rests_and_another_is_drawn() -> None:
    stage = Stage(few(2))
    taken = stage.open(ALICE)
    assert stage.apply(stage.core.close_leg(ALICE, stage.now)) == [
        ClosePort(taken.port),
        DropLeg(ALICE),
    ]
    assert stage.core.has_calls() is False
    assert stage.open(ALICE).port != taken.port
    with pytest.raises(CallError):
        stage.open(BOB)


def test_the_end_of_a_call_takes_routes_ports_and_legs_in_that_order() -> None:
    stage = Stage()
    alice = stage.open(ALICE, Access(address=AT_ALICE))
    bob = stage.open(BOB, Access(ice_ufrag="bob"))
    bob.is_heard_at(AT_BOB)
    assert stage.apply(stage.core.end_call(CALL, stage.now)) == [
        DropRoute(alice.from_(AT_ALICE), NO_CHANNEL),
        DropRoute(bob.from_(AT_BOB), NO_CHANNEL),
        ClosePort(alice.port),
        LegIdle(ALICE),
        DropLeg(ALICE),
        ClosePort(bob.port),
        LegIdle(BOB),
        DropLeg(BOB),
    ]
    assert stage.doing == Doing()
    assert stage.core.end_call(CALL, stage.now) == []
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
        *("64:ff9b::7f00:1", "2002:7f00:1::1", "::ffff:127.0.0.1"),
    ],
)
def test_an_address_that_is_no_other_host_is_refused_without_being_named(host: str) -> None:
    stage = Stage()
    with pytest.raises(CallError) as refused:
        stage.open(ALICE, Access(address=ClientAddress.parse(host, 4000)))
    assert refused.value.kind == "invalid_request"
    assert refused.value.detail.startswith("address: ")
    assert not set(refused.value.detail) & set("0123456789")
    assert stage.core.has_calls() is False
    assert stage.core.ports_free == len(SETTINGS.ports)


@pytest.mark.parametrize("host", ["10.1.2.3", "192.168.1.2", "8.8.8.8", PUBLIC_V4, "fd00::1"])
def test_an_address_of_another_host_is_taken(host: str) -> None:
    Stage().open(ALICE, Access(address=ClientAddress.parse(host, 4000)))


def test_a_relayed_port_cannot_be_declared() -> None:
    stage = Stage()
    bob = stage.open(BOB)
    for own in (bob.port, bob.endpoint.address):
        with pytest.raises(CallError):
            stage.open(ALICE, Access(address=ClientAddress(own.packed, own.port)))


def test_a_family_that_the_relay_has_not_is_refused() -> None:
    stage = Stage(replace(SETTINGS, addresses=SETTINGS.addresses[:1]))
    with pytest.raises(CallError):
        stage.open(ALICE, Access(address=SOMEBODY_V6))


def test_the_family_of_an_open_port_cannot_be_changed() -> None:
    alice = Stage().open(ALICE)
    with pytest.raises(CallError):
        alice.set_access(Access(address=SOMEBODY_V6))
    assert PUBLIC_V6 not in str(alice.endpoint)


def test_loopback_is_for_a_relay_on_loopback() -> None:
    at = ClientAddress.parse("127.0.0.1", 4000)
    local = [(pair[0], type(pair[1]).parse("127.0.0.1", 0)) for pair in SETTINGS.addresses[:1]]
    Stage(replace(SETTINGS, addresses=tuple(local))).open(ALICE, Access(address=at))


# What is said later.


def test_a_declared_party_is_connected_at_once_and_does_no_ice() -> None:
    stage = Stage()
    bob = stage.open(BOB, Access(address=AT_BOB))
    alice = stage.open(ALICE)
    assert alice.set_access(Access(address=AT_ALICE)) == [
        LegConnected(ALICE, Transport.UDP),
        route(alice, AT_ALICE, bob, AT_BOB),
        route(bob, AT_BOB, alice, AT_ALICE),
    ]
    assert alice.endpoint.ice is None
    assert alice.set_access(Access(address=AT_ALICE)) == []


def test_another_declared_address_takes_the_place_of_the_first() -> None:
    stage = Stage()
    bob = stage.open(BOB, Access(address=AT_BOB))
    alice = stage.open(ALICE, Access(address=AT_ALICE))
    moved = ClientAddress(AT_ALICE.packed, 4444)
    assert alice.set_access(Access(address=moved)) == [
        DropRoute(alice.from_(AT_ALICE), NO_CHANNEL),
        route(alice, moved, bob, AT_BOB),
        route(bob, AT_BOB, alice, moved),
    ]
    assert alice.receive(RTP, AT_ALICE) == [Count(DropReason.UNKNOWN_SOURCE)]


def test_a_declared_party_that_turns_to_ice_is_unknown_until_its_check() -> None:
    stage = Stage()
    bob = stage.open(BOB, Access(address=AT_BOB))
    alice = stage.open(ALICE, Access(address=AT_ALICE))
    assert alice.set_access(Access(ice_ufrag="alice")) == [
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
    alice.set_access(Access(ice_ufrag="alice"))
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
    alice = Stage().open(ALICE)
    told = alice.ice
    assert alice.set_access(Access(ice_ufrag="alice")) == []
    assert alice.ice == told
    alice.set_access(Access(ice_ufrag="alice"))
    assert alice.ice == told
    alice.is_heard_at(AT_ALICE)


def test_an_ice_restart_renews_the_relays_credentials_and_lets_data_flow_meanwhile() -> None:
    alice, bob = Stage().pair()
    alice.is_heard_at(AT_ALICE, (0x25, b""))
    bob.is_heard_at(AT_BOB)
    before, old_check = alice.ice, alice.check()
    assert alice.set_access(Access(ice_ufrag="again")) == []
    assert alice.ice.ufrag != before.ufrag
    assert alice.ice.pwd != before.pwd
    assert len(alice.stage.doing.routes) == 2
    old = alice.receive(old_check, AT_ALICE)
    assert len(old) == 2  # answered, and nothing learned from it
    moved = ClientAddress(AT_ALICE.packed, 4444)
    check = alice.check(username=f"{alice.ice.ufrag}:again")
    alice.receive(check, moved)
    assert set(alice.stage.doing.routes) == {alice.from_(moved), bob.from_(AT_BOB)}
    assert alice.stage.doing.routes[bob.from_(AT_BOB)].target.client == moved
    refused = alice.receive(alice.check(username=f"{before.ufrag}:alice", pwd=before.pwd), AT_ALICE)
    assert is_refused(alice, refused)


def is_refused(leg: Leg, effects: list[Effect]) -> bool:
    """Whether these effects are an error and nothing else."""
    return len(effects) == 2 and AT_ALICE not in {s.client for s in leg.stage.doing.routes}
