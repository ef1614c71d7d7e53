"""Whatever a sender writes into its headers, packets leave with the relay's own.

TTL, traffic class, IP-ID, DF, fragments, trailers and a missing UDP checksum would all tell the
other party something of the sender's host or of the way to it.
"""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from relay.address import IPV4, IPV6
from relay.tools.audit.packets import UDP, Packet
from tests.kit import wire
from tests.kit.frames import End, Header, ipv4, udp
from tests.lab.calls import CALLER_CHANNEL, Access, Legs, legs
from tests.lab.capture import capturing
from tests.lab.pcap import checksum_is_right
from tests.lab.relay import UDP_PORT, Relay
from tests.lab.topology import CALLEE, CALLER, RELAY, Lab

_ODD_HOPS, _ODD_CLASS = 37, 0xB9  # EF, and ECN capable
_DATA = b"an odd number of bytes!"
_ODD_IDENT = 0xBEEF
_MORE_FRAGMENTS = 0x2000
_RELAY = End(RELAY.v4, UDP_PORT)


def _leaving(packets: list[Packet]) -> list[Packet]:
    """UDP from the relay."""
    return [p for p in packets if p.source in RELAY and p.protocol == UDP]


def _assert_normal(packets: list[Packet]) -> None:
    """Every packet from the relay has the relay's own header fields, and nothing after its data."""
    leaving = _leaving(packets)
    assert leaving
    for packet in leaving:
        fields = packet.ttl, packet.traffic_class, packet.identification, packet.flow_label
        assert fields == (64, 0, 0, 0)
        assert packet.dont_fragment
        assert packet.trailer == b""
        assert checksum_is_right(packet)


def _heard(call: Legs) -> bytes:
    """What comes to the callee next, as it is."""
    frame = call.callee.receive()
    assert frame is not None
    return frame


@pytest.mark.parametrize("host", RELAY, ids=["v4", "v6"])
def test_odd_header_fields_of_a_sender_do_not_come_through(
    lab: Lab, relay: Relay, tmp_path: Path, host: str
) -> None:
    how = Access("udp", host)
    with (
        capturing(lab, tmp_path, ["caller", "relay", "callee"]) as captures,
        legs(relay, caller=how, callee=how, family=IPV6 if ":" in host else IPV4) as call,
    ):
        _make_odd(call.caller.sock)
        _make_odd(call.callee.sock)
        assert call.caller.permit(call.callee.relayed) == 0
        assert call.callee.permit(call.caller.relayed) == 0
        call.caller.send(call.callee.relayed, _DATA)
        assert _DATA in _heard(call)
        call.bind()
        for _ in range(3):
            call.say(_DATA)
            assert _heard(call)[4:] == _DATA

        odd = [p for p in captures["caller"].packets() if p.source in CALLER.private]
        assert {(p.ttl, p.traffic_class) for p in odd} >= {(_ODD_HOPS, _ODD_CLASS)}
        _assert_normal(captures["relay"].packets())
        arrived = [p for p in captures["callee"].packets() if p.source in RELAY]
        assert {(p.ttl, p.traffic_class) for p in arrived} == {(62, 0)}  # two routers on the way


def _make_odd(sock: socket.socket) -> None:
    """Hop limit, traffic class; and no path MTU discovery, so no DF and an IP-ID that counts."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, _ODD_HOPS)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _ODD_CLASS)
        return
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _ODD_HOPS)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _ODD_CLASS)
    sock.setsockopt(socket.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER, IP_PMTUDISC_DONT


@pytest.mark.parametrize("trailer", [b"\x01", b"\x01\x02\x03", b"seen by nobody" * 9])
def test_bytes_after_channel_data_stay_behind(
    lab: Lab, relay: Relay, tmp_path: Path, trailer: bytes
) -> None:
    with capturing(lab, tmp_path, ["relay"]) as captures, legs(relay) as call:
        call.bind()
        call.caller.send_raw(wire.channel_data(CALLER_CHANNEL, _DATA) + trailer)
        frame = _heard(call)
        assert len(frame) <= 4 + len(_DATA) + 3  # padding is allowed over UDP
        assert frame[4:].rstrip(b"\0") == _DATA
        _assert_normal(captures["relay"].packets())


def _datagram(call: Legs) -> bytes:
    """ChannelData from the caller's five-tuple as a UDP datagram without a checksum."""
    source = End(CALLER.private.v4, call.caller.sock.getsockname()[1])
    return udp(source, _RELAY, wire.channel_data(CALLER_CHANNEL, _DATA), 0)


def _ipv4(payload: bytes, fragment: int = 0) -> bytes:
    """An IPv4 packet from the caller to the relay."""
    odd = Header(_ODD_HOPS, _ODD_CLASS, _ODD_IDENT)
    return ipv4(End(CALLER.private.v4, 0), _RELAY, payload, odd, fragment=fragment)


def _plain(call: Legs) -> list[bytes]:
    return [_ipv4(_datagram(call))]


def _with_trailer(call: Legs) -> list[bytes]:
    """More IP payload than UDP's length says."""
    return [_ipv4(_datagram(call) + b"seen by nobody")]


def _in_fragments(call: Legs) -> list[bytes]:
    datagram = _datagram(call)
    return [_ipv4(datagram[:16], _MORE_FRAGMENTS), _ipv4(datagram[16:], 16 // 8)]


@pytest.mark.parametrize("make", [_plain, _with_trailer, _in_fragments])
def test_a_packet_made_by_hand_leaves_like_any_other(
    lab: Lab, relay: Relay, tmp_path: Path, make: Callable[[Legs], list[bytes]]
) -> None:
    with (
        capturing(lab, tmp_path, ["caller", "relay"]) as captures,
        legs(relay) as call,
        lab.caller.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw,
    ):
        call.bind()
        packets = make(call)
        for packet in packets:
            raw.sendto(packet, (RELAY.v4, 0))
        assert _heard(call)[4:] == _DATA

        by_hand = [p for p in captures["caller"].packets() if p.identification == _ODD_IDENT]
        assert len(by_hand) == len(packets)
        leaving = captures["relay"].packets()
        _assert_normal(leaving)
        to_callee = [p for p in _leaving(leaving) if p.destination == CALLEE.public.v4]
        assert [p.payload[4:] for p in to_callee if p.payload[0] >= 0x40] == [_DATA]
