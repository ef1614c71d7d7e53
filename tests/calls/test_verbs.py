"""What each verb of the server answers with: the whole list, in the order it has to be done in.

Nothing re-enters: what follows from a verb is in its list, and nothing is left to be done.
"""

import pytest

from relay.address import FiveTuple
from relay.calls.call import RING_TIMEOUT_S, Call
from relay.calls.changes import Change, PartyChange
from relay.calls.leaving import AnsweredBy
from relay.calls.rules import Rules
from relay.effects import (
    NO_CHANNEL,
    CallAccepted,
    CallChanged,
    CallCreated,
    ClosePort,
    DropLeg,
    DropRoute,
    Effect,
    EndReason,
    LegConnected,
    LegEnded,
    LegIdle,
    LegKey,
    OpenPort,
    SetLeg,
    SetRoute,
)
from relay.ice.access import Access
from tests.calls.stage import ALICE, BOB, CAROL, Client, Stage, end_of
from tests.ice import stage as ports
from tests.ice.stage import AT_ALICE, AT_BOB

CHANNEL = 0x4001
CHANNEL_S, DURATION_S = 600.0, 1_000


class Talk:
    """A call whose first two parties have bound channels to each other, and what they hold."""

    def __init__(self, *more: str, ring: bool = False, peers: str = "call") -> None:
        rules = Rules(bitrate_bps=1000, packets_per_s=10, call_duration_s=5 * DURATION_S)
        self.stage = Stage(rules, peers=peers)
        parties = (BOB, CAROL) if peers == "relay" else (ALICE, BOB, *([CAROL] if more else []))
        self.call = self.stage.create(*parties, ring=ring, max_duration_s=DURATION_S)
        self.keys = [leg.key for leg in self.call.legs]
        self.clients = [self.stage.client(*key) for key in self.keys]
        for client in self.clients:
            assert client.allocate() == 0
        self.one, self.two = self.clients[:2]
        meet(self.one, self.two)
        self.until = self.stage.mono + CHANNEL_S

    def routes(self) -> list[Effect]:
        """The routes between the two."""
        return [
            set_route(self.one, self.keys[0], self.two, self.until),
            set_route(self.two, self.keys[1], self.one, self.until),
        ]

    def renewed(self) -> list[Effect]:
        """The routes again, with their new expiry: each side sets those from and to it."""
        there, back = self.routes()
        return [there, back, back, there]

    def drops(self) -> list[Effect]:
        """The end of those."""
        return [DropRoute(client.five_tuple, CHANNEL) for client in (self.one, self.two)]

    def ended(self, reason: EndReason, lasted_s: float) -> list[Effect]:
        """The end of the call, but for that of its routes."""
        return [
            *(LegIdle(key) for key in self.keys),
            end_of(self.call.id, reason, lasted_s, *self.keys),
            *(DropLeg(key) for key in self.keys),
        ]


def meet(one: Client, two: Client, channel: int = CHANNEL) -> None:
    """Bind channels both ways."""
    one.bind(channel, two.relayed)
    two.bind(channel, one.relayed)


def set_route(
    source: Client, key: LegKey, target: Client, until: float, channel: int = CHANNEL
) -> SetRoute:
    ends = source.five_tuple, channel, target.five_tuple, channel
    return SetRoute(*ends, key, int(until * 1e9))


def assert_done(stage: Stage | ports.Stage) -> None:
    """Nothing is left to be done now."""
    assert stage.server.handle_timeout(stage.now) == []
    due = stage.server.next_timeout()
    assert due is None or due > stage.now.mono


# Where parties have TURN


@pytest.mark.parametrize("ring", [True, False])
def test_create(ring: bool) -> None:
    stage = Stage()
    name = stage.create(ring=ring).id  # which compares the last of its effects
    assert stage.events.calls == {name: ring}
    assert stage.events.legs == set()
    assert_done(stage)


def test_a_call_that_a_credential_begins() -> None:
    stage = Stage(Rules(bitrate_bps=1000, packets_per_s=10))
    client, key = stage.client("room", "one"), LegKey("room", "one")
    assert client.allocate() == 0
    assert client.done[:-2] == [
        CallCreated("room", is_ringing=False),
        SetLeg(key, 1000, 10),
        LegConnected(key, client.five_tuple.transport),
    ]
    assert_done(stage)


def test_accept() -> None:
    talk = Talk(ring=True)
    assert talk.stage.accept(talk.call.id) == [*talk.routes(), CallAccepted(talk.call.id)]
    assert_done(talk.stage)


def test_accept_that_leaves_a_party_out() -> None:
    talk = Talk("carol", ring=True)
    *_, carol = talk.keys
    assert talk.stage.accept(talk.call.id, AnsweredBy(party="bob")) == [
        LegIdle(carol),
        LegEnded(carol),
        DropLeg(carol),
        *talk.routes(),
        CallAccepted(talk.call.id),
    ]
    assert_done(talk.stage)


def test_change_that_extends() -> None:
    talk = Talk()
    extended = talk.stage.change(talk.call.id, max_duration_s=2 * DURATION_S)
    assert extended == [*talk.renewed(), CallChanged(talk.call.id)]
    assert talk.stage.change(talk.call.id, max_duration_s=2 * DURATION_S) == []
    assert_done(talk.stage)


def test_change_of_a_call_that_rings() -> None:
    talk = Talk(ring=True)
    added = talk.stage.change(talk.call.id, PartyChange("carol"))
    assert added == [CallChanged(talk.call.id)]
    assert_done(talk.stage)


def test_change_that_closes_a_call() -> None:
    """Others that its parties talk to are left first, then those inside may go on."""
    talk = Talk(peers="relay")
    eve, key = talk.stage.client("user", "eve"), LegKey("user:eve", "1")
    assert eve.allocate() == 0
    meet(talk.one, eve, CHANNEL + 1)
    assert talk.stage.change(talk.call.id, PartyChange("bob", True)) == [
        DropRoute(talk.one.five_tuple, CHANNEL + 1),
        DropRoute(eve.five_tuple, CHANNEL + 1),
        *talk.renewed(),
        CallChanged(talk.call.id),
    ]
    assert key in talk.stage.events.legs
    assert_done(talk.stage)


def test_end() -> None:
    talk = Talk()
    talk.stage.mono += 7
    assert talk.stage.end(talk.call.id) == [*talk.drops(), *talk.ended(EndReason.ENDED, 7.0)]
    assert talk.stage.end(talk.call.id) == []
    assert_nothing_is_left(talk.stage, talk.call)


def test_end_of_a_call_that_rings() -> None:
    talk = Talk(ring=True)
    assert talk.stage.end(talk.call.id) == talk.ended(EndReason.ENDED, 0.0)
    assert_nothing_is_left(talk.stage, talk.call)


def test_end_party_of_a_call_that_goes_on() -> None:
    talk = Talk("carol")
    _, bob, _ = talk.keys
    left = talk.stage.end_party(talk.call.id, "bob")
    assert left == [*reversed(talk.drops()), LegIdle(bob), LegEnded(bob), DropLeg(bob)]
    assert talk.stage.end_party(talk.call.id, "bob") == []
    assert_done(talk.stage)


@pytest.mark.parametrize("party", ["alice", "bob"])
def test_end_party_of_two(party: str) -> None:
    talk = Talk()
    ended = talk.stage.end_party(talk.call.id, party)
    assert ended == [*talk.drops(), *talk.ended(EndReason.ENDED, 0.0)]
    assert_nothing_is_left(talk.stage, talk.call)


def test_expiry() -> None:
    talk = Talk()
    assert talk.stage.advance(CHANNEL_S) == talk.drops()
    left_s = DURATION_S - CHANNEL_S
    assert talk.stage.advance(left_s) == talk.ended(EndReason.EXPIRED, DURATION_S)
    assert_nothing_is_left(talk.stage, talk.call)


def test_expiry_of_a_call_that_rings() -> None:
    talk = Talk(ring=True)
    ended = talk.stage.advance(RING_TIMEOUT_S)
    assert ended == talk.ended(EndReason.NOT_ACCEPTED, RING_TIMEOUT_S)
    assert_nothing_is_left(talk.stage, talk.call)


def test_what_is_due_comes_before_what_a_datagram_leads_to() -> None:
    talk = Talk()
    talk.stage.mono += DURATION_S
    late = talk.stage.client(*talk.keys[0])
    assert late.allocate() == 403
    assert talk.stage.events.calls == {}
    assert_nothing_is_left(talk.stage, talk.call)


def test_the_end_of_a_connection() -> None:
    talk = Talk()
    gone = talk.stage.follow(talk.stage.server.disconnect(talk.one.five_tuple, talk.stage.now))
    assert gone == [*talk.drops(), LegIdle(talk.keys[0])]
    assert_done(talk.stage)


def assert_nothing_is_left(stage: Stage, call: Call) -> None:
    assert (stage.events.calls, stage.events.legs) == ({}, set())
    assert not stage.server.has_media()
    assert stage.server.next_timeout() is None
    assert stage.call(call.id).legs == []
    assert_done(stage)


# Ports mode


def declared(*, rings: bool = False) -> tuple[ports.Leg, ports.Leg]:
    """Both legs of a call, at declared addresses."""
    access = Access(address=AT_ALICE), Access(address=AT_BOB)
    expires = 5000.0 + DURATION_S
    return ports.Stage().call(*access, rings=rings, expires=expires)


def port_routes(alice: ports.Leg, bob: ports.Leg) -> list[Effect]:
    return [
        ports.route(alice, AT_ALICE, bob, AT_BOB),
        ports.route(bob, AT_BOB, alice, AT_ALICE),
    ]


def ports_ended(
    alice: ports.Leg, bob: ports.Leg, reason: EndReason, lasted_s: float
) -> list[Effect]:
    """The end of a call in ports mode, but for that of its routes."""
    return [
        ClosePort(alice.port),
        LegIdle(ports.ALICE),
        ClosePort(bob.port),
        LegIdle(ports.BOB),
        end_of(ports.CALL, reason, lasted_s, ports.ALICE, ports.BOB),
        DropLeg(ports.ALICE),
        DropLeg(ports.BOB),
    ]


def port_drops(alice: ports.Leg, bob: ports.Leg) -> list[Effect]:
    ends: list[FiveTuple] = [alice.from_(AT_ALICE), bob.from_(AT_BOB)]
    return [DropRoute(end, NO_CHANNEL) for end in ends]


@pytest.mark.parametrize("rings", [True, False])
def test_create_with_ports(rings: bool) -> None:
    alice, bob = declared(rings=rings)
    stage = alice.stage
    assert stage.done == [
        SetLeg(ports.ALICE, 1000, 10),
        OpenPort(alice.port),
        LegConnected(ports.ALICE, alice.from_(AT_ALICE).transport),
        SetLeg(ports.BOB, 1000, 10),
        OpenPort(bob.port),
        LegConnected(ports.BOB, bob.from_(AT_BOB).transport),
        *([] if rings else reversed(port_routes(alice, bob))),
        CallCreated(ports.CALL, is_ringing=rings),
    ]
    assert_done(stage)


def test_accept_with_ports() -> None:
    alice, bob = declared(rings=True)
    assert alice.stage.accept() == [*port_routes(alice, bob), CallAccepted(ports.CALL)]
    assert_done(alice.stage)


def test_change_with_ports() -> None:
    alice, bob = declared()
    stage = alice.stage
    change = Change(max_duration_s=2 * DURATION_S)
    assert stage.change(change) == [*port_routes(alice, bob), CallChanged(ports.CALL)]
    assert stage.change(change) == []
    assert_done(stage)


def test_change_with_ports_of_a_call_that_rings() -> None:
    alice, _ = declared(rings=True)
    change = Change(max_duration_s=2 * DURATION_S)
    assert alice.stage.change(change) == [CallChanged(ports.CALL)]
    assert_done(alice.stage)


@pytest.mark.parametrize("verb", ["end", "end_party"])
def test_end_with_ports(verb: str) -> None:
    alice, bob = declared()
    stage = alice.stage
    stage.advance(7)
    server, now = stage.server, stage.now
    if verb == "end":
        effects = server.end(ports.CALL, now)
    else:
        effects = server.end_party(ports.CALL, "bob", now)
    ended = ports_ended(alice, bob, EndReason.ENDED, 7.0)
    assert stage.apply(effects) == [*port_drops(alice, bob), *ended]
    assert_no_ports_are_left(stage)


def test_end_with_ports_of_a_call_that_rings() -> None:
    alice, bob = declared(rings=True)
    assert alice.stage.end() == ports_ended(alice, bob, EndReason.ENDED, 0.0)
    assert_no_ports_are_left(alice.stage)


def test_expiry_with_ports() -> None:
    alice, bob = declared()
    stage = alice.stage
    stage.advance(DURATION_S)
    ended = ports_ended(alice, bob, EndReason.EXPIRED, DURATION_S)
    assert stage.tick() == [*port_drops(alice, bob), *ended]
    assert_no_ports_are_left(stage)


def test_expiry_with_ports_of_a_call_that_rings() -> None:
    alice, bob = declared(rings=True)
    alice.stage.advance(RING_TIMEOUT_S)
    ended = ports_ended(alice, bob, EndReason.NOT_ACCEPTED, RING_TIMEOUT_S)
    assert alice.stage.tick() == ended
    assert_no_ports_are_left(alice.stage)


def assert_no_ports_are_left(stage: ports.Stage) -> None:
    assert (stage.events.calls, stage.doing) == ({}, ports.Doing())
    assert not stage.server.has_media()
    assert stage.server.next_timeout() is None
    assert_done(stage)
