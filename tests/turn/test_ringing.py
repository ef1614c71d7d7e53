"""While a call rings nobody learns who has allocated, and what was permitted holds later."""

import pytest

from relay.address import PeerAddress
from relay.effects import CallAccepted, Deliver, OpenPort, SetRoute
from relay.errors import CallError
from tests.kit import wire
from tests.turn.client import LISTENER, PARTIES, RELAY_IPV4, RELAY_IPV6, Relay
from tests.turn.test_outer_ports import half_relayed, own


def ringing(**overrides: object) -> Relay:
    """A relay on which the call rings."""
    relay = Relay(ports=range(50000, 50040), **overrides)
    relay.create(asked=PARTIES, ring=True)
    return relay


def every_port(relay: Relay) -> list[PeerAddress]:
    """Each relayed address, and some that cannot be one."""
    ports = [0, 9, LISTENER.port, 49999, *relay.settings.ports, 50040, 65535]
    return [PeerAddress(RELAY_IPV4, port) for port in ports]


@pytest.mark.parametrize("peers", ["call", "relay"])
def test_permissions_and_channels_are_answered_alike_whoever_is_there(peers: str) -> None:
    seen = []
    for callee_is_there in (False, True):
        relay = ringing(peers=peers)
        alice = relay.allocated("alice")
        if callee_is_there:
            relay.allocated("bob")
            relay.allocated("bob")
        answers = []
        for number, address in enumerate(every_port(relay)):
            exchanges = alice.permit(address), alice.bind(0x4000 + number, address)
            answers += [(len(e.datagram), e.code, e.before_answer()) for e in exchanges]
        assert {code for _, code, _ in answers} == {0}
        seen.append(answers)
    assert seen[0] == seen[1]


def test_nothing_but_the_relays_own_ip_is_permitted_while_it_rings() -> None:
    relay = ringing()
    alice, _ = relay.pair()
    outside = [bytes((127, 0, 0, 1)), bytes(4), bytes((203, 0, 113, 9)), LISTENER.packed]
    for packed in outside:
        assert alice.permit(PeerAddress(packed, 50000)).code == 403
        assert alice.bind(0x4000, PeerAddress(packed, 50000)).code == 403
    assert alice.permit(PeerAddress(RELAY_IPV6, 50000)).code == 443


@pytest.mark.parametrize("comes", ["while it rings", "when it is accepted"])
def test_what_was_permitted_for_a_sibling_that_comes_later_holds(comes: str) -> None:
    relay = ringing()
    alice = relay.allocated("alice")
    for address in every_port(relay)[:3] + every_port(relay)[-3:]:
        alice.permit(address).accepted()
    if comes == "when it is accepted":
        relay.accept()
    bob = relay.allocated("bob")
    bob.permit(alice.relayed).accepted()
    if comes == "while it rings":
        relay.accept()
    assert isinstance(alice.send(bob.relayed, b"x")[0], Deliver)
    assert isinstance(bob.send(alice.relayed, b"x")[0], Deliver)


@pytest.mark.parametrize("comes", ["while it rings", "when it is accepted"])
def test_a_channel_bound_to_a_port_leads_to_the_sibling_that_gets_it(comes: str) -> None:
    relay = ringing()
    alice = relay.allocated("alice")
    for number, address in enumerate(every_port(relay)):
        alice.bind(0x4000 + number, address).accepted()
    if comes == "when it is accepted":
        relay.accept()
    bob = relay.allocated("bob")
    channel = 0x4000 + every_port(relay).index(bob.relayed)
    routes = bob.bind(0x4777, alice.relayed).before_answer()
    if comes == "while it rings":
        assert routes == []
        routes = relay.accept()
    ends = {(e.source, e.channel, e.target) for e in routes if isinstance(e, SetRoute)}
    assert ends == {
        (alice.five_tuple, channel, bob.five_tuple),
        (bob.five_tuple, 0x4777, alice.five_tuple),
    }
    assert alice.channel_data(channel, b"x") == [
        Deliver(alice.leg, bob.five_tuple, wire.channel_data(0x4777, b"x"), 1)
    ]


def test_a_channel_to_ones_own_or_ones_own_legs_port_leads_nowhere() -> None:
    relay = ringing()
    alice, second = relay.allocated("alice"), relay.allocated("alice")
    alice.bind(0x4001, alice.relayed).accepted()
    alice.bind(0x4002, second.relayed).accepted()
    second.bind(0x4002, alice.relayed).accepted()
    relay.accept()
    assert relay.forwarding.routes == {}
    for effects in (alice.channel_data(0x4001, b"x"), alice.channel_data(0x4002, b"x")):
        assert not any(isinstance(effect, Deliver) for effect in effects)


def test_once_accepted_what_is_not_there_is_403_again() -> None:
    relay = ringing()
    alice, bob = relay.pair()
    relay.accept()
    for address in every_port(relay):
        expected = 0 if address == bob.relayed else 403
        assert alice.permit(address).code == expected
        assert alice.bind(0x4001, address).code == expected


def test_in_a_half_relayed_call_nothing_is_settled_before_it_is_accepted() -> None:
    """Which own address the unmasked party has, and whether it has come, tells no answer."""
    seen = []
    for callee_is_there in (False, True):
        relay = half_relayed(ring=True)
        alice, bob = relay.allocated("alice"), relay.client("bob")
        if callee_is_there:
            bob.allocate().accepted()
        asked = [own(bob), *(PeerAddress(bytes((198, 51, 100, n)), 5004) for n in range(40))]
        answers = [alice.permit(address).code for address in asked]
        answers += [alice.bind(0x4000 + n, address).code for n, address in enumerate(asked)]
        seen.append(answers)
    assert seen[0] == seen[1]


def test_an_outer_port_is_opened_when_the_call_is_accepted_and_before_its_routes() -> None:
    relay = half_relayed(ring=True)
    alice, bob = relay.pair()
    alice.bind(0x4001, own(bob)).accepted()
    assert relay.forwarding.ports == set()
    kinds = [type(effect) for effect in relay.accept()]
    assert kinds == [OpenPort, SetRoute, SetRoute, CallAccepted]
    with pytest.raises(CallError) as refused:
        relay.accept()
    assert refused.value.kind == "wrong_state"
