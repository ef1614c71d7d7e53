"""What crosses between two relayed ports that no route carries: nothing that a route would not."""

import pytest

from relay.calls.changes import Change, PartyChange
from relay.effects import (
    NO_CHANNEL,
    CallAccepted,
    CallChanged,
    CallEnded,
    ClosePort,
    Count,
    Deliver,
    DropLeg,
    DropRoute,
    EndReason,
    LegIdle,
)
from relay.errors import CallError, DropReason
from relay.ice.access import Access
from relay.stun.attributes import Attribute
from tests.ice.stage import (
    ALICE,
    AT_ALICE,
    AT_BOB,
    BOB,
    CALL,
    ELSEWHERE,
    RTP,
    Leg,
    Stage,
    answer,
    ice,
    route,
)

PAYLOADS = [RTP, b"\x80\xc8" + bytes(26), b"\x16\xfe\xfd" + bytes(10), b"\x40\x01\0\0", b"\xff"]
"""RTP, RTCP on the same port, DTLS, ChannelData, anything."""


def declared(*, rings: bool = False, expires: float = 1e9) -> tuple[Leg, Leg]:
    """Both legs of a call whose parties are declared."""
    alice, bob = Access(address=AT_ALICE), Access(address=AT_BOB)
    return Stage().call(alice, bob, rings=rings, expires=expires)


def test_two_declared_parties_have_routes_both_ways() -> None:
    alice, bob = declared()
    assert list(alice.stage.doing.routes.values()) == [
        route(bob, AT_BOB, alice, AT_ALICE),
        route(alice, AT_ALICE, bob, AT_BOB),
    ]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_comes_from_the_party_goes_to_the_other_and_is_charged_to_its_leg(
    payload: bytes,
) -> None:
    alice, bob = declared()
    assert alice.receive(payload, AT_ALICE) == [
        Deliver(ALICE, bob.from_(AT_BOB), payload, len(payload))
    ]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_first_packet_wins_nothing(payload: bytes) -> None:
    alice, bob = Stage().pair()
    for leg in (alice, bob):
        for source in (AT_ALICE, AT_BOB, ELSEWHERE):
            assert leg.receive(payload, source) == [Count(DropReason.UNKNOWN_SOURCE)]
    assert alice.stage.doing.routes == {}


def test_a_declared_party_is_heard_from_its_address_only() -> None:
    alice, _ = declared()
    other_port = type(AT_ALICE)(AT_ALICE.packed, AT_ALICE.port + 1)
    for source in (AT_BOB, ELSEWHERE, other_port):
        assert alice.receive(RTP, source) == [Count(DropReason.UNKNOWN_SOURCE)]


def test_nothing_crosses_while_the_call_rings() -> None:
    alice, bob = declared(rings=True)
    assert alice.stage.doing.routes == {}
    assert alice.receive(RTP, AT_ALICE) == [Count(DropReason.RINGING, ALICE)]
    assert alice.stage.accept() == [
        route(alice, AT_ALICE, bob, AT_BOB),
        route(bob, AT_BOB, alice, AT_ALICE),
        CallAccepted(CALL),
    ]


def test_checks_are_answered_while_the_call_rings_and_make_no_route() -> None:
    alice, bob = Stage().pair(rings=True)
    alice.is_heard_at(AT_ALICE)
    bob.is_heard_at(AT_BOB)
    assert alice.stage.doing.routes == {}
    assert alice.receive(RTP, AT_ALICE) == [Count(DropReason.RINGING, ALICE)]
    alice.stage.accept()
    assert len(alice.stage.doing.routes) == 2


def test_nothing_crosses_once_the_calls_time_is_up() -> None:
    alice, bob = declared(expires=5010.0)
    assert {r.expires_ns for r in alice.stage.doing.routes.values()} == {5_010_000_000_000}
    alice.stage.advance(10)
    assert alice.receive(RTP, AT_ALICE) == [  # the call does not wait for a tick
        DropRoute(alice.from_(AT_ALICE), NO_CHANNEL),
        DropRoute(bob.from_(AT_BOB), NO_CHANNEL),
        ClosePort(alice.port),
        LegIdle(ALICE),
        ClosePort(bob.port),
        LegIdle(BOB),
        CallEnded(CALL, EndReason.EXPIRED, 10.0, (ALICE, BOB)),
        DropLeg(ALICE),
        DropLeg(BOB),
        Count(DropReason.NO_ALLOCATION),
    ]


def test_a_packet_to_a_party_that_is_not_known_yet_is_counted_to_its_sender() -> None:
    alice, bob = Stage().call(Access(address=AT_ALICE))
    assert alice.receive(RTP, AT_ALICE) == [Count(DropReason.UNKNOWN_TARGET, ALICE)]
    bob.set_access(Access(ice=ice("bob")))
    assert alice.receive(RTP, AT_ALICE) == [Count(DropReason.UNKNOWN_TARGET, ALICE)]


def test_an_empty_datagram_is_dropped() -> None:
    alice, _ = declared()
    assert alice.receive(b"", AT_ALICE) == [Count(DropReason.TOO_SHORT)]


def test_a_call_that_is_not_there_opens_nothing() -> None:
    with pytest.raises(CallError) as fault:
        Stage().accept()
    assert fault.value.kind == "unknown_call"


def test_a_call_that_is_extended_goes_on_in_its_routes() -> None:
    alice, bob = declared(expires=5010.0)
    stage = alice.stage
    assert stage.change(Change(max_duration_s=500)) == [
        route(alice, AT_ALICE, bob, AT_BOB, 5500.0),
        route(bob, AT_BOB, alice, AT_ALICE, 5500.0),
        CallChanged(CALL),
    ]
    stage.advance(10)
    assert alice.receive(RTP, AT_ALICE) == [Deliver(ALICE, bob.from_(AT_BOB), RTP, len(RTP))]
    assert stage.change(Change(max_duration_s=500)) == []


def test_a_leg_that_is_masked_in_a_running_call_is_told_its_address_no_longer() -> None:
    alice, _ = Stage().pair(masked=False)
    mapped = Attribute.XOR_MAPPED_ADDRESS
    alice.is_heard_at(AT_ALICE)
    told = answer(alice.receive(alice.check(), AT_ALICE))
    assert told.address(mapped)[0] == AT_ALICE.packed
    asks = Change((PartyChange("alice", enhanced_call_privacy=True),))
    assert alice.stage.change(asks) == [CallChanged(CALL)]
    relayed = alice.endpoint.address
    told = answer(alice.receive(alice.check(), AT_ALICE))
    assert told.address(mapped) == (relayed.packed, relayed.port)
