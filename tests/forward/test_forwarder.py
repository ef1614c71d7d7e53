"""The core's effects, applied in order to listeners of every transport."""

from collections.abc import Callable
from typing import get_args

import pytest

from relay.address import ClientAddress, FiveTuple, Transport
from relay.effects import (
    NO_CHANNEL,
    Answered,
    ClosePort,
    Count,
    Deliver,
    DropLeg,
    DropRoute,
    Effect,
    Event,
    Fault,
    LegKey,
    Refused,
    Send,
    SetLeg,
    SetRoute,
)
from relay.errors import DropReason
from tests.forward.clients import STUN, as_sent_over, channel_data
from tests.forward.loopback import ALICE, AMPLE, BOB, FOREVER_NS, V4, V6, Stage
from tests.kit.loops import on_uvloop

UDP, TCP, TLS = Transport
NOBODY = LegKey("call", "nobody")


@pytest.mark.parametrize("hosts", [(V4, V4), (V4, V6), (V6, V4)])
@pytest.mark.parametrize("two", Transport)
@pytest.mark.parametrize("one", Transport)
@on_uvloop
async def test_routes_lead_from_any_transport_to_any(
    stage: Stage, one: Transport, two: Transport, hosts: tuple[str, str]
) -> None:
    alice = await stage.client_over(one, hosts[0])
    bob = await stage.client_over(two, hosts[1])
    stage.core.received.clear()
    stage.route(alice, 0x4001, bob, 0x4002)
    stage.route(bob, 0x4003, alice, 0x4004, BOB)
    assert stage.forwarder.routes == 2
    for payload in (b"", b"5byte", bytes(1200)):
        alice.say(as_sent_over(one, 0x4001, payload))
        assert await bob.hear() == as_sent_over(two, 0x4002, payload)
        bob.say(as_sent_over(two, 0x4003, payload))
        assert await alice.hear() == as_sent_over(one, 0x4004, payload)
    assert stage.counts(ALICE, BOB) == [(3, 1205, 0)] * 2
    assert (stage.tally.packets, stage.tally.bytes, stage.drops) == (6, 2410, {})
    assert stage.core.received == []
    stage.apply(DropRoute(alice.five_tuple, 0x4001))
    alice.say(as_sent_over(one, 0x4001, b"gone"))
    await stage.core.until(lambda: bool(stage.core.received))
    assert stage.core.received == [(channel_data(0x4001, b"gone"), alice.five_tuple)]
    assert stage.forwarder.routes == 1


@pytest.mark.parametrize("transport", Transport)
@on_uvloop
async def test_effects_are_applied_in_the_order_given(stage: Stage, transport: Transport) -> None:
    client = await stage.client_over(transport, V4)
    word = as_sent_over(transport, 0x4001, b"word")
    stage.apply(
        Send(client.five_tuple, STUN),
        Deliver(ALICE, client.five_tuple, channel_data(0x4001, b"word"), 4),
        SetLeg(ALICE, 1, AMPLE),
        Deliver(ALICE, client.five_tuple, channel_data(0x4001, b"over"), 4),
        SetLeg(ALICE, AMPLE, AMPLE),
        Deliver(ALICE, client.five_tuple, channel_data(0x4001, b"word"), 4),
        DropLeg(ALICE),
        Deliver(ALICE, client.five_tuple, channel_data(0x4001, b"gone"), 4),
        Send(client.five_tuple, STUN),
    )
    assert [await client.hear() for _ in range(4)] == [STUN, word, word, STUN]
    assert stage.drops == {DropReason.OVER_BITRATE: 1, DropReason.SEND_FAILED: 1}
    assert (stage.tally.packets, stage.tally.bytes) == (2, 8)


@pytest.mark.parametrize("transport", [TCP, TLS])
@on_uvloop
async def test_what_names_a_client_that_is_gone_does_nothing(
    stage: Stage, transport: Transport
) -> None:
    alice = stage.client(stage.udp())
    listener = stage.stream(transport)
    gone = FiveTuple(transport, ClientAddress.parse(V4, 9), listener.address)
    stage.apply(
        Send(gone, STUN),
        SetRoute(alice.five_tuple, 0x4001, gone, 0x4002, ALICE, FOREVER_NS),
        SetRoute(gone, 0x4001, alice.five_tuple, 0x4002, ALICE, FOREVER_NS),
        DropRoute(gone, 0x4001),
    )
    assert (stage.forwarder.routes, stage.drops) == (0, {})
    stage.apply(Deliver(ALICE, gone, channel_data(0x4001, b"data"), 4))
    assert stage.drops == {DropReason.SEND_FAILED: 1}
    assert (stage.counts(ALICE), stage.tally.packets) == ([(0, 0, 0)], 0)


@on_uvloop
async def test_what_names_a_port_that_is_closed_does_nothing(stage: Stage) -> None:
    alice, bob = stage.client(stage.udp()), stage.client(stage.port())
    gone = bob.five_tuple
    stage.route(bob, NO_CHANNEL, alice, 0x4001)
    stage.apply(
        ClosePort(gone.server),
        Send(gone, STUN),
        SetRoute(alice.five_tuple, 0x4001, gone, NO_CHANNEL, ALICE, FOREVER_NS),
        SetRoute(gone, NO_CHANNEL, alice.five_tuple, 0x4001, ALICE, FOREVER_NS),
        DropRoute(gone, NO_CHANNEL),
    )
    assert (stage.forwarder.routes, stage.drops) == (0, {})
    stage.apply(Deliver(ALICE, gone, b"data", 4))
    assert stage.drops == {DropReason.SEND_FAILED: 1}


@on_uvloop
async def test_a_stream_client_is_told_apart_by_its_listener(stage: Stage) -> None:
    tcp, tls = stage.stream(TCP), stage.stream(TLS)
    client = await stage.connect(tcp)
    client.say(STUN)
    await stage.core.until(lambda: len(stage.core.received) == 1)
    for server in (tls, stage.stream(TCP)):
        other = FiveTuple(server.transports[0], client.five_tuple.client, server.address)
        stage.apply(Send(other, b"not for this one"))
    stage.apply(Send(client.five_tuple, STUN))
    assert await client.hear() == STUN


@on_uvloop
async def test_a_route_of_a_leg_that_is_gone_is_not_set(stage: Stage) -> None:
    alice, bob = stage.pair()
    stage.route(alice, 0x4001, bob, 0x4002, NOBODY)
    assert stage.forwarder.routes == 0


@on_uvloop
async def test_a_route_set_again_replaces_the_first(stage: Stage) -> None:
    listener = stage.udp()
    alice, bob, carol = (stage.client(listener) for _ in range(3))
    stage.route(alice, 0x4001, bob, 0x4002)
    stage.route(alice, 0x4001, carol, 0x4003, BOB)
    alice.say(channel_data(0x4001, b"whom?"))
    assert await carol.hear() == channel_data(0x4003, b"whom?")
    assert stage.forwarder.routes == 1
    assert stage.counts(BOB) == [(1, 5, 0)]


@on_uvloop
async def test_a_legs_counters_begin_once_and_end_with_it(stage: Stage) -> None:
    client = stage.client(stage.udp())
    deliver = Deliver(ALICE, client.five_tuple, channel_data(0x4001, b"data"), 4)
    stage.apply(deliver, SetLeg(ALICE, AMPLE, AMPLE), deliver)
    assert stage.counts(ALICE) == [(2, 8, 0)]
    stage.apply(DropLeg(ALICE), DropLeg(ALICE))
    assert stage.counts(ALICE) == []
    stage.apply(SetLeg(ALICE, AMPLE, AMPLE))
    assert stage.counts(ALICE) == [(0, 0, 0)]


@on_uvloop
async def test_a_drop_is_counted_once_and_for_its_leg_where_it_is_known(stage: Stage) -> None:
    stage.apply(Count(DropReason.RINGING, ALICE), Count(DropReason.RINGING))
    stage.apply(Count(DropReason.NO_CHANNEL, NOBODY))
    assert stage.drops == {DropReason.RINGING: 2, DropReason.NO_CHANNEL: 1}
    assert stage.counts(ALICE, BOB) == [(0, 0, 1), (0, 0, 0)]
    assert stage.counts(NOBODY) == []


@pytest.mark.parametrize("effect", get_args(Effect), ids=lambda effect: effect.__name__)
def test_effects_are_the_forwarders_or_the_daemons(effect: Callable[..., Effect]) -> None:
    is_reported = effect in (Answered, Fault, Refused, *get_args(Event))
    assert (effect in Stage().forwarder.handlers) is not is_reported
