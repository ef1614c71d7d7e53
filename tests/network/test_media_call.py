"""A call between two stock WebRTC clients: it rings, is answered, carries media, and ends.

The one test that is a whole call, in the order in which a call happens.
"""

import time
from collections.abc import Iterable
from pathlib import Path

from relay.tools.audit.packets import Packet
from relay.tools.audit.search import find
from tests.kit.daemon import Config
from tests.kit.polling import wait_until
from tests.lab.capture import Capture, capturing
from tests.lab.party import Party, have_seen, open_with, parties
from tests.lab.relay import FOR_AIORTC, Relay
from tests.lab.topology import CALLEE, CALLER, RELAY, Lab

CONFIG = FOR_AIORTC

_AUDIO_FRAMES = 500  # ten seconds of 20 ms
_VIDEO_FRAMES = 200  # of some 300: decoding starts with a key frame


def test_two_webrtc_clients_call_each_other_and_neither_learns_the_others_address(
    lab: Lab, relay: Relay, tmp_path: Path
) -> None:
    call = relay.create_call(ring=True)
    with capturing(lab, tmp_path) as captures, parties(lab) as (caller, callee):
        descriptions = _exchange_descriptions(call, caller, callee)
        assert find(descriptions, *CALLER.addresses, *CALLEE.addresses) == []

        _assert_nothing_crosses_while_it_rings(relay, call, captures)
        assert relay.accept_call(call)["state"] == "active"
        ten_s = {"audio": _AUDIO_FRAMES, "video": _VIDEO_FRAMES}
        wait_until(lambda: have_seen(caller, callee, **ten_s), "ten seconds arrive")
        _assert_statistics(relay, call)

        ended_s = _end(relay, call)
        _assert_silence_after(ended_s + 1, captures)

        packets = {name: capture.stop() for name, capture in captures.items()}

    _assert_no_canary(packets)
    assert _between_parties(packets["caller-nat"]) == _between_parties(packets["callee-nat"]) == []
    assert [p for p in packets["sink"] if p.payload] == []


def _exchange_descriptions(call: Config, caller: Party, callee: Party) -> list[bytes]:
    """Offer and answer, handed over as they are; both sides start ICE."""
    open_with(call, caller, callee)
    offer = caller.ask("offer")["sdp"]
    answer = callee.ask("answer", sdp=offer)["sdp"]
    caller.ask("take_answer", sdp=answer)
    return [offer.encode(), answer.encode()]


def _assert_nothing_crosses_while_it_rings(
    relay: Relay, call: Config, captures: dict[str, Capture]
) -> None:
    """Both sides try, and are counted; nothing but answers to themselves comes to either."""
    wait_until(
        lambda: all(p["dropped"] >= 2 for p in relay.statistics(call).values()),
        "both sides have tried to reach each other",
    )
    statistics = relay.view(call)
    assert statistics["state"] == "ringing"
    assert [party["packets"] for party in statistics["parties"].values()] == [0, 0]
    assert relay.drops("ringing") >= 4
    for name in ("caller", "callee", "caller-nat", "callee-nat"):
        packets = captures[name].packets()
        assert any(_is_from_relay(p) for p in packets)
        assert [p for p in packets if _is_from_relay(p) and _is_media(p.payload)] == []


def _is_from_relay(packet: Packet) -> bool:
    return packet.source in RELAY and bool(packet.payload)


def _is_media(payload: bytes) -> bool:
    """ChannelData or a Data indication: what one party made, in the relay's wrapping."""
    return payload[0] >= 0x40 or payload[:2] == b"\x00\x17"


def _assert_statistics(relay: Relay, call: Config) -> None:
    for party in relay.statistics(call).values():
        assert (party["connected"], party["transport"]) == (True, "udp")
        assert party["path"] == relay.path
        assert party["packets"] > _AUDIO_FRAMES
        assert party["bytes"] > party["packets"]
    forwarded = relay.metrics()[f'callveil_packets_total{{path="{relay.path}"}}']
    assert forwarded > 2 * _AUDIO_FRAMES


def _end(relay: Relay, call: Config) -> float:
    """End the call; returns Unix seconds of the moment when the API had said so."""
    relay.end_call(call)
    return time.time()


def _assert_silence_after(moment_s: float, captures: dict[str, Capture]) -> None:
    """The parties go on sending, well past the moment, and nothing of it arrives any more."""
    wait_until(
        lambda: all(
            _last_media_s(captures[name].packets(), to_relay=True) > moment_s + 1
            for name in ("caller", "callee")
        ),
        "both parties have tried for a second more",
    )
    for name in ("caller", "callee"):
        assert _last_media_s(captures[name].packets(), to_relay=False) < moment_s


def _last_media_s(packets: Iterable[Packet], *, to_relay: bool) -> float:
    """When the last media went to, or came from, the relay."""
    return max(
        packet.time_s
        for packet in packets
        if packet.payload
        and _is_media(packet.payload)
        and (packet.destination if to_relay else packet.source) in RELAY
    )


def _assert_no_canary(packets: dict[str, list[Packet]]) -> None:
    """None of the other party's addresses in any encoding.

    Nor is a party told its own, which its client might pass on; and where its own must stand, in
    the headers of what it sends, the search finds it.
    """
    for side, own, other in (("caller", CALLER, CALLEE), ("callee", CALLEE, CALLER)):
        for name in (side, f"{side}-nat"):
            frames = [packet.frame for packet in packets[name]]
            assert len(frames) > 2 * _AUDIO_FRAMES
            assert find(frames, *other.addresses) == []
        told = [packet.payload for packet in packets[side] if _is_from_relay(packet)]
        assert find([p for p in told if p[0] < 0x40], *own.addresses) == []
        inside = [packet.frame for packet in packets[side]]
        assert find(inside[:50], own.private.v4)


def _between_parties(packets: Iterable[Packet]) -> list[Packet]:
    """Packets that touch neither the relay nor the neighbourhood of the router itself."""
    return [
        p for p in packets if p.payload and p.source not in RELAY and p.destination not in RELAY
    ]
