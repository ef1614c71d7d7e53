"""A modified client inside a call tries to reach anything but the other leg: nothing leaves.

Every relay interface is captured, loopback included, and so is the sink that owns all addresses
which nobody else has.
"""

import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from relay.address import IPV4, IPV6, PeerAddress
from relay.stun.message import Method
from relay.tools.audit.packets import TCP, UDP, Packet
from tests.kit import wire
from tests.kit.daemon import Config
from tests.kit.sockets import TurnClient
from tests.lab.calls import CALLEE_CHANNEL, CALLER_CHANNEL, Access, Legs, connect, legs, mint
from tests.lab.capture import Capture, capturing
from tests.lab.relay import UDP_PORT, Relay
from tests.lab.topology import CALLEE, CALLER, RELAY, SINK, Lab

CONFIG: Config = {"limits": {"unauthenticated_per_s": 1000}}

_FORBIDDEN, _UNSUPPORTED_TRANSPORT, _WRONG_FAMILY = 403, 442, 443
_PORTS = (9, UDP_PORT, 8080, 50_000)

_V4_TARGETS = {
    "sink": SINK.v4,
    "internet": "8.8.8.8",
    "metadata-service": "169.254.169.254",
    "private-network": "10.0.0.1",
    "loopback": "127.0.0.1",
    "other-loopback": "127.7.7.7",
    "unspecified": "0.0.0.0",  # noqa: S104 -- as a peer's address
    "broadcast": "255.255.255.255",
    "multicast": "224.0.0.1",
    "the-relay-itself": RELAY.v4,
    "the-other-party": CALLEE.public.v4,
    "the-other-party-inside": CALLEE.private.v4,
}
_V6_TARGETS = {
    "sink": SINK.v6,
    "internet": "2620:fe::fe",
    "loopback": "::1",
    "unspecified": "::",
    "multicast": "ff02::1",
    "link-local": "fe80::1",
    "unique-local": "fd00::1",
    "the-relay-itself": RELAY.v6,
    "the-other-party": CALLEE.public.v6,
}


def _spelt_as_ipv6() -> dict[str, str]:
    """Every spelling of an IPv4 address inside an IPv6 one, of addresses that matter."""
    spellings: dict[str, str] = {}
    for name in ("sink", "loopback", "the-relay-itself", "metadata-service"):
        v4 = _V4_TARGETS[name]
        packed = ip_address(v4).packed
        spellings |= {
            f"{name}-mapped": f"::ffff:{v4}",
            f"{name}-compatible": f"::{v4}",
            f"{name}-translated": f"::ffff:0:{v4}",
            f"{name}-nat64": f"64:ff9b::{v4}",
            f"{name}-nat64-local": f"64:ff9b:1::{v4}",
            f"{name}-6to4": f"2002:{packed[:2].hex()}:{packed[2:].hex()}::1",
            f"{name}-isatap": f"fe80::5efe:{v4}",
        }
    return spellings


@pytest.fixture(scope="module")
def captures(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Capture]]:
    """Both interfaces of the relay, the sink, and the party that is not asked."""
    directory = tmp_path_factory.mktemp("captures")
    with capturing(lab, directory, ["relay", "relay-lo", "sink", "callee-nat"]) as running:
        yield running


@pytest.fixture(scope="module", params=[IPV4, IPV6], ids=["v4-leg", "v6-leg"])
def call(relay: Relay, request: pytest.FixtureRequest) -> Iterator[Legs]:
    """A call with nothing bound; the caller is the one who misbehaves."""
    with legs(relay, family=request.param) as made:
        yield made


@pytest.mark.parametrize(
    "target", [*_V4_TARGETS.values(), *_V6_TARGETS.values(), *_spelt_as_ipv6().values()]
)
def test_no_packet_leaves_for_an_address_outside_of_the_call(
    relay: Relay, captures: dict[str, Capture], call: Legs, target: str
) -> None:
    before = _counts(captures)
    drops = relay.drops()

    for port in _PORTS:
        peer = PeerAddress(ip_address(target).packed, port)
        _assert_refused(call.caller, peer)

    _assert_nobody_but_the_caller_was_sent_to(captures, before)
    assert relay.drops() - drops == 2 * len(_PORTS)  # a Send and a ChannelData message each


def test_no_packet_leaves_for_a_relayed_address_of_another_call(
    relay: Relay, captures: dict[str, Capture], call: Legs
) -> None:
    family = call.caller.relayed.family
    with legs(relay, family=family) as other:
        other.bind()
        before = _counts(captures)
        for victim in (other.caller, other.callee):
            if victim.relayed in (call.caller.relayed, call.callee.relayed):
                continue  # a number in another call's table: here it is one's own sibling
            _assert_refused(call.caller, victim.relayed)
        _assert_nobody_but_the_caller_was_sent_to(captures, before)

        other.say(b"still only their own")
        assert _payload(other.callee.receive()) == b"still only their own"


def test_no_connection_is_made_for_a_client(
    relay: Relay, captures: dict[str, Capture], call: Legs
) -> None:
    before = _counts(captures)
    credential = mint(call.id, "one-more-leg")
    with connect(relay, relay.lab.caller, Access(), credential) as client:
        assert client.request(Method.ALLOCATE, wire.transport(TCP)).code == _UNSUPPORTED_TRANSPORT
    targets = (SINK.v4, SINK.v6, "127.0.0.1", CALLEE.public.v4)
    unknown = relay.drops("unknown_method")
    for target in targets:
        transaction_id = os.urandom(12)
        peer = wire.peer(PeerAddress(ip_address(target).packed, 443), transaction_id)
        call.caller.send_raw(call.caller.turn.signed(Method.CONNECT, [peer], transaction_id))
    assert call.caller.request(Method.REFRESH).code == 0
    assert relay.drops("unknown_method") - unknown == len(targets)
    _assert_nobody_but_the_caller_was_sent_to(captures, before)


def _assert_refused(client: TurnClient, peer: PeerAddress) -> None:
    """Permission and channel are refused, and what is sent anyway is met with silence."""
    same_family = peer.family == client.relayed.family
    refusals = {_FORBIDDEN} if same_family else {_FORBIDDEN, _WRONG_FAMILY}
    assert client.permit(peer) in refusals
    assert client.bind(0x4001, peer) in refusals
    client.send(peer, b"canary")
    client.send_on(0x4001, b"canary")
    assert client.request(Method.REFRESH).code == 0  # whatever came before has been handled
    assert not client.inbox


def _counts(captures: dict[str, Capture]) -> dict[str, int]:
    return {name: len(capture.packets()) for name, capture in captures.items()}


def _assert_nobody_but_the_caller_was_sent_to(
    captures: dict[str, Capture], before: dict[str, int]
) -> None:
    """On no interface a datagram from the relay to anybody but the one who asked."""
    for name, capture in captures.items():
        packets = capture.packets()[before[name] :]
        assert [p for p in packets if _is_stray(p)] == []


def _is_stray(packet: Packet) -> bool:
    """UDP or TCP from the relay to anybody but the caller, or UDP on its loopback."""
    if packet.destination in CALLER.public:
        return False
    if packet.source in RELAY:
        return packet.protocol in (UDP, TCP)
    return packet.protocol == UDP and ip_address(packet.source).is_loopback


def _payload(frame: bytes | None) -> bytes:
    """Of a ChannelData message."""
    assert frame is not None
    return frame[4 : 4 + int.from_bytes(frame[2:4], "big")]


@pytest.mark.parametrize("target", ["8.8.8.8", "2620:fe::fe", "127.0.0.1", CALLEE.public.v4])
def test_a_packet_that_does_leave_would_be_seen(
    lab: Lab, captures: dict[str, Capture], target: str
) -> None:
    before = _counts(captures)
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    with lab.relay.socket(family, socket.SOCK_DGRAM) as leaking:
        leaking.sendto(b"", (target, 9))
    with pytest.raises(AssertionError):
        _assert_nobody_but_the_caller_was_sent_to(captures, before)


def test_nothing_from_outside_of_the_call_comes_in(lab: Lab, relay: Relay, call: Legs) -> None:
    call.bind()
    relayed = call.caller.relayed
    host, port = relayed.reveal()
    family = socket.AF_INET if relayed.family == IPV4 else socket.AF_INET6
    with (
        lab.sink.socket(family, socket.SOCK_DGRAM) as stranger,
        legs(relay, family=relayed.family) as other,
    ):
        other.bind()
        for target in ((host, port), (host, UDP_PORT)):
            stranger.sendto(b"from a stranger", target)
            stranger.sendto(wire.channel_data(CALLER_CHANNEL, b"from a stranger"), target)
        if call.caller.relayed not in (other.caller.relayed, other.callee.relayed):
            other.caller.send(call.caller.relayed, b"from another call")
        assert other.caller.request(Method.REFRESH).code == 0

        call.reply(b"from the sibling")
        first = call.caller.receive()
    assert first is not None
    assert first[:2] == CALLER_CHANNEL.to_bytes(2, "big")
    assert _payload(first) == b"from the sibling"
    assert CALLEE_CHANNEL != CALLER_CHANNEL
