"""Routes between a TURN client's channel and an end that knows no TURN, on loopback."""

import pytest

from relay.address import Transport
from relay.effects import NO_CHANNEL, ClosePort, DropRoute, SetLeg
from relay.errors import DropReason
from tests.forward.clients import STUN, UdpClient, as_sent_over
from tests.forward.loopback import ALICE, AMPLE, BATCHES, BOB, V4, V6, Stage
from tests.kit.loops import on_uvloop

PAYLOADS = (b"\x80", b"\x16\xfe\xfd of DTLS", b"@ as ChannelData does", b"\xff" * 1200)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("host", [V4, V6])
@pytest.mark.parametrize("transport", Transport)
@on_uvloop
async def test_each_end_gets_data_as_it_takes_it(
    stage: Stage, transport: Transport, host: str
) -> None:
    alice = await stage.client_over(transport, V4)
    bob = stage.client(stage.port(host))
    stage.join(alice, 0x4001, bob, NO_CHANNEL)
    for payload in PAYLOADS:
        alice.say(as_sent_over(transport, 0x4001, payload))
        assert await bob.hear() == payload
        bob.say(payload)
        assert await alice.hear() == as_sent_over(transport, 0x4001, payload)
    total = sum(map(len, PAYLOADS))
    assert stage.counts(ALICE, BOB) == [(4, total, 0)] * 2
    assert (stage.tally.packets, stage.tally.bytes, stage.drops) == (8, 2 * total, {})


@on_uvloop
async def test_what_begins_as_stun_goes_to_the_core_from_outside_only(stage: Stage) -> None:
    alice, bob = _meeting(stage)
    await _settle(stage, bob)
    assert stage.core.datagrams == [STUN]
    alice.say(as_sent_over(Transport.UDP, 0x4001, STUN))
    assert await bob.hear() == STUN


@on_uvloop
async def test_padding_stays_behind(stage: Stage) -> None:
    alice, bob = _meeting(stage)
    alice.say(as_sent_over(Transport.UDP, 0x4001, b"\x80 five") + b"pad")
    assert await bob.hear() == b"\x80 five"


@on_uvloop
async def test_caps_and_expiry_hold_in_both_directions(stage: Stage) -> None:
    alice, bob = _meeting(stage)
    stage.apply(SetLeg(ALICE, 1, AMPLE), SetLeg(BOB, 1, AMPLE))
    alice.say(as_sent_over(Transport.UDP, 0x4001, b"\x80 over"))
    bob.say(b"\x80 over")
    await stage.settle(alice)
    await _settle(stage, bob)
    assert stage.drops == {DropReason.OVER_BITRATE: 2}
    stage.route(bob, NO_CHANNEL, alice, 0x4001, BOB, expires_ns=1)
    bob.say(b"\x80 late")
    await _settle(stage, bob)
    assert stage.core.datagrams == [STUN, b"\x80 late", STUN]


@on_uvloop
async def test_a_port_that_is_closed_takes_its_routes_along(stage: Stage) -> None:
    alice, bob = _meeting(stage)
    stage.apply(
        DropRoute(alice.five_tuple, 0x4001),
        DropRoute(bob.five_tuple, NO_CHANNEL),
        ClosePort(bob.five_tuple.server),
    )
    assert stage.forwarder.routes == 0
    alice.say(as_sent_over(Transport.UDP, 0x4001, b"gone"))
    await stage.settle(alice)
    assert stage.core.datagrams == [as_sent_over(Transport.UDP, 0x4001, b"gone")]


def _meeting(stage: Stage) -> tuple[UdpClient, UdpClient]:
    """A TURN client, and one without behind a port, with routes to each other."""
    alice, bob = stage.client(stage.udp()), stage.client(stage.port())
    stage.join(alice, 0x4001, bob, NO_CHANNEL)
    return alice, bob


async def _settle(stage: Stage, outside: UdpClient) -> None:
    """Wait until the port has seen all that was sent to it so far: STUN is never forwarded."""
    count = stage.core.datagrams.count(STUN)
    outside.say(STUN)
    await stage.core.until(lambda: stage.core.datagrams.count(STUN) > count)
