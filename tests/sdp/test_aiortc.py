"""A real stack takes what was rebuilt: aiortc reads every sample, and two peers of it call.

The relay is callveil's own, in this process, with clients on loopback. It hands out relayed
addresses that no interface has, as it may in a closed call.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiortc import (
    RTCConfiguration,
    RTCIceServer,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.sdp import SessionDescription, candidate_from_sdp

from relay.address import ServerAddress
from relay.calls.call import Call
from relay.calls.credentials import mint
from relay.calls.making import Order
from relay.calls.signaling import describe, trickle
from relay.config.settings import Settings
from relay.daemon.engine import Engine
from relay.daemon.run import SystemClocks
from relay.daemon.settings import rules_of, server_settings_of
from relay.forward.user.udp import UdpListener
from relay.sdp import HeldCandidate, rebuild
from relay.tools.audit.search import find
from tests.calls.stage import ALICE, BOB
from tests.lab.media import Picture, Tone
from tests.sdp.samples import ACCEPTED, LEG, sample

SECRET = "a secret for tests only"
RELAYED_HOST = "192.0.2.1"
LOOPBACK = "127.0.0.1"
DEADLINE_S = 30.0


@pytest.mark.parametrize("name", ACCEPTED)
def test_aiortc_reads_every_rebuilt_description(name: str) -> None:
    text = sample(name).partition("m=image")[0]  # it takes no lower-case transport
    text = text.replace("; x-host=10.77.31.9", "").replace("; ", ";")
    read = SessionDescription.parse(rebuild(text, LEG).sdp)
    written = SessionDescription.parse(text)
    for media, before in zip(read.media, written.media, strict=True):
        kept = [(each.rtp.codecs, each.rtp.headerExtensions, each.dtls) for each in (media, before)]
        assert kept[0] == kept[1]
        assert (media.ice, media.rtp.muxId, media.sctp_port) == (
            before.ice,
            before.rtp.muxId,
            before.sctp_port,
        )
        hosts = [candidate.ip for candidate in media.ice_candidates]
        assert set(hosts) <= {"192.0.2.1", "2001:db8:ffff::1"}
        default = (media.host, media.port)
        nowhere = [("0.0.0.0", 0), ("0.0.0.0", 9)]  # noqa: S104  no socket
        assert default in [*nowhere, *((each.ip, each.port) for each in media.ice_candidates)]


@dataclass
class Peer:
    """One party: its connection, and what the others get to hear of it."""

    name: str
    connection: RTCPeerConnection

    def relayed(self) -> list[tuple[str, int]]:
        """Its relayed addresses, as the relay would know them."""
        parts = SessionDescription.parse(self.connection.localDescription.sdp)
        candidates = [each for media in parts.media for each in media.ice_candidates]
        assert {each.type for each in candidates} == {"relay"}
        return [(each.ip, each.port) for each in candidates]

    async def hear(self, heard: HeldCandidate) -> None:
        """Take a candidate of the other party."""
        candidate = candidate_from_sdp(heard.candidate.removeprefix("candidate:"))
        candidate.sdpMid, candidate.sdpMLineIndex = heard.sdp_mid, heard.sdp_m_line_index
        await self.connection.addIceCandidate(candidate)


@dataclass
class Laboratory:
    """A relay, and one call of two parties."""

    engine: Engine
    call: Call
    url: str
    connections: list[RTCPeerConnection] = field(default_factory=list)

    def peer(self, number: int) -> Peer:
        """A party that uses nothing but the relay."""
        leg = self.call.legs[number]
        expiry = int(self.engine.now().wall) + 600
        username, password = mint(SECRET, self.call.id, leg.id, expiry)
        server = RTCIceServer(self.url, username, password)
        configuration = RTCConfiguration([server], RTCIceTransportPolicy.RELAY)
        self.connections.append(RTCPeerConnection(configuration))
        return Peer(leg.name, self.connections[-1])

    def described(self, peer: Peer, relayed: list[tuple[str, int]]) -> RTCSessionDescription:
        """Its description, as it reaches the other one."""
        leg = self.call.party(peer.name)
        assert leg
        local = peer.connection.localDescription
        mono = self.engine.now().mono
        rebuilt = describe(self.call, peer.name, local.sdp, {leg.id: relayed}, mono)
        assert rebuilt.removed
        assert find([rebuilt.sdp.encode()], LOOPBACK) == []
        return RTCSessionDescription(rebuilt.sdp, local.type)


@asynccontextmanager
async def laboratory(*, ring: bool) -> AsyncIterator[Laboratory]:
    """On a port that the kernel chooses."""
    settings = Settings.model_validate(
        {
            "auth": {"secrets": [SECRET]},
            "relay": {"addresses": [RELAYED_HOST]},
        }
    )
    told, rules = server_settings_of(settings, lambda _: True), rules_of(settings)
    engine = Engine(told, rules, SystemClocks(), os.urandom, lambda: None)
    listener = UdpListener(ServerAddress.parse(LOOPBACK, 0), engine, engine.tally)
    engine.forwarder.add(listener)
    loop = asyncio.get_running_loop()
    listener.start(loop)
    call = engine.create(Order((ALICE, BOB), ring=ring), {})
    url = f"turn:{LOOPBACK}:{listener.address.port}?transport=udp"
    lab = Laboratory(engine, call, url)
    try:
        yield lab
    finally:
        await asyncio.gather(*(connection.close() for connection in lab.connections))
        listener.close(loop)


async def _gathered(lab: Laboratory) -> tuple[Peer, Peer, asyncio.Future[Any], asyncio.Future[Any]]:
    """Both parties with media and a data channel; what each will hear from the other."""
    loop = asyncio.get_running_loop()
    heard: tuple[asyncio.Future[Any], asyncio.Future[Any]] = (
        loop.create_future(),
        loop.create_future(),
    )
    alice, bob = lab.peer(0), lab.peer(1)
    for peer in (alice, bob):
        peer.connection.addTrack(Tone())
        peer.connection.addTrack(Picture())
    channel = alice.connection.createDataChannel("chat")
    channel.on("open", lambda: channel.send("from alice"))
    channel.on("message", heard[0].set_result)

    def answer(channel: Any) -> None:
        channel.on("message", heard[1].set_result)
        channel.send("from bob")

    bob.connection.on("datachannel", answer)
    await alice.connection.setLocalDescription(await alice.connection.createOffer())
    return alice, bob, *heard


async def test_two_peers_connect_through_rebuilt_descriptions() -> None:
    async with asyncio.timeout(DEADLINE_S), laboratory(ring=False) as lab:
        alice, bob, alice_heard, bob_heard = await _gathered(lab)
        await bob.connection.setRemoteDescription(lab.described(alice, alice.relayed()))
        await bob.connection.setLocalDescription(await bob.connection.createAnswer())
        await alice.connection.setRemoteDescription(lab.described(bob, bob.relayed()))
        assert (await bob_heard, await alice_heard) == ("from alice", "from bob")
        assert {peer.connection.connectionState for peer in (alice, bob)} == {"connected"}


async def test_two_peers_connect_with_candidates_that_waited_for_the_call_to_be_accepted() -> None:
    async with asyncio.timeout(DEADLINE_S), laboratory(ring=True) as lab:
        alice, bob, alice_heard, bob_heard = await _gathered(lab)
        offer = lab.described(alice, alice.relayed())
        assert "a=candidate" not in offer.sdp
        await bob.connection.setRemoteDescription(offer)
        await bob.connection.setLocalDescription(await bob.connection.createAnswer())
        answer = lab.described(bob, bob.relayed())
        assert "a=candidate" not in answer.sdp
        await alice.connection.setRemoteDescription(answer)
        _, held = lab.engine.accept(lab.call.id, None)
        for sender, receiver in ((alice, bob), (bob, alice)):
            for each in held[sender.name].candidates:
                await receiver.hear(each)
        assert (await bob_heard, await alice_heard) == ("from alice", "from bob")


async def test_a_candidate_that_aiortc_trickles_is_the_relays_after_rebuilding() -> None:
    async with asyncio.timeout(DEADLINE_S), laboratory(ring=False) as lab:
        alice, *_ = await _gathered(lab)
        lines = alice.connection.localDescription.sdp.split("\r\n")
        sent = [line for line in lines if line.startswith("a=candidate:")]
        assert sent
        relayed = {lab.call.legs[0].id: alice.relayed()}
        for line in sent:
            candidate = HeldCandidate(line, "0", 0)
            mono = lab.engine.now().mono
            passed = trickle(lab.call, "alice", candidate, relayed, mono).candidate
            assert passed
            assert f" {RELAYED_HOST} " in passed
            assert " raddr 0.0.0.0 rport 9" in passed
