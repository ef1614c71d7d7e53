"""ICMP errors about what leaves an outer port: RFC 8656 sections 11.5 and 18.13."""

from collections.abc import Callable

import pytest

from relay.address import ClientAddress, FiveTuple, PeerAddress, ServerAddress, Transport
from relay.effects import Effect, Send
from relay.stun.values import Icmp
from tests.kit import wire
from tests.kit.wire import Attribute, Class, Method
from tests.turn.client import LOCAL_IPV4, Client, Relay
from tests.turn.test_outer_ports import half_relayed, outside, own
from tests.turn.test_outside import PUBLIC, SFU, anywhere, listed, user, with_media_server

TOO_BIG = Icmp(3, 4, 1280)
PORT_UNREACHABLE = Icmp(3, 3, 0)


def told(relay: Relay, icmp: Icmp, there: FiveTuple) -> list[Effect]:
    """What comes of an error about what was sent there."""
    return relay.forwarding.apply(relay.server.receive_icmp(icmp, there, relay.clock.now))


def met(relay: Relay) -> tuple[Client, Client]:
    """The masked alice has a permission for bob's own address, from which data has come."""
    alice, bob = relay.pair()
    alice.permit(own(bob)).accepted()
    relay.receive_outside(b"hello", own(bob), alice.relayed)
    return alice, bob


def of_indication(effects: list[Effect], client: Client) -> tuple[PeerAddress, bytes]:
    """The peer and the ICMP attribute of the one Data indication, which holds nothing else."""
    (send,) = effects
    assert isinstance(send, Send)
    assert send.client == client.five_tuple
    indication = wire.parse(send.datagram)
    assert (indication.method, indication.cls) == (Method.SEND + 1, Class.INDICATION)
    assert indication.kinds == [Attribute.XOR_PEER_ADDRESS, Attribute.ICMP]
    peer = PeerAddress(*indication.address(Attribute.XOR_PEER_ADDRESS))
    return peer, indication.value(Attribute.ICMP)


def test_a_path_mtu_is_told_the_client_that_sent() -> None:
    relay = half_relayed()
    alice, bob = met(relay)
    effects = told(relay, TOO_BIG, outside(bob, alice.relayed))
    expected = bytes.fromhex("0000060400000500")  # 7 bits of type, 9 of code, the MTU
    assert of_indication(effects, alice) == (own(bob), expected)


@pytest.mark.parametrize("icmp", [Icmp(t, c, 1) for t in range(128) for c in (0, 1, 3, 4, 9)])
def test_in_a_closed_call_nothing_else_is_told(icmp: Icmp) -> None:
    """Whether a party's host or network is up, and how it is built, is not the other's business."""
    relay = half_relayed()
    alice, bob = met(relay)
    effects = told(relay, icmp, outside(bob, alice.relayed))
    assert bool(effects) is ((icmp.type, icmp.code) == (3, 4))


@pytest.mark.parametrize("type_", range(128))
@pytest.mark.parametrize(("relay_of", "peer"), [(listed, SFU), (anywhere, PUBLIC)])
def test_in_a_call_that_is_not_closed_unreachable_and_time_exceeded_are_told(
    relay_of: Callable[[], Relay], peer: PeerAddress, type_: int
) -> None:
    relay = relay_of()
    alice = user(relay)
    alice.permit(peer).accepted()
    alice.send(peer, b"hello")
    effects = told(relay, Icmp(type_, 9, 77), _at(peer, alice))
    if type_ not in (3, 11):
        assert effects == []
        return
    value = (type_ << 9 | 9).to_bytes(2)
    assert of_indication(effects, alice) == (peer, b"\0\0" + value + bytes(4))


def _at(peer: PeerAddress, client: Client) -> FiveTuple:
    """A peer, as effects name it on its way to and from an outer port."""
    port = ServerAddress(LOCAL_IPV4, client.relayed.port)
    return FiveTuple(Transport.UDP, ClientAddress(peer.packed, peer.port), port)


def test_of_a_media_server_in_a_closed_call_a_path_mtu_is_told_and_nothing_else() -> None:
    relay = with_media_server()
    alice = relay.allocated("alice")
    alice.permit(SFU).accepted()
    alice.send(SFU, b"hello")
    assert told(relay, PORT_UNREACHABLE, _at(SFU, alice)) == []
    effects = told(relay, TOO_BIG, _at(SFU, alice))
    assert of_indication(effects, alice)[0] == SFU


def test_of_nobody_that_is_not_known_there_anything_is_told() -> None:
    relay = half_relayed()
    alice, bob = met(relay)
    there = outside(bob, alice.relayed)
    nowhere = there._replace(server=ServerAddress(LOCAL_IPV4, alice.relayed.port ^ 1))
    elsewhere = ClientAddress(bytes((198, 51, 100, 7)), 5004)
    another_port = outside(bob, alice.relayed, 5005)
    for unknown in (nowhere, there._replace(client=elsewhere), another_port):
        assert told(relay, TOO_BIG, unknown) == []


def test_without_a_permission_nothing_is_told() -> None:
    relay = half_relayed()
    alice, bob = met(relay)
    relay.advance(300)
    assert told(relay, TOO_BIG, outside(bob, alice.relayed)) == []


def test_once_both_are_masked_nothing_is_told() -> None:
    relay = half_relayed()
    alice, bob = met(relay)
    there = outside(bob, alice.relayed)
    relay.change(asked=["bob"])
    assert told(relay, TOO_BIG, there) == []


def test_of_the_masked_partys_own_address_the_other_hears_nothing() -> None:
    """Only what leaves an outer port is anybody's, and the unmasked party has none."""
    relay = half_relayed()
    alice, bob = met(relay)
    port = ServerAddress(LOCAL_IPV4, bob.relayed.port)
    address = ClientAddress(alice.five_tuple.client.packed, 5004)
    assert told(relay, TOO_BIG, FiveTuple(Transport.UDP, address, port)) == []
