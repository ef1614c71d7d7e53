"""Which of a leg's allocations is said to be the one in use: the one that carries the media."""

from relay.address import Transport
from tests.turn.client import CALL, Client, Relay


def over(relay: Relay, transport: Transport) -> Client:
    """An allocation of alice over this transport."""
    client = relay.client("alice", transport=transport)
    client.allocate().accepted()
    return client


def said(relay: Relay) -> Transport:
    """What is said of alice."""
    alice = relay.server.call(CALL, relay.clock.now).leg_of("alice")
    transport = relay.server.transport_of(alice)
    assert transport is not None
    return transport


def test_before_anything_crosses_it_is_the_latest() -> None:
    relay = Relay()
    for transport in (Transport.TLS, Transport.UDP, Transport.TCP):
        over(relay, transport)
        assert said(relay) is transport


def test_it_is_the_one_that_data_crossed_last() -> None:
    """ICE tries every allocation, and then keeps to one."""
    relay = Relay()
    bob = relay.allocated("bob")
    clients = [over(relay, transport) for transport in (Transport.UDP, Transport.TCP)]
    for client in clients:
        client.permit(bob.relayed).accepted()
        bob.permit(client.relayed).accepted()
    for client in clients:
        client.send(bob.relayed, b"check")
    assert said(relay) is Transport.TCP
    relay.advance(1)
    bob.send(clients[0].relayed, b"media")
    assert said(relay) is Transport.UDP


def test_it_is_the_one_with_a_route_whatever_came_later() -> None:
    relay = Relay()
    bob = relay.allocated("bob")
    udp = over(relay, Transport.UDP)
    udp.bind(0x4001, bob.relayed).accepted()
    bob.bind(0x4001, udp.relayed).accepted()
    tcp = over(relay, Transport.TCP)
    tcp.permit(bob.relayed).accepted()
    tcp.send(bob.relayed, b"check")
    assert said(relay) is Transport.UDP


def test_when_that_one_ends_it_is_another() -> None:
    relay = Relay()
    bob = relay.allocated("bob")
    udp = over(relay, Transport.UDP)
    udp.bind(0x4001, bob.relayed).accepted()
    bob.bind(0x4001, udp.relayed).accepted()
    over(relay, Transport.TLS)
    udp.refresh(0).accepted()
    assert said(relay) is Transport.TLS
