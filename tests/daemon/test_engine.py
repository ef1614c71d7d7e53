"""The engine with real listeners and clients, and clocks that only the test moves."""

import asyncio
import logging
from typing import get_args

import pytest

from relay.address import FiveTuple
from relay.calls.call import RING_TIMEOUT_S, CallState
from relay.clock import Now
from relay.effects import Count, DropLeg, DropRoute, Effect, LegKey
from relay.errors import DropReason
from relay.stun.message import Method
from tests.daemon.stage import Stage, do
from tests.daemon.talking import CHANNEL, has_heard_nothing, hears
from tests.kit import wire
from tests.kit.loops import on_uvloop
from tests.kit.polling import wait_until


@on_uvloop
async def test_a_call_ends_when_its_time_is_up(stage: Stage) -> None:
    alice, bob = await stage.joined(stage.create(max_duration_s=60))
    carol, dave = await stage.joined(stage.create(max_duration_s=61))
    stage.pass_time(59)
    assert await do(hears, alice, bob, b"still")
    stage.clocks.advance(1)  # its time is up, and nobody has looked yet
    alice.send(bob.relayed, b"late")
    assert await do(has_heard_nothing, alice, bob)
    alice.send_on(CHANNEL, b"late")
    assert await do(has_heard_nothing, alice, bob)
    assert stage.drops(DropReason.NO_ALLOCATION) == 2
    assert (stage.allocations, stage.engine.forwarder.routes) == (2, 2)
    assert (await do(alice.allocate)).code == 403
    assert await do(hears, carol, dave, b"other calls go on")


@on_uvloop
async def test_a_call_that_nobody_accepts_ends(stage: Stage) -> None:
    call = stage.create(ring=True)
    alice, _ = await stage.joined(call)
    stage.pass_time(RING_TIMEOUT_S - 1)
    assert stage.allocations == 2
    stage.pass_time(1)
    assert stage.allocations == 0
    assert (await do(alice.allocate)).code == 403


@on_uvloop
async def test_an_accepted_call_lasts_longer_than_it_may_ring(stage: Stage) -> None:
    call = stage.create(ring=True)
    alice, bob = await stage.joined(call)
    stage.pass_time(RING_TIMEOUT_S - 1)
    alice.send_on(CHANNEL, b"too early")
    assert await do(has_heard_nothing, alice, bob)
    assert stage.drops(DropReason.RINGING) == 1
    stage.engine.accept(call.id, None)
    stage.pass_time(2)
    assert await do(hears, alice, bob, b"accepted at the last moment")


@on_uvloop
async def test_an_allocation_that_is_not_refreshed_ends_and_its_counters_stay(stage: Stage) -> None:
    call = stage.create()
    alice, bob = await stage.joined(call)
    assert await do(hears, alice, bob, b"12345")
    stage.pass_time(300)
    assert (await do(bob.request, Method.REFRESH)).code == 0
    stage.pass_time(301)
    first, second = (stage.engine.legs(call)[leg.id] for leg in call.legs)
    assert (first.connected, first.transport, first.packets, first.bytes) == (False, None, 1, 5)
    assert second.connected
    assert stage.engine.forwarder.routes == 0
    # The party comes back in the same call, and its counters go on.
    again = stage.client(call.id, call.legs[0].id, stage.udp)
    assert (await do(again.allocate)).code == 0
    assert await do(again.bind, CHANNEL, bob.relayed) == 0
    assert await do(bob.bind, CHANNEL + 1, again.relayed) == 0
    again.send_on(CHANNEL, b"678")
    assert await do(bob.receive) == wire.channel_data(CHANNEL + 1, b"678")
    view = stage.engine.legs(call)[call.legs[0].id]
    assert (view.connected, view.packets, view.bytes) == (True, 2, 8)


@on_uvloop
async def test_a_lost_connection_ends_the_allocation_of_that_client(stage: Stage) -> None:
    call = stage.create()
    alice, bob = await stage.joined(call, over_tcp=True)
    assert await do(hears, alice, bob, b"over TCP")
    assert {view.transport for view in stage.engine.legs(call).values()} == {"tcp"}
    alice.sock.close()
    while stage.allocations == 2:
        assert await do(bob.permit, bob.relayed) == 403  # one turn of the loop, and more
    assert (stage.allocations, stage.engine.forwarder.routes) == (1, 0)
    assert await do(bob.bind, CHANNEL, alice.relayed) == 403


@on_uvloop
async def test_a_call_that_only_credentials_name_is_forgotten_with_its_last_client(
    stage: Stage,
) -> None:
    for _ in range(2):  # it may begin anew
        client = stage.client("a-call", "leg", stage.udp)
        assert (await do(client.allocate)).code == 0
        call = stage.engine.call("a-call")
        assert call.is_active
        assert stage.engine.forwarder.meter(LegKey("a-call", "leg"))
        assert (await do(client.request, Method.REFRESH, wire.lifetime(0))).code == 0
        assert (call.state, sum(stage.engine.counts().values())) == (CallState.ENDED, 0)
        assert stage.engine.forwarder.meter(LegKey("a-call", "leg")) is None
        assert stage.engine.legs(call) == {}


@on_uvloop
async def test_a_drained_engine_is_one_where_nobody_talks_or_is_called(stage: Stage) -> None:
    engine = stage.engine
    client = stage.client("a-call", "leg", stage.udp)
    assert (await do(client.allocate)).code == 0
    ringing = stage.create(ring=True)
    assert not engine.drained.is_set()
    engine.drain()
    assert engine.status().draining
    assert not engine.drained.is_set()
    assert (await do(client.request, Method.REFRESH, wire.lifetime(0))).code == 0
    assert not engine.drained.is_set()
    assert (await do(client.allocate)).code == 508
    engine.end(ringing.id)
    assert engine.drained.is_set()


@on_uvloop
async def test_a_fault_of_ours_costs_one_datagram(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    alice, bob = await stage.joined(stage.create())
    real = stage.engine.server.receive

    def broken(datagram: bytes, client: FiveTuple, now: Now) -> list[Effect]:
        if b"poison" in datagram:
            raise RuntimeError("a fault")
        return real(datagram, client, now)

    monkeypatch.setattr(stage.engine.server, "receive", broken)
    with caplog.at_level(logging.CRITICAL):
        alice.send(bob.relayed, b"poison")
        assert await do(has_heard_nothing, alice, bob)
    assert stage.drops(DropReason.INTERNAL) == 1
    assert await do(hears, alice, bob, b"on we go")


@on_uvloop
async def test_a_fault_with_one_effect_leaves_the_others_applied(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = stage.create()
    await stage.joined(call)
    forwarder = stage.engine.forwarder
    legs = [leg.key for leg in call.legs]

    def drop_leg(leg: DropLeg) -> None:
        raise OSError(f"of {leg.leg}")

    monkeypatch.setattr(forwarder.kernel, "drop_leg", drop_leg)
    stage.engine.end(call.id)
    assert [forwarder.meter(leg) for leg in legs] == [None, None]
    assert [record.message for record in caplog.records] == ["effect_failed"] * 2
    assert stage.drops(DropReason.INTERNAL) == 2


@on_uvloop
async def test_the_user_path_forwards_no_longer_though_the_kernel_fails_to_forget(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    call = stage.create()
    await stage.joined(call)
    forwarder = stage.engine.forwarder
    assert forwarder.routes == 2

    def drop_route(_: DropRoute) -> None:
        raise OSError("no such map")

    monkeypatch.setattr(forwarder.kernel, "drop_route", drop_route)
    stage.engine.end(call.id)
    assert forwarder.routes == 0


@on_uvloop
async def test_a_fault_with_what_is_due_is_logged(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.create(max_duration_s=100)

    def ended(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("relay.server.ended", ended)
    stage.pass_time(101)
    assert [record.message for record in caplog.records] == ["timeout_failed"]
    assert caplog.records[0].exc_info is not None


@on_uvloop
async def test_a_fault_while_looking_at_what_is_due_does_not_stop_the_clock(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, faults = asyncio.get_running_loop(), list[BaseException | None]()
    loop.set_exception_handler(lambda _, context: faults.append(context.get("exception")))
    call = stage.create(max_duration_s=100)
    stage.clocks.advance(100)
    look = stage.engine.server.handle_timeout

    def fail_once(now: Now) -> list[Effect]:
        monkeypatch.setattr(stage.engine.server, "handle_timeout", look)
        raise ZeroDivisionError

    monkeypatch.setattr(stage.engine.server, "handle_timeout", fail_once)
    stage.engine.start(loop)

    def has_ended() -> bool:
        return stage.engine.call(call.id).state is CallState.ENDED

    await do(wait_until, has_ended, "the end of the call", 10.0)
    assert [type(fault) for fault in faults] == [ZeroDivisionError]


def test_every_effect_has_its_handler() -> None:
    stage = Stage()
    assert set(stage.engine._handlers) == set(get_args(Effect))
    stage.engine.apply([Count(DropReason.TOO_SHORT)])
    assert stage.drops(DropReason.TOO_SHORT) == 1
