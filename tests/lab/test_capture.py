"""A capture holds everything between its start and its end, and what is read is what was sent."""

import os
import socket
from pathlib import Path

import pytest

from relay.tools.audit.packets import UDP, parse
from relay.tools.audit.search import find
from tests.lab.capture import capturing
from tests.lab.pcap import checksum_is_right
from tests.lab.topology import CALLER, RELAY, Lab


def test_no_packet_is_missing_from_the_start_to_the_end(lab: Lab, tmp_path: Path) -> None:
    sent = [os.urandom(200) for _ in range(20_000)]
    with (
        lab.relay.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        capturing(lab, tmp_path, ["relay", "sink"]) as captures,
    ):
        for data in sent:
            sender.sendto(data, ("8.8.8.8", 53))
        for name in ("relay", "sink"):
            packets = captures[name].stop()
            assert [p.payload for p in packets if p.receiver == ("8.8.8.8", 53)] == sent


def test_a_running_capture_can_be_read_and_goes_on(lab: Lab, tmp_path: Path) -> None:
    with (
        lab.relay.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        capturing(lab, tmp_path, ["relay"]) as captures,
    ):
        for round_ in range(3):
            sender.sendto(b"%d" % round_, ("8.8.8.8", 53))
            packets = captures["relay"].packets()
            sent = [p.payload for p in packets if p.receiver == ("8.8.8.8", 53)]
            assert sent == [b"%d" % n for n in range(round_ + 1)]


@pytest.mark.parametrize("to", [("8.8.8.8", 5353), ("2620:fe::fe", 5353)])
def test_every_field_is_read_as_it_was_sent(lab: Lab, tmp_path: Path, to: tuple[str, int]) -> None:
    v6 = ":" in to[0]
    with (
        lab.relay.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM) as sender,
        capturing(lab, tmp_path, ["relay"]) as captures,
    ):
        level = socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP
        sender.setsockopt(level, socket.IPV6_UNICAST_HOPS if v6 else socket.IP_TTL, 37)
        sender.setsockopt(level, socket.IPV6_TCLASS if v6 else socket.IP_TOS, 46 << 2)
        sender.bind(("", 4242))
        sender.sendto(b"odd", to)
        (packet,) = [p for p in captures["relay"].stop() if p.receiver == to]

    assert packet.sender == (RELAY.v6 if v6 else RELAY.v4, 4242)
    assert (packet.version, packet.protocol) == (6 if v6 else 4, UDP)
    assert (packet.ttl, packet.traffic_class, packet.dont_fragment) == (37, 46 << 2, True)
    assert (packet.payload, packet.trailer) == (b"odd", b"")
    assert checksum_is_right(packet)
    assert not checksum_is_right(parse(packet.frame[:-1] + b"x"))


def test_tcp_payloads_are_read(lab: Lab, tmp_path: Path) -> None:
    with (
        lab.relay.socket(socket.AF_INET, socket.SOCK_STREAM) as listener,
        lab.caller.socket(socket.AF_INET, socket.SOCK_STREAM) as client,
        capturing(lab, tmp_path, ["relay"]) as captures,
    ):
        listener.bind((RELAY.v4, 3478))
        listener.listen()
        client.connect((RELAY.v4, 3478))
        server, _ = listener.accept()
        with server:
            server.sendall(b"from the relay")
            assert client.recv(100) == b"from the relay"
        packets = captures["relay"].stop()
    sent = b"".join(p.payload for p in packets if p.sender == (RELAY.v4, 3478))
    assert sent == b"from the relay"


def test_a_bytes_trailer_after_the_ip_packet_is_seen() -> None:
    udp = bytes.fromhex("0001000200090000") + b"x"
    ip = bytes.fromhex("4500001d000040004011000001020304050607 08".replace(" ", "")) + udp
    packet = parse(bytes(12) + b"\x08\x00" + ip + b"trailer")
    assert (packet.payload, packet.trailer) == (b"x", b"trailer")


def test_a_party_is_found_in_a_capture_of_its_own_packets(lab: Lab, tmp_path: Path) -> None:
    with (
        lab.caller.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender,
        capturing(lab, tmp_path, ["caller", "caller-nat", "callee", "sink"]) as captures,
    ):
        sender.sendto(b"", ("2620:fe::fe", 53))
        frames = {name: capture.frames() for name, capture in captures.items()}
    assert find(frames["caller"], CALLER.private.v6)
    assert find(frames["caller-nat"], CALLER.public.v6)
    assert find(frames["sink"], CALLER.public.v6)
    assert find(frames["callee"], *CALLER.addresses) == []
