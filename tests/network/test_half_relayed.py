"""Half-relayed calls: the unmasked party uses its own address, towards the masked one's relayed
address and nothing else; and nobody else does.

`masking: opted_in`, the caller asked for privacy and the callee did not. What the callee sees of
the caller is the relay; what the caller sees of the callee is the callee.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from relay.address import PeerAddress
from relay.stun.attributes import Attribute
from relay.tools.audit.packets import Packet
from relay.tools.audit.search import find
from tests.kit import wire
from tests.kit.namespaces import Namespace
from tests.kit.polling import PATIENCE_S, wait_until
from tests.lab.calls import CALLEE_CHANNEL, CALLER_CHANNEL, Access, Legs, legs
from tests.lab.capture import capturing
from tests.lab.party import have_seen, open_with, parties
from tests.lab.relay import FOR_AIORTC, Relay
from tests.lab.topology import CALLEE, CALLER, RELAY, SINK, UPLINK, Lab

CONFIG = FOR_AIORTC | {"privacy": {"masking": "opted_in", "stun_binding": True}}

_FRAMES = 100
_FORBIDDEN = 403
_CALLEE_IP = socket.inet_aton(CALLEE.public.v4)


def test_webrtc_clients_meet_at_the_masked_partys_relayed_address(
    lab: Lab, relay: Relay, tmp_path: Path
) -> None:
    call = relay.create_call()
    assert call["masked"] == ["caller"]
    with capturing(lab, tmp_path) as captures, parties(lab) as (caller, callee):
        open_with(call, caller, callee)
        offer = caller.ask("offer")["sdp"]
        answer = callee.ask("answer", sdp=offer)["sdp"]
        caller.ask("take_answer", sdp=_without_relay(answer))
        wait_until(lambda: have_seen(caller, callee, video=_FRAMES), "pictures arrive both ways")
        packets = {name: capture.stop() for name, capture in captures.items()}

    assert find([offer.encode()], *CALLER.addresses) == []
    frames = [p.frame for name in ("callee", "callee-nat") for p in packets[name]]
    assert find(frames, *CALLER.addresses) == []
    assert _ports_of_media(packets["callee-nat"]).isdisjoint({3478})
    assert _ports_of_media(packets["caller-nat"]) == {3478}


def _without_relay(sdp: str) -> str:
    """The callee's relayed address left out: aioice takes the pair that answers first, not the best
    one, and that is a matter of chance.
    """
    return "".join(line for line in sdp.splitlines(keepends=True) if " typ relay" not in line)


def _ports_of_media(packets: list[Packet]) -> set[int]:
    """The relay's ports that more came from than a client's gathering asks for."""
    ports = [p.source_port for p in packets if p.payload and p.source in RELAY and p.source_port]
    return {port for port in ports if ports.count(port) > _FRAMES}


@contextmanager
def _own(where: Namespace) -> Iterator[socket.socket]:
    """A socket of a party's own, without TURN."""
    with where.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind(("", 0))
        own.settimeout(PATIENCE_S)
        yield own


def _public(own: socket.socket) -> PeerAddress:
    """The callee's own address as the world sees it: its NAT keeps ports where it can."""
    return PeerAddress(_CALLEE_IP, own.getsockname()[1])


def _meet(call: Legs, own: socket.socket) -> None:
    """Both know each other: the caller has a permission for the callee's own address."""
    assert call.caller.permit(_public(own)) == 0
    own.sendto(b"hello", call.caller.relayed.reveal())
    assert _from_peer(call) == (_public(own), b"hello")


def _from_peer(call: Legs) -> tuple[PeerAddress, bytes] | None:
    """The next Data indication at the caller."""
    frame = call.caller.receive()
    if frame is None:
        return None
    indication = wire.parse(frame)
    peer = PeerAddress(*indication.address(Attribute.XOR_PEER_ADDRESS))
    return peer, indication.value(Attribute.DATA)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_data_crosses_in_indications_and_on_channels(relay: Relay, transport: str) -> None:
    with legs(relay, caller=Access(transport)) as call, _own(relay.lab.callee) as own:
        _meet(call, own)
        call.caller.send(_public(own), b"an indication")
        assert own.recvfrom(2048) == (b"an indication", call.caller.relayed.reveal())

        assert call.caller.bind(CALLER_CHANNEL, _public(own)) == 0
        call.say(b"\x80 on a channel")
        assert own.recvfrom(2048) == (b"\x80 on a channel", call.caller.relayed.reveal())
        for data in (
            b"\x80 media",
            b"\x01 as STUN does",
            b"@ as ChannelData does",
        ):
            own.sendto(data, call.caller.relayed.reveal())
            frame = call.caller.receive()
            assert frame == wire.channel_data(CALLER_CHANNEL, data)


def test_the_leg_that_sends_is_charged(relay: Relay) -> None:
    with legs(relay) as call, _own(relay.lab.callee) as own:
        _meet(call, own)
        call.caller.send(_public(own), b"back")
        own.recv(100)
        body = relay.statistics(call.id)
        assert (body["caller"]["packets"], body["caller"]["bytes"]) == (1, 4)
        assert (body["callee"]["packets"], body["callee"]["bytes"]) == (1, 5)


@pytest.mark.parametrize(
    "target", [SINK.v4, CALLEE.private.v4, CALLER.public.v4, RELAY.v4, "127.0.0.1", "10.0.0.1"]
)
def test_no_other_address_is_a_peer(relay: Relay, target: str) -> None:
    with legs(relay) as call:
        peer = PeerAddress(socket.inet_aton(target), 5004)
        assert call.caller.permit(peer) == _FORBIDDEN
        assert call.caller.bind(CALLER_CHANNEL, peer) == _FORBIDDEN
        with relay.dropping("not_a_sibling"):
            call.caller.send(peer, b"anybody?")


def test_the_unmasked_party_reaches_no_address_but_its_siblings_and_has_no_port(
    relay: Relay,
) -> None:
    with legs(relay) as call, _own(relay.lab.caller) as own:
        peer = PeerAddress(socket.inet_aton(CALLER.public.v4), own.getsockname()[1])
        assert call.callee.permit(peer) == _FORBIDDEN
        assert call.callee.bind(CALLEE_CHANNEL, peer) == _FORBIDDEN
        own.connect(call.callee.relayed.reveal())
        own.send(b"hello")
        with pytest.raises(ConnectionRefusedError):
            own.recv(100)


def test_nobody_else_is_heard(relay: Relay) -> None:
    with legs(relay) as call, _own(relay.lab.callee) as own, _own(relay.lab.sink) as stranger:
        _meet(call, own)
        with relay.dropping("unknown_source"):
            stranger.sendto(b"let me in", call.caller.relayed.reveal())
        own.sendto(b"still here", call.caller.relayed.reveal())
        assert _from_peer(call) == (_public(own), b"still here")


def test_without_the_masked_partys_permission_nothing_comes_to_it(relay: Relay) -> None:
    with legs(relay) as call, _own(relay.lab.callee) as own:
        with relay.dropping("no_permission"):
            own.sendto(b"unasked", call.caller.relayed.reveal())
        _meet(call, own)


def test_while_the_call_rings_nothing_crosses(relay: Relay) -> None:
    with legs(relay, ring=True) as call, _own(relay.lab.callee) as own:
        assert call.caller.permit(_public(own)) == 0
        assert call.caller.bind(CALLER_CHANNEL, _public(own)) == 0
        with relay.dropping("ringing", count=1):
            own.sendto(b"too early", call.caller.relayed.reveal())
            call.say(b"too early")
        relay.accept_call(call.id)
        own.sendto(b"now", call.caller.relayed.reveal())
        assert call.caller.receive() == wire.channel_data(CALLER_CHANNEL, b"now")
        call.say(b"now")
        assert own.recv(100) == b"now"


def test_while_the_call_rings_the_masked_partys_port_looks_like_any_other(relay: Relay) -> None:
    """An open one would tell the unmasked caller that the callee's device has allocated."""
    with legs(relay, ring=True) as call, _own(relay.lab.callee) as prober:
        prober.connect(call.caller.relayed.reveal())
        prober.send(b"are you there?")
        with pytest.raises(ConnectionRefusedError):
            prober.recv(100)
        relay.accept_call(call.id)
        with relay.dropping("no_permission"):
            prober.send(b"are you there now?")


@pytest.mark.parametrize("how", ["masked", "joined", "ended"])
def test_the_port_is_closed_when_the_call_is_tightened_or_over(relay: Relay, how: str) -> None:
    with legs(relay) as call, _own(relay.lab.callee) as own:
        _meet(call, own)
        assert call.caller.bind(CALLER_CHANNEL, _public(own)) == 0
        if how == "ended":
            relay.end_call(call.id)
        else:
            party = {"id": "callee", "enhanced_call_privacy": True}
            body = {"parties": [party if how == "masked" else {"id": "carol"}]}
            answer = relay.ask("PATCH", f"/v1/calls/{call.id}", body)
            configuration = answer.body["parties"]["callee"]["rtc_configuration"]
            assert configuration["iceTransportPolicy"] == "relay"
        own.connect(call.caller.relayed.reveal())
        own.send(b"are you there?")
        with pytest.raises(ConnectionRefusedError):
            own.recv(100)
        call.say(b"nor here")
        own.settimeout(0.2)
        with pytest.raises(TimeoutError):
            own.recv(100)


def test_the_two_still_reach_each_other_through_the_relay(relay: Relay) -> None:
    with legs(relay) as call:
        call.bind()
        call.say(b"\x80 to the other leg")
        assert call.callee.receive() == wire.channel_data(CALLEE_CHANNEL, b"\x80 to the other leg")
        call.reply(b"\x80 and back")
        assert call.caller.receive() == wire.channel_data(CALLER_CHANNEL, b"\x80 and back")


def test_what_is_not_to_be_fragmented_is_lost_where_it_does_not_fit(relay: Relay) -> None:
    """DONT-FRAGMENT of a Send indication: RFC 8656 section 11.2."""
    large, whole = bytes(2000), (Attribute.DONT_FRAGMENT, b"")
    with legs(relay, caller=Access("tcp")) as call, _own(relay.lab.callee) as own:
        _meet(call, own)
        call.caller.send(_public(own), large)
        assert own.recv(4096) == large
        with relay.dropping("send_failed", count=1):
            call.caller.send(_public(own), large, whole)
        call.caller.send(_public(own), b"it fits", whole)
        assert own.recv(4096) == b"it fits"


def test_a_path_mtu_is_told_whoever_sent_too_much(lab: Lab, relay: Relay) -> None:
    """ICMP in a Data indication: RFC 8656 section 11.5. Anything else of the kind is not told."""
    whole = (Attribute.DONT_FRAGMENT, b"")
    ends = ((lab.internet, "callee"), (lab.callee_nat, UPLINK))
    with legs(relay, caller=Access("tcp")) as call, _own(relay.lab.callee) as own:
        _meet(call, own)
        for namespace, interface in ends:
            namespace.set_up([f"link set {interface} mtu 1300"])
        try:
            call.caller.send(_public(own), bytes(1350), whole)
            frame = call.caller.receive()
        finally:
            for namespace, interface in ends:
                namespace.set_up([f"link set {interface} mtu 1500"])
            lab.relay.set_up(["route flush cache"])
        assert frame is not None
        told = wire.parse(frame)
        assert PeerAddress(*told.address(Attribute.XOR_PEER_ADDRESS)) == _public(own)
        assert told.value(wire.Attribute.ICMP) == bytes.fromhex("0000060400000514")
        assert told.values(Attribute.DATA) == []
