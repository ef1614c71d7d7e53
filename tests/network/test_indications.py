"""Clients that bind no channel, as Firefox: their media takes the quick way of either path."""

import itertools
from pathlib import Path

import pytest

from relay.address import IPV4, IPV6, PeerAddress
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method
from relay.tools.audit.search import find
from relay.turn.routes import PACKETS_FIRST
from tests.kit import wire
from tests.kit.sockets import TurnClient
from tests.lab.calls import CALLEE_CHANNEL, CALLER_CHANNEL, Access, Legs, legs
from tests.lab.capture import capturing
from tests.lab.relay import Relay
from tests.lab.topology import CALLEE, CALLER, RELAY, Lab

_PACKETS = 50
_numbers = itertools.count()

_each_family = pytest.mark.parametrize(
    ("host", "family"),
    [(RELAY.v4, IPV4), (RELAY.v6, IPV6), (RELAY.v4, IPV6), (RELAY.v6, IPV4)],
    ids=["v4, v4 peers", "v6, v6 peers", "v4, v6 peers", "v6, v4 peers"],
)


def _data_from(frame: bytes | None, peer: PeerAddress) -> bytes:
    """The data of a Data indication of this peer."""
    assert frame is not None
    message = wire.parse(frame)
    assert (message.method, message.cls) == (Method.DATA, Class.INDICATION)
    assert message.kinds == [Attribute.XOR_PEER_ADDRESS, Attribute.DATA]
    assert message.address(Attribute.XOR_PEER_ADDRESS) == (peer.packed, peer.port)
    return message.value(Attribute.DATA)


def _permit(call: Legs) -> None:
    assert call.caller.permit(call.callee.relayed) == 0
    assert call.callee.permit(call.caller.relayed) == 0


def _payload() -> bytes:
    number = next(_numbers)
    return b"media %06d " % number + bytes(number % 4)


def _assert_flows(sender: TurnClient, receiver: TurnClient, packets: int = _PACKETS) -> None:
    """Send indications on one side are Data indications on the other."""
    for _ in range(packets):
        payload = _payload()
        sender.send(receiver.relayed, payload)
        assert _data_from(receiver.receive(), sender.relayed) == payload


@_each_family
def test_indications_take_the_path_that_forwards(
    lab: Lab, relay: Relay, tmp_path: Path, host: str, family: int
) -> None:
    name = f'callveil_packets_total{{path="{relay.path}"}}'
    how = Access("udp", host)
    with (
        capturing(lab, tmp_path, ["caller", "callee"]) as captures,
        legs(relay, caller=how, callee=how, family=family) as call,
    ):
        _permit(call)
        _assert_flows(call.caller, call.callee, PACKETS_FIRST)
        _assert_flows(call.callee, call.caller, PACKETS_FIRST)
        before = relay.metrics()[name]
        _assert_flows(call.caller, call.callee)
        _assert_flows(call.callee, call.caller)
        assert relay.metrics()[name] == before + 2 * _PACKETS
        parties = relay.statistics(call.id)
        for party in parties.values():
            assert party["path"] == relay.path
            assert party["packets"] == PACKETS_FIRST + _PACKETS
        assert find(captures["caller"].frames(), *CALLEE.addresses) == []
        assert find(captures["callee"].frames(), *CALLER.addresses) == []


def test_one_end_with_a_channel_and_one_without(relay: Relay) -> None:
    with legs(relay) as call:
        _permit(call)
        assert call.callee.bind(CALLEE_CHANNEL, call.caller.relayed) == 0
        for _ in range(_PACKETS):
            payload = _payload()
            call.caller.send(call.callee.relayed, payload)
            assert call.callee.receive() == wire.channel_data(CALLEE_CHANNEL, payload)
            call.reply(payload)
            assert _data_from(call.caller.receive(), call.callee.relayed) == payload


def test_a_channel_bound_meanwhile_is_used_from_then_on(relay: Relay) -> None:
    with legs(relay) as call:
        _permit(call)
        _assert_flows(call.caller, call.callee)
        assert call.callee.bind(CALLEE_CHANNEL, call.caller.relayed) == 0
        call.caller.send(call.callee.relayed, b"media after it")
        assert call.callee.receive() == wire.channel_data(CALLEE_CHANNEL, b"media after it")
        assert call.caller.bind(CALLER_CHANNEL, call.callee.relayed) == 0
        call.say(b"and on both")
        assert call.callee.receive() == wire.channel_data(CALLEE_CHANNEL, b"and on both")


def test_nothing_crosses_when_the_call_has_ended(relay: Relay) -> None:
    with legs(relay) as call:
        _permit(call)
        _assert_flows(call.caller, call.callee)
        relay.end_call(call.id)
        before = relay.drops("no_allocation")
        for _ in range(10):
            call.caller.send(call.callee.relayed, _payload())
        assert call.callee.receive(0.3) is None
        assert relay.drops("no_allocation") == before + 10
