"""CreatePermission in a closed call: RFC 8656 sections 9 and 10.2."""

import pytest

from relay.address import IPV6, PeerAddress
from relay.effects import Answered, Count, Deliver, Effect, Send
from relay.errors import DropReason
from relay.stun.attributes import Attribute
from relay.stun.message import Method
from tests.kit import wire
from tests.turn.client import RELAY_IPV4, RELAY_IPV6, Client, Relay

SINK = PeerAddress(bytes((203, 0, 113, 9)), 53)
V4_IN_V6 = {
    "mapped": bytes(10) + b"\xff\xff",
    "compatible": bytes(12),
    "translated": bytes(8) + b"\xff\xff\0\0",
    "nat64": bytes.fromhex("0064ff9b") + bytes(8),
}


def is_delivered(effects: list[Effect]) -> bool:
    """Whether data went to the other leg; if not, it was counted and nothing else happened."""
    if any(isinstance(effect, Deliver) for effect in effects):
        assert len(effects) == 1
        return True
    assert [type(effect) for effect in effects] == [Count]
    return False


def open_towards(receiver: Client, sender: Client) -> None:
    """Let the receiver's side not be what is tested."""
    receiver.permit(sender.relayed).accepted()


def test_permission_for_a_sibling_is_answered_and_nothing_else() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    exchange = alice.permit(bob.relayed)
    assert exchange.effects == [
        Send(alice.five_tuple, exchange.datagram),
        Answered(Method.CREATE_PERMISSION, 0),
    ]
    exchange.accepted()


def test_several_siblings_are_permitted_at_once() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    carol = relay.allocated("carol")
    alice.permit(bob.relayed, carol.relayed).accepted()
    for other in (bob, carol):
        open_towards(other, alice)
        assert is_delivered(alice.send(other.relayed, b"x"))


def test_thirty_two_addresses_are_permitted_at_once_and_no_more() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    assert alice.permit(*[bob.relayed] * 33).code == 508
    open_towards(bob, alice)
    assert not is_delivered(alice.send(bob.relayed, b"x"))
    alice.permit(*[bob.relayed] * 32).accepted()
    assert is_delivered(alice.send(bob.relayed, b"x"))


def test_no_peer_address_is_400() -> None:
    assert Relay().allocated().permit().code == 400


@pytest.mark.parametrize(
    "value", [b"", b"\0\x01\0\0", bytes(7), b"\0\x01" + bytes(7), b"\0\x09" + bytes(6)]
)
def test_invalid_peer_address_is_400(value: bytes) -> None:
    client = Relay().allocated()
    attribute = (int(Attribute.XOR_PEER_ADDRESS), value)
    assert client.request(Method.CREATE_PERMISSION, attribute).code == 400


def test_invalid_peer_address_after_a_good_one_is_400_and_nothing_is_installed() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    open_towards(bob, alice)
    transaction_id = alice.transaction()
    exchange = alice.request(
        Method.CREATE_PERMISSION,
        wire.peer(bob.relayed, transaction_id),
        (Attribute.XOR_PEER_ADDRESS, b"\0\x01"),
        transaction_id=transaction_id,
    )
    assert exchange.code == 400
    assert not is_delivered(alice.send(bob.relayed, b"x"))


@pytest.mark.parametrize(
    "address",
    [
        SINK,
        PeerAddress(bytes((127, 0, 0, 1)), 22),
        PeerAddress(bytes(4), 0),
        PeerAddress(b"\xff\xff\xff\xff", 65535),
        PeerAddress(bytes((169, 254, 169, 254)), 80),
        PeerAddress(RELAY_IPV4, 0),
        PeerAddress(RELAY_IPV4, 3478),
    ],
)
def test_anything_but_a_sibling_is_403(address: PeerAddress) -> None:
    relay = Relay()
    alice, _ = relay.pair()
    exchange = alice.permit(address)
    assert exchange.effects == [
        Send(alice.five_tuple, exchange.datagram),
        Answered(Method.CREATE_PERMISSION, 403),
    ]


def test_siblings_port_on_another_address_is_403() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    assert alice.permit(PeerAddress(SINK.packed, bob.relayed.port)).code == 403


def test_siblings_address_with_another_port_is_403() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    free = next(
        port for port in relay.settings.ports if port not in (alice.relayed.port, bob.relayed.port)
    )
    assert alice.permit(PeerAddress(RELAY_IPV4, free)).code == 403


def test_own_relayed_address_is_403() -> None:
    alice = Relay().allocated()
    assert alice.permit(alice.relayed).code == 403


def test_other_allocation_of_the_same_leg_is_403() -> None:
    relay = Relay()
    first, second = relay.allocated("alice"), relay.allocated("alice")
    assert first.permit(second.relayed).code == 403


def test_leg_of_another_call_is_403() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    own = {alice.relayed.port, bob.relayed.port}
    strangers = (relay.allocated(str(leg), "other") for leg in range(20))
    stranger = next(client for client in strangers if client.relayed.port not in own)
    assert alice.permit(stranger.relayed).code == 403


def test_one_stranger_among_siblings_is_403_and_nothing_is_installed() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    open_towards(bob, alice)
    assert alice.permit(bob.relayed, SINK).code == 403
    assert not is_delivered(alice.send(bob.relayed, b"x"))
    assert alice.permit(SINK, bob.relayed).code == 403
    assert not is_delivered(alice.send(bob.relayed, b"x"))


def test_one_stranger_does_not_take_an_existing_permission_away() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    open_towards(bob, alice)
    alice.permit(bob.relayed).accepted()
    assert alice.permit(bob.relayed, SINK).code == 403
    assert is_delivered(alice.send(bob.relayed, b"x"))


def test_peer_of_another_family_is_443() -> None:
    assert Relay().allocated().permit(PeerAddress(RELAY_IPV6, 50000)).code == 443


def test_sibling_relayed_on_another_family_is_443_and_reached_by_no_indication() -> None:
    relay = Relay(relayed_ips=(RELAY_IPV4, RELAY_IPV6))
    alice, bob = relay.allocated("alice"), relay.client("bob")
    bob.allocate(wire.requested_family(IPV6)).accepted()
    for client, other in ((alice, bob), (bob, alice)):
        assert client.permit(other.relayed).code == 443
        assert client.bind(0x4001, other.relayed).code == 443
    for client, other in ((alice, bob), (bob, alice)):
        assert client.send(other.relayed, b"x") == [Count(DropReason.NOT_A_SIBLING, client.leg)]


@pytest.mark.parametrize("prefix", V4_IN_V6.values(), ids=V4_IN_V6.keys())
def test_sibling_spelt_as_ipv6_is_443(prefix: bytes) -> None:
    relay = Relay()
    alice, bob = relay.pair()
    open_towards(bob, alice)
    spelt = PeerAddress(prefix + bob.relayed.packed, bob.relayed.port)
    assert alice.permit(spelt).code == 443
    assert not is_delivered(alice.send(spelt, b"x"))
    assert not is_delivered(alice.send(bob.relayed, b"x"))


def test_after_an_ice_restart_the_siblings_new_port_is_permitted_already() -> None:
    """Firefox and pion ask once per IP, and renew with the address that they asked for first."""
    relay = Relay()
    alice, bob = relay.pair()
    alice.permit(bob.relayed).accepted()
    restarted = relay.allocated("bob")
    open_towards(restarted, alice)
    assert is_delivered(alice.send(restarted.relayed, b"x"))
    assert is_delivered(restarted.send(alice.relayed, b"x"))


def test_a_second_component_on_another_port_is_permitted_with_the_first() -> None:
    relay = Relay()
    rtp = [relay.allocated("alice"), relay.allocated("bob")]
    rtcp = [relay.allocated("alice"), relay.allocated("bob")]
    rtp[0].permit(rtp[1].relayed).accepted()  # each once per allocation, for whichever port
    rtcp[0].permit(rtp[1].relayed).accepted()
    for client in (rtp[1], rtcp[1]):
        client.permit(rtp[0].relayed).accepted()
    assert is_delivered(rtcp[0].send(rtcp[1].relayed, b"x"))
    assert is_delivered(rtcp[1].send(rtcp[0].relayed, b"x"))


@pytest.mark.parametrize("how", ["deleted", "expired"])
def test_a_permission_is_renewed_with_an_address_that_the_sibling_no_longer_has(how: str) -> None:
    relay = Relay()
    alice, first = relay.pair()
    alice.refresh(3600).accepted()
    alice.permit(first.relayed).accepted()
    if how == "deleted":
        first.refresh(0).accepted()
    relay.clock.advance(250 if how == "deleted" else 601)
    second = relay.allocated("bob")
    alice.permit(first.relayed).accepted()
    relay.advance(299)
    open_towards(second, alice)
    assert is_delivered(alice.send(second.relayed, b"x"))


def test_permission_is_for_every_sibling_on_the_relays_ip() -> None:
    """RFC 8656 section 9; in a closed call that is nobody else."""
    relay = Relay()
    alice, bob = relay.pair()
    carol = relay.allocated("carol")
    stranger = relay.allocated("dora", "another")
    alice.permit(bob.relayed).accepted()
    for other in (carol, stranger):
        other.permit(alice.relayed)
    assert is_delivered(carol.send(alice.relayed, b"x"))
    assert not is_delivered(stranger.send(alice.relayed, b"x"))


def test_ports_that_a_call_had_are_remembered_within_bounds() -> None:
    relay = Relay(ports=range(40000, 60000))
    alice, bob = relay.pair()
    first = bob.relayed
    for _ in range(600):
        relay.advance(0.1)  # within a leg's rate of requests
        bob.refresh(0).accepted()
        bob.allocate().accepted()
    assert alice.permit(first).code == 403
    alice.permit(bob.relayed).accepted()


def test_permission_of_the_sender_lasts_300_seconds() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    alice.permit(bob.relayed).accepted()
    relay.advance(1)
    open_towards(bob, alice)
    relay.advance(298.5)
    assert is_delivered(alice.send(bob.relayed, b"x"))
    relay.advance(0.5)
    assert alice.send(bob.relayed, b"x") == [Count(DropReason.NO_PERMISSION, alice.leg)]


def test_permission_of_the_receiver_lasts_300_seconds() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    open_towards(bob, alice)
    relay.advance(1)
    alice.permit(bob.relayed).accepted()
    relay.advance(298.5)
    assert is_delivered(alice.send(bob.relayed, b"x"))
    relay.advance(0.5)
    assert alice.send(bob.relayed, b"x") == [Count(DropReason.NO_PERMISSION, alice.leg)]


def test_permission_is_refreshed_by_another_request() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    alice.permit(bob.relayed).accepted()
    relay.advance(200)
    alice.permit(bob.relayed).accepted()
    open_towards(bob, alice)
    relay.advance(299)
    assert is_delivered(alice.send(bob.relayed, b"x"))


def test_permission_is_not_refreshed_by_sending() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    alice.permit(bob.relayed).accepted()
    for _ in range(3):
        open_towards(bob, alice)
        assert is_delivered(alice.send(bob.relayed, b"x"))
        relay.advance(101)
    assert not is_delivered(alice.send(bob.relayed, b"x"))


def test_permissions_of_two_allocations_of_a_leg_are_unrelated() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    second = relay.allocated("alice")
    for client in (alice, second):
        open_towards(bob, client)
    alice.permit(bob.relayed).accepted()
    assert is_delivered(alice.send(bob.relayed, b"x"))
    assert not is_delivered(second.send(bob.relayed, b"x"))


def test_permission_ends_with_its_allocation() -> None:
    relay = Relay()
    alice, bob = relay.pair()
    open_towards(bob, alice)
    alice.permit(bob.relayed).accepted()
    alice.refresh(0).accepted()
    alice.allocate().accepted()
    assert not is_delivered(alice.send(bob.relayed, b"x"))
