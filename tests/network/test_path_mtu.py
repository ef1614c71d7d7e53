"""What does not fit the path whole arrives: the relay fragments it, by no sender's flags.

RFC 8656 section 14: DF is the relay's own, and so are the IP-ID and the size of its fragments.
"""

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest

from relay.address import IPV4, IPV6
from relay.tools.audit.packets import UDP, Packet
from tests.kit import wire
from tests.kit.polling import PATIENCE_S
from tests.kit.sockets import TurnClient
from tests.lab.calls import CALLEE_CHANNEL, CALLER_CHANNEL, Access, Legs, legs
from tests.lab.capture import capturing
from tests.lab.relay import Relay
from tests.lab.topology import CALLEE, CALLER, RELAY, UPLINK, Lab, gateway_of

_MTU = 1500  # of every link of the laboratory
_SMALL_MTU = 1400  # IPv6 goes down to 1280: RFC 8200 section 5
_RETRY_S, _PATIENTLY_S = 0.1, 0.5  # what is lost while a path MTU is being learnt, is sent again
_FRAGMENT = 44  # the extension header of RFC 8200 section 4.5

_each_family = pytest.mark.parametrize("host", RELAY, ids=["v4", "v6"])


@pytest.fixture
def small_link(lab: Lab) -> Iterator[int]:
    """A link of a smaller MTU between the middle of the network and the callee's router."""
    ends = ((lab.internet, "callee"), (lab.callee_nat, UPLINK))
    try:
        for namespace, interface in ends:
            namespace.set_up([f"link set {interface} mtu {_SMALL_MTU}"])
        yield _SMALL_MTU
    finally:
        for namespace, interface in ends:
            namespace.set_up([f"link set {interface} mtu {_MTU}"])
        for namespace in (lab.relay, lab.caller, lab.callee):
            namespace.set_up(["route flush cache"])
            namespace.set_up(["route flush cache"], "-6")


def _call(relay: Relay, host: str) -> AbstractContextManager[Legs]:
    how = Access("udp", host)
    return legs(relay, caller=how, callee=how, family=IPV6 if ":" in host else IPV4)


def _assert_arrives(
    sender: TurnClient,
    channel: int,
    receiver: TurnClient,
    wanted: bytes,
    retry_s: float = _RETRY_S,
) -> None:
    """Sent until it arrives, as whole as it was."""
    for _ in range(int(PATIENCE_S / retry_s)):
        with suppress(OSError):  # EMSGSIZE: the sender's own host learns the path MTU
            sender.send_on(channel, wanted[4:])
        frame = receiver.receive(retry_s)
        if frame is not None:
            assert frame == wanted
            return
    raise AssertionError("it never arrives")


def _assert_both_ways(call: Legs, size: int, retry_s: float = _RETRY_S) -> None:
    data = (bytes(range(250)) * 20)[:size]
    to_callee = wire.channel_data(CALLEE_CHANNEL, data)
    _assert_arrives(call.caller, CALLER_CHANNEL, call.callee, to_callee, retry_s)
    to_caller = wire.channel_data(CALLER_CHANNEL, data)
    _assert_arrives(call.callee, CALLEE_CHANNEL, call.caller, to_caller, retry_s)


def _leaving(packets: list[Packet]) -> list[bytes]:
    """IP packets from the relay to a party, of UDP or a fragment of it."""
    return [p.frame[14:] for p in packets if p.source in RELAY and p.protocol in (UDP, _FRAGMENT)]


def _is_fragment(packet: bytes) -> bool:
    if packet[0] >> 4 == 6:
        return packet[6] == _FRAGMENT
    return bool(int.from_bytes(packet[6:8]) & 0x3FFF)


def _assert_the_relays_own(packets: list[bytes], mtu: int) -> None:
    """Hop limit, traffic class and flow label as ever; DF on what is whole, and on that only."""
    assert packets
    for packet in packets:
        assert len(packet) <= mtu
        if packet[0] >> 4 == 6:
            assert packet[:4] == b"\x60\0\0\0"
            assert packet[7] == 64
            continue
        assert packet[0:2] == b"\x45\0"
        assert packet[8] == 64
        is_whole = not _is_fragment(packet)
        assert (int.from_bytes(packet[6:8]) & 0xC000) == (0x4000 if is_whole else 0)
        assert bool(int.from_bytes(packet[4:6])) != is_whole  # an IP-ID for fragments alone


@_each_family
@pytest.mark.parametrize("size", [2000, 5000])
def test_what_a_link_does_not_take_whole_arrives(
    lab: Lab, relay: Relay, tmp_path: Path, host: str, size: int
) -> None:
    with capturing(lab, tmp_path, ["relay"]) as captures, _call(relay, host) as call:
        call.bind()
        _assert_both_ways(call, size)
        leaving = _leaving(captures["relay"].packets())
        assert sum(map(_is_fragment, leaving)) >= 2 * (size // _MTU + 1)
        _assert_the_relays_own(leaving, _MTU)


@_each_family
@pytest.mark.parametrize("size", [1250, 1400, 2000, 5000])
def test_what_a_router_on_the_way_does_not_take_whole_arrives(
    lab: Lab, relay: Relay, tmp_path: Path, host: str, size: int, small_link: int
) -> None:
    with capturing(lab, tmp_path, ["relay", "callee-nat"]) as captures, _call(relay, host) as call:
        call.bind()
        _assert_both_ways(call, size)
        _assert_the_relays_own(_leaving(captures["relay"].packets()), _MTU)
        to_callee = [p for p in captures["callee-nat"].packets() if p.source in RELAY]
        _assert_the_relays_own(
            [_at_the_relay(packet) for packet in _leaving(to_callee)], small_link
        )


def _at_the_relay(packet: bytes) -> bytes:
    """As it left: its hop limit was 64 one router ago."""
    at = 7 if packet[0] >> 4 == 6 else 8
    return packet[:at] + bytes([packet[at] + 1]) + packet[at + 1 :]


@pytest.mark.parametrize("discovery", [0, 2], ids=["DF clear", "DF set"])
def test_a_senders_flags_do_not_choose_what_is_fragmented(
    lab: Lab, relay: Relay, tmp_path: Path, discovery: int
) -> None:
    """Neither do its fragments: what fits leaves whole, whatever came in how many pieces."""
    with capturing(lab, tmp_path, ["caller", "relay"]) as captures, _call(relay, RELAY.v4) as call:
        call.bind()
        call.caller.sock.setsockopt(socket.IPPROTO_IP, 10, discovery)  # IP_MTU_DISCOVER
        way = f"default via {gateway_of(CALLER.private).v4}"
        if not discovery:
            lab.caller.set_up([f"route change {way} mtu 600"])
        try:
            data = bytes(1200)
            wanted = wire.channel_data(CALLEE_CHANNEL, data)
            _assert_arrives(call.caller, CALLER_CHANNEL, call.callee, wanted)
        finally:
            lab.caller.set_up([f"route change {way}"])
        came = [p.frame[14:] for p in captures["caller"].packets() if p.source in CALLER.private]
        assert any(map(_is_fragment, came)) != bool(discovery)
        left = captures["relay"].packets()
        to_callee = _leaving([p for p in left if p.destination in CALLEE.public])
        assert not any(map(_is_fragment, to_callee))
        _assert_the_relays_own(to_callee, _MTU)


def test_only_what_is_too_large_for_the_path_leaves_the_kernels_way(
    relay: Relay, small_link: int
) -> None:
    """Where the kernel forwards, it goes on with what fits."""
    with _call(relay, RELAY.v4) as call:
        call.bind()
        _assert_both_ways(call, 1400, _PATIENTLY_S)  # sent twice, it would be counted twice
        before = relay.metrics()
        _assert_both_ways(call, 1250, _PATIENTLY_S)
        after = relay.metrics()
        name = f'callveil_packets_total{{path="{relay.path}"}}'
        assert after[name] == before[name] + 2
