"""ICMP errors about what the relay sends to one party, true or forged, do not show at the other.

An ICMP error quotes the packet it is about, and comes from whoever found it undeliverable: either
would tell where the party is.
"""

import struct
from pathlib import Path
from socket import AF_INET, IPPROTO_ICMP, SOCK_RAW

from relay.tools.audit.packets import UDP, Packet
from tests.kit import wire
from tests.kit.polling import wait_until
from tests.lab.calls import CALLEE_CHANNEL, CALLER_CHANNEL, legs
from tests.lab.capture import Capture, capturing
from tests.lab.relay import UDP_PORT, Relay
from tests.lab.topology import CALLEE, RELAY, Lab

_ICMP = 1
_TOO_BIG = 3, 4  # type and code of RFC 792: fragmentation needed and DF set
_SMALL_MTU = 600
_LARGE = bytes(1200)


def _of_icmp(capture: Capture) -> list[Packet]:
    return [p for p in capture.packets() if p.protocol == _ICMP]


def test_that_a_party_has_gone_is_not_told_to_the_other(
    lab: Lab, relay: Relay, tmp_path: Path
) -> None:
    with capturing(lab, tmp_path, ["caller", "caller-nat", "relay"]) as captures, legs(relay) as c:
        c.bind()
        c.say(b"hello")
        assert c.callee.receive() is not None
        c.callee.sock.close()
        c.say(b"is there anybody?")
        wait_until(lambda: _of_icmp(captures["relay"]), "the relay hears that nobody is there")
        c.say(b"still there?")
        assert c.caller.permit(c.callee.relayed) == 0  # what came of it has come by now
        assert not c.caller.inbox
        assert _of_icmp(captures["caller"]) == _of_icmp(captures["caller-nat"]) == []


def test_a_path_mtu_changes_nothing_for_the_other_party(
    lab: Lab, relay: Relay, tmp_path: Path
) -> None:
    """Not even the value crosses: whose path it is, gets the same data in the relay's fragments."""
    lab.relay.set_up(["route flush cache"])  # what it was told on the other path
    with capturing(lab, tmp_path, ["caller", "caller-nat", "relay"]) as captures, legs(relay) as c:
        c.bind()
        c.say(_LARGE)
        assert c.callee.receive() == wire.channel_data(CALLEE_CHANNEL, _LARGE)
        quoted = next(p for p in captures["relay"].packets() if _is_large_to_callee(p))
        with lab.callee_nat.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) as router:
            router.sendto(_too_big(quoted), (RELAY.v4, 0))
        wait_until(lambda: _of_icmp(captures["relay"]), "the relay hears of a small MTU")
        for _ in range(3):
            c.say(_LARGE)
            assert c.callee.receive() == wire.channel_data(CALLEE_CHANNEL, _LARGE)
            c.reply(_LARGE)
            assert c.caller.receive() == wire.channel_data(CALLER_CHANNEL, _LARGE)
        to_caller = [p for p in captures["caller"].packets() if p.sender == (RELAY.v4, UDP_PORT)]
        large = [p for p in to_caller if len(p.payload) > len(_LARGE)]
        assert len(large) == 3
        assert all(p.dont_fragment for p in large)
        assert _of_icmp(captures["caller"]) == _of_icmp(captures["caller-nat"]) == []


def _is_large_to_callee(packet: Packet) -> bool:
    is_from_relay = packet.sender == (RELAY.v4, UDP_PORT) and packet.protocol == UDP
    is_large = len(packet.payload) > len(_LARGE)
    return is_from_relay and is_large and packet.destination == CALLEE.public.v4


def _too_big(packet: Packet) -> bytes:
    """Fragmentation needed, next-hop MTU 600, quoting this packet. Spec: RFC 1191 section 4."""
    quoted = packet.frame[14 : 14 + 28]
    body = struct.pack("!HH", 0, _SMALL_MTU) + quoted
    head = struct.pack("!BB", *_TOO_BIG)
    return head + struct.pack("!H", _checksum(head + b"\0\0" + body)) + body


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
