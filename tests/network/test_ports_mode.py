"""Ports mode between real endpoints without TURN: WebRTC peers with ICE, and phones without.

The test plays the signaling server: it puts the relay's port where a party's own address stood.
"""

import os
import socket
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from relay.tools.audit.packets import UDP, Packet
from relay.tools.audit.search import find
from tests.kit.daemon import Config
from tests.kit.polling import wait_until
from tests.lab.capture import Capture, capturing
from tests.lab.party import Party, have_seen, parties
from tests.lab.pcap import checksum_is_right
from tests.lab.relay import Relay
from tests.lab.topology import CALLEE, CALLER, RELAY, UPLINK, Lab
from tests.network.phones import (
    CONFIG,
    RTP,
    assert_path,
    create,
    dropped,
    meet,
    phones,
)

__all__ = ["CONFIG"]

_PORTS = range(20000, 20201)
_AUDIO_FRAMES, _VIDEO_FRAMES = 250, 75  # five seconds of sound, half of their pictures
_ICMP = 1


# With ICE


def test_two_webrtc_peers_talk_through_relayed_ports_and_neither_learns_the_others_address(
    lab: Lab, relay: Relay, tmp_path: Path
) -> None:
    with capturing(lab, tmp_path) as captures, parties(lab) as (caller, callee):
        call, told = _exchange_descriptions(relay, caller, callee)
        assert find(told, *CALLER.addresses, *CALLEE.addresses) == []

        wait_until(lambda: _connected(relay, call) == [True, True], "both have been checked")
        wait_until(lambda: relay.drops("ringing") >= 2, "both try, and nothing crosses")
        for name in ("caller", "callee"):
            assert [p for p in _told(captures[name].packets()) if p.payload[0] >= 4] == []

        relay.accept_call(call)
        enough = {"audio": _AUDIO_FRAMES, "video": _VIDEO_FRAMES}
        wait_until(lambda: have_seen(caller, callee, **enough), "sound and picture arrive")
        assert_path(relay, call)
        relay.end_call(call)
        _assert_silence_after(time.time() + 1, captures)
        packets = {name: capture.stop() for name, capture in captures.items()}

    _assert_no_canary(packets)
    _assert_normal(packets["relay"])
    assert [p for p in packets["sink"] if p.payload] == []


def _exchange_descriptions(
    relay: Relay, caller: Party, callee: Party
) -> tuple[Config, list[bytes]]:
    """Offer and answer, each with the relay's port in it; both sides start ICE."""
    for party in (caller, callee):
        party.ask("open", configuration={"iceServers": [], "iceTransportPolicy": "all"})
    offer = caller.ask("offer")["sdp"]
    call = create(relay, {"ice": _ice_of(offer)}, {})
    offer = _relayed(offer, call["parties"]["callee"]["endpoint"])
    answer = callee.ask("answer", sdp=offer)["sdp"]
    body = {"party": "callee", "ice": _ice_of(answer)}
    assert relay.ask("POST", f"/v1/calls/{call['id']}/endpoint", body).status == 200
    answer = _relayed(answer, call["parties"]["caller"]["endpoint"])
    caller.ask("take_answer", sdp=answer)
    return call, [offer.encode(), answer.encode()]


def _ice_of(sdp: str) -> Config:
    """The credentials of the first media section, which the others are bundled with."""
    lines = sdp.splitlines()
    found = {
        name: next(x.partition(":")[2] for x in lines if x.startswith(f"a=ice-{name}:"))
        for name in ("ufrag", "pwd")
    }
    return dict(found)


def _relayed(sdp: str, endpoint: Config) -> str:
    """A description in which the relay's port stands for the party's own addresses."""
    host, port, ice = endpoint["address"], endpoint["port"], endpoint["ice"]
    candidate = f"a=candidate:1 1 udp 2130706431 {host} {port} typ host"
    instead = {
        "a=candidate:": [],
        "a=rtcp:": [],
        "a=ice-ufrag:": [f"a=ice-ufrag:{ice['ufrag']}"],
        "a=ice-pwd:": [f"a=ice-pwd:{ice['pwd']}", candidate],
        "c=": [f"c=IN IP4 {host}"],
        "t=": ["t=0 0", "a=ice-lite"],
    }
    lines: list[str] = []
    for line in sdp.splitlines():
        replaced = [new for start, new in instead.items() if line.startswith(start)]
        if line.startswith("m="):
            kind, _, rest = line.split(" ", 2)
            replaced = [[f"{kind} {port} {rest}"]]
        lines += replaced[0] if replaced else [line]
    return "\r\n".join(lines) + "\r\n"


def _connected(relay: Relay, call: Config) -> list[bool]:
    return [party["connected"] for party in relay.statistics(call).values()]


def _told(packets: Iterable[Packet]) -> list[Packet]:
    """What the relay has sent, with something in it."""
    return [p for p in packets if p.source in RELAY and p.payload]


def _assert_silence_after(moment_s: float, captures: dict[str, Capture]) -> None:
    """The parties go on sending, well past the moment, and nothing arrives any more."""
    for name in ("caller", "callee"):
        wait_until(
            lambda name=name: any(  # type: ignore[misc]
                p.time_s > moment_s and p.destination in RELAY for p in captures[name].packets()
            ),
            "the party has tried for a second more",
        )
        assert [p for p in _told(captures[name].packets()) if p.time_s > moment_s] == []


def _assert_no_canary(packets: dict[str, list[Packet]]) -> None:
    """None of the other party's addresses in any encoding, nor a party's own in what it is told."""
    for side, own, other in (("caller", CALLER, CALLEE), ("callee", CALLEE, CALLER)):
        for name in (side, f"{side}-nat"):
            frames = [packet.frame for packet in packets[name]]
            assert len(frames) > 20
            assert find(frames, *other.addresses) == []
        told = [p.payload for p in _told(packets[side])]
        assert find([p for p in told if p[0] < 4], *own.addresses) == []
        assert find([p.frame for p in packets[side]][:50], own.private.v4)


def _assert_normal(packets: Iterable[Packet]) -> None:
    """Every datagram from a relayed port has the relay's own header fields."""
    leaving = [
        p for p in packets if p.source in RELAY and p.protocol == UDP and p.source_port in _PORTS
    ]
    assert leaving
    for packet in leaving:
        fields = packet.ttl, packet.traffic_class, packet.identification, packet.dont_fragment
        assert fields == (64, 0, 0, True)
        assert packet.trailer == b""
        assert checksum_is_right(packet)


# Without ICE


def test_two_phones_at_declared_addresses_talk(lab: Lab, relay: Relay, tmp_path: Path) -> None:
    with (
        capturing(lab, tmp_path) as captures,
        phones(lab, relay) as (call, caller, callee),
    ):
        caller.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 37)
        caller.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0xB9)
        meet(caller, callee)
        for number in range(50):
            for one, other in ((caller, callee), (callee, caller)):
                one.say(b"%d" % number)
                assert other.hear() == (b"%d" % number, other.at)
        assert all(party["packets"] == 51 for party in relay.statistics(call).values())
        assert_path(relay, call)
        packets = {name: capture.stop() for name, capture in captures.items()}
    _assert_no_canary(packets)
    _assert_normal(packets["relay"])
    assert [p for p in packets["sink"] if p.payload] == []


def test_whoever_sends_first_or_from_elsewhere_is_not_heard(lab: Lab, relay: Relay) -> None:
    with (
        phones(lab, relay) as (call, caller, callee),
        lab.sink.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
        lab.callee.socket(socket.AF_INET, socket.SOCK_DGRAM) as other_socket,
    ):
        with relay.dropping("unknown_source", count=5):
            for endpoint in (caller.at, callee.at):
                for mallory in (stranger, other_socket):
                    mallory.sendto(RTP + b"mallory", endpoint)
            callee.sock.sendto(RTP + b"to the other's port", caller.at)
        meet(caller, callee)
        assert dropped(relay, call) == [1, 1]  # while it rang; a stranger's are not theirs


def test_an_icmp_error_of_one_side_does_not_reach_the_other(
    lab: Lab, relay: Relay, tmp_path: Path
) -> None:
    with (
        capturing(lab, tmp_path, ["caller", "caller-nat", "relay"]) as captures,
        phones(lab, relay) as (call, caller, callee),
    ):
        meet(caller, callee)
        callee.sock.close()
        caller.say(b"is there anybody?")
        wait_until(lambda: _icmp(captures["relay"]), "the relay is told that nobody is there")
        sent = relay.statistics(call)["caller"]["packets"]
        caller.say(b"still there?")
        wait_until(lambda: relay.statistics(call)["caller"]["packets"] > sent, "the relay goes on")
        assert _icmp(captures["caller"]) == _icmp(captures["caller-nat"]) == []


def _icmp(capture: Capture) -> list[Packet]:
    return [p for p in capture.packets() if p.protocol == _ICMP]


def test_nothing_crosses_while_it_rings(lab: Lab, relay: Relay) -> None:
    with phones(lab, relay, ring=True) as (call, caller, callee):
        for phone in (caller, callee):
            phone.say(b"still too early")
        wait_until(lambda: dropped(relay, call) == [2, 2], "both are dropped")
        assert {party["path"] for party in relay.statistics(call).values()} == {"user"}
        relay.accept_call(call)
        meet(caller, callee)
        assert_path(relay, call)


def test_a_released_port_answers_nobody_and_is_not_given_again(lab: Lab, relay: Relay) -> None:
    with phones(lab, relay) as (_, caller, callee):
        used = {caller.at[1], callee.at[1]}
    for _ in range(40):
        call = create(relay, {}, {})
        ports = {party["endpoint"]["port"] for party in call["parties"].values()}
        relay.end_call(call)
        assert not ports & used
        used |= ports


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "169.254.169.254", "224.0.0.1", "::1", RELAY.v4, RELAY.v6, "10.0.0.1"]
)
def test_a_party_cannot_be_declared_where_the_relay_itself_is_or_its_network(
    relay: Relay, host: str
) -> None:
    _assert_refused(relay, host)


def test_an_address_that_the_host_is_given_later_cannot_be_declared_either(
    lab: Lab, relay: Relay
) -> None:
    later = "192.0.2.99"
    create(relay, {"address": {"address": later, "port": 161}}, {})
    lab.relay.set_up([f"addr add {later}/32 dev {UPLINK}"])
    try:
        _assert_refused(relay, later)
    finally:
        lab.relay.set_up([f"addr del {later}/32 dev {UPLINK}"])
    create(relay, {"address": {"address": later, "port": 161}}, {})


def _assert_refused(relay: Relay, host: str) -> None:
    body = {
        "parties": [
            {"id": "caller", "address": {"address": host, "port": 161}},
            {"id": os.urandom(4).hex()},
        ],
        "mode": "ports",
    }
    answer = relay.ask("POST", "/v1/calls", body)
    assert answer.status == 422
    assert host not in str(answer.body)
