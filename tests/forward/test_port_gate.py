"""Relayed ports behind a gate: what strangers may ask of the core, and what a party may."""

import asyncio

import pytest

from relay.address import FiveTuple
from relay.effects import NO_CHANNEL
from relay.errors import DropReason
from relay.forward.user.gate import PER_S, USERNAME, Gate
from relay.forward.user.udp import UdpListener
from tests.forward.clients import UdpClient
from tests.forward.loopback import BATCHES, NotingCore, Stage
from tests.kit.loops import on_uvloop

pytestmark = pytest.mark.parametrize("batch", BATCHES)

UFRAG = b"ufrag of the relay:"
CHECK = b"\x00\x01\x00\x50" + bytes(16) + USERNAME + b"\x13" + UFRAG + bytes(48)
FORGED = CHECK.replace(UFRAG, b"some other ufrag!!:")
RTP = b"\x80\x60"
ROUNDS, AT_ONCE = 60, 200
"""A flood, in parts that a port's queue holds."""

PARTY_PER_S = 200


class Core(NotingCore):
    """Knows what it has told its party."""

    def is_proven(self, datagram: bytes, client: FiveTuple) -> bool:
        return UFRAG in datagram


class Ports:
    """Two relayed ports with a gate."""

    def __init__(self, stage: Stage) -> None:
        self.core = Core()
        gate = Gate(self.core, 10, proof=USERNAME, client_per_s=PARTY_PER_S)
        stage.forwarder.receive_ports(self.core, gate)
        self._stage = stage
        self.here, self.there = stage.port(), stage.port()
        self.party = stage.client(self.here)

    async def flood(self, port: UdpListener, datagram: bytes) -> UdpClient:
        """Somebody floods a port, which works it all off."""
        stranger = self._stage.client(port)
        for _ in range(ROUNDS):
            await self.work_off(stranger, [datagram] * AT_ONCE)
        return stranger

    async def work_off(self, client: UdpClient, datagrams: list[bytes]) -> None:
        """Say these, and wait until the port has seen them all."""
        seen = self._seen() + len(datagrams)
        for datagram in datagrams:
            client.say(datagram)
        for _ in iter(self._seen, seen):
            await asyncio.sleep(0)

    def _seen(self) -> int:
        return sum(self._stage.drops.values()) + len(self.core.received)


@pytest.mark.parametrize(
    "datagram", [FORGED, b"\x00", b"\x01\x01", RTP], ids=["check", "byte", "answer", "data"]
)
@on_uvloop
async def test_a_flood_at_a_port_asks_the_core_a_bounded_number_of_times(
    stage: Stage, datagram: bytes
) -> None:
    ports = Ports(stage)
    await ports.flood(ports.here, datagram)
    assert len(ports.core.received) < PER_S
    assert stage.drops == {
        DropReason.UNAUTHENTICATED_RATE: ROUNDS * AT_ONCE - len(ports.core.received)
    }


@on_uvloop
async def test_a_party_is_heard_beside_a_flood_at_its_own_port_and_at_another(stage: Stage) -> None:
    ports = Ports(stage)
    other = stage.client(ports.there)
    stage.route(ports.party, NO_CHANNEL, other, NO_CHANNEL)
    for port in (ports.here, ports.there):
        await ports.flood(port, FORGED)
        while CHECK not in ports.core.datagrams:  # a client goes on checking
            await ports.work_off(ports.party, [CHECK])
        ports.core.received.clear()
        ports.party.say(RTP)
        assert await other.hear() == RTP


@on_uvloop
async def test_a_party_that_goes_on_asking_is_answered_within_its_own_rate(stage: Stage) -> None:
    ports = Ports(stage)
    ports.core.known.add(ports.party.five_tuple)
    ports.party.say(CHECK)
    await ports.core.until(lambda: bool(ports.core.received))
    for _ in range(2000):
        ports.party.say(CHECK)
    other = stage.client(ports.there)
    other.say(CHECK)
    await ports.core.until(lambda: ports.core.received[-1][1] == other.five_tuple)
    assert len(ports.core.received) < 2000
    assert stage.drops.keys() == {DropReason.REQUEST_RATE}
