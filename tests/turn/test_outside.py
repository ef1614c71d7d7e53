"""Peers outside of the relay: listed ones, any that are not denied, and a call's media servers."""

import gc
import ipaddress
import random
from itertools import count

import pytest

from relay.address import ClientAddress, FiveTuple, PeerAddress, ServerAddress, Transport
from relay.calls.making import Order, Party
from relay.calls.reach import Listed
from relay.effects import (
    NO_CHANNEL,
    CallEnded,
    ClosePort,
    Count,
    Deliver,
    DropLeg,
    DropRoute,
    LegConnected,
    LegEnded,
    LegKey,
    OpenPort,
    SetLeg,
    SetRoute,
)
from relay.errors import CallError, DropReason
from relay.special_use import Denied
from relay.stun.attributes import Attribute
from relay.turn.outer import OuterPeer
from relay.turn.routes import PACKETS_FIRST
from tests.kit import wire
from tests.turn.client import CALL, LOCAL_IPV4, RELAY_IPV4, RULES, Client, Relay

NETWORK = ipaddress.ip_network("198.51.100.0/24")
MEDIA = Listed(NETWORK, range(10000, 20001))
ALLOWED = (NETWORK,)
SFU = PeerAddress(bytes((198, 51, 100, 7)), 10000)
PUBLIC = PeerAddress(bytes((9, 9, 9, 9)), 53)


def listed(**overrides: object) -> Relay:
    """A relay that lets users reach the media servers of one network."""
    given = {"listed_peers": (MEDIA,), "allow_private": ALLOWED, **overrides}
    relay = Relay(peers="listed", **given)
    relay.create("cv_open")
    return relay


def anywhere(**overrides: object) -> Relay:
    """A relay that lets users reach all that is not denied."""
    relay = Relay(peers="any", **overrides)
    relay.create("cv_open")
    return relay


def with_media_server(**overrides: object) -> Relay:
    """A relay with a call of alice, bob and a media server, in which alice wants privacy."""
    relay = Relay(allow_private=ALLOWED, **overrides)
    order_media_server(relay)
    return relay


def order_media_server(relay: Relay, call: str = CALL, *, ring: bool = False) -> None:
    one = Listed(ipaddress.ip_network("198.51.100.7"), range(10000, 20001))
    parties = (Party("alice", True), Party("bob"), Party("sfu", listed=one))
    relay.tokens, relay.created = ["alice", "bob", "sfu"], relay.created | {call}
    order = Order(parties, ring)
    relay.forwarding.apply(relay.server.create(call, order, {}, relay.clock.now))


def user(relay: Relay, leg: str = "alice") -> Client:
    """A client whose call is not closed, with its allocation."""
    return relay.allocated(leg, "cv_open")


def there(client: Client, peer: PeerAddress) -> FiveTuple:
    """A peer as effects name it: at the client's outer port."""
    server = ServerAddress(LOCAL_IPV4, client.relayed.port)
    return FiveTuple(Transport.UDP, ClientAddress(peer.packed, peer.port), server)


def from_outside(client: Client) -> LegKey:
    """What data that comes to this client from outside is charged to."""
    return LegKey("cv_open", f"{client.leg.leg} from outside to {client.relayed.port}")


def test_the_socket_is_open_and_both_directions_have_caps_before_the_client_hears() -> None:
    relay = listed()
    alice = relay.client("alice", "cv_open")
    effects = alice.allocate().before_answer()
    caps = RULES.bitrate_bps, RULES.packets_per_s
    assert effects == [
        SetLeg(alice.leg, *caps),
        LegConnected(alice.leg, Transport.UDP),
        SetLeg(from_outside(alice), *caps),
        OpenPort(ServerAddress(LOCAL_IPV4, alice.relayed.port), is_outer=True),
    ]


def test_everything_ends_with_the_allocation() -> None:
    relay = listed()
    alice = user(relay)
    alice.bind(0x4001, SFU).accepted()
    assert alice.refresh(0).before_answer()[:4] == [
        DropRoute(alice.five_tuple, 0x4001),
        DropRoute(there(alice, SFU), NO_CHANNEL),
        ClosePort(ServerAddress(LOCAL_IPV4, alice.relayed.port)),
        DropLeg(from_outside(alice)),
    ]
    assert relay.forwarding.legs == {alice.leg}
    gc.collect()
    assert not any(isinstance(each, OuterPeer) for each in gc.get_objects())


def test_a_channel_to_a_listed_peer_has_routes_both_ways() -> None:
    relay = listed()
    alice = user(relay)
    until = int((relay.clock.now.mono + 600) * 1e9)
    assert alice.bind(0x4001, SFU).before_answer() == [
        SetRoute(alice.five_tuple, 0x4001, there(alice, SFU), NO_CHANNEL, alice.leg, until),
        SetRoute(
            there(alice, SFU), NO_CHANNEL, alice.five_tuple, 0x4001, from_outside(alice), until
        ),
    ]


def test_data_crosses_both_ways_with_a_permission_and_names_the_peer() -> None:
    relay = listed()
    alice = user(relay)
    alice.permit(SFU).accepted()
    assert alice.send(SFU, b"up") == [Deliver(alice.leg, there(alice, SFU), b"up", 2)]
    (down,) = relay.receive_outside(b"down", SFU, alice.relayed)
    assert isinstance(down, Deliver)
    assert (down.leg, down.client, down.payload) == (from_outside(alice), alice.five_tuple, 4)
    assert wire.parse(down.datagram).address(Attribute.XOR_PEER_ADDRESS) == (SFU.packed, SFU.port)


def test_indications_have_a_route_in_both_directions_once_they_flow() -> None:
    relay = listed()
    alice = user(relay)
    alice.permit(SFU).accepted()
    for _ in range(PACKETS_FIRST):
        alice.send(SFU, b"up")
        relay.receive_outside(b"down", SFU, alice.relayed)
    until = int((relay.clock.now.mono + 300) * 1e9)
    peer, charged = there(alice, SFU), from_outside(alice)
    assert relay.forwarding.live(relay.clock.now) == [
        SetRoute(alice.five_tuple, SFU, peer, NO_CHANNEL, alice.leg, until),
        SetRoute(peer, NO_CHANNEL, alice.five_tuple, SFU, charged, until),
    ]
    relay.advance(301)
    assert relay.forwarding.routes == {}


def test_a_permission_is_for_every_listed_port_of_the_ip() -> None:
    relay = listed()
    alice = user(relay)
    alice.permit(SFU).accepted()
    other, unlisted = PeerAddress(SFU.packed, 20000), PeerAddress(SFU.packed, 20001)
    assert isinstance(relay.receive_outside(b"x", other, alice.relayed)[0], Deliver)
    refused = [Count(DropReason.UNKNOWN_SOURCE)]
    assert relay.receive_outside(b"x", unlisted, alice.relayed) == refused
    assert alice.send(unlisted, b"x") == [Count(DropReason.NOT_A_SIBLING, alice.leg)]


def test_what_nobody_asked_for_leaves_nothing_behind() -> None:
    relay = listed()
    alice = user(relay)
    for port in range(10000, 10500):
        source = PeerAddress(SFU.packed, port)
        refused = [Count(DropReason.UNKNOWN_SOURCE)]
        assert relay.receive_outside(b"x", source, alice.relayed) == refused
    gc.collect()
    assert not any(isinstance(each, OuterPeer) for each in gc.get_objects())


def test_of_many_ports_that_send_the_bound_one_is_kept() -> None:
    relay = listed()
    alice = user(relay)
    alice.bind(0x4001, SFU).accepted()
    for port in range(10001, 10600):
        relay.receive_outside(b"x", PeerAddress(SFU.packed, port), alice.relayed)
    gc.collect()
    known = [each for each in gc.get_objects() if isinstance(each, OuterPeer)]
    assert len(known) == 256
    (deliver,) = relay.receive_outside(b"x", SFU, alice.relayed)
    assert isinstance(deliver, Deliver)
    assert deliver.datagram == wire.channel_data(0x4001, b"x")


NOT_LISTED = [
    *(("198.51.100.7", port) for port in (0, 1, 53, 9999, 20001, 65535)),
    *((ip, 10000) for ip in ("198.51.99.255", "198.51.101.0", "127.0.0.1", "0.0.0.1", "10.1.2.3")),
    *((ip, 10000) for ip in ("255.255.255.255", "224.0.0.1", "169.254.169.254", "9.9.9.9")),
    *(("192.0.2.1", port) for port in (10000, 3478, 50000)),  # the relay's own
]


@pytest.mark.parametrize(("ip", "port"), NOT_LISTED)
def test_what_is_not_listed_is_refused_and_gets_nothing(ip: str, port: int) -> None:
    relay = listed()
    alice = user(relay)
    address = PeerAddress.parse(ip, port)
    assert alice.permit(address).code == 403
    assert alice.bind(0x4001, address).code == 403
    assert not any(isinstance(effect, Deliver) for effect in alice.send(address, b"x"))
    assert not any(
        isinstance(effect, Deliver)
        for effect in relay.receive_outside(b"x", address, alice.relayed)
    )


def test_160_000_attempts_outside_of_the_list_send_nothing() -> None:
    relay, drawn = listed(), random.Random(16)
    alice = user(relay)
    for _ in range(80_000):
        if drawn.random() < 0.3:
            other = drawn.choice([drawn.randrange(10_000), drawn.randrange(20_001, 65_536)])
            address = PeerAddress(SFU.packed, other)
        else:
            address = PeerAddress(
                bytes((drawn.choice((10, 127, 192, 203)),)) + drawn.randbytes(3), 1
            )
        for effects in (
            alice.send(address, b"x"),
            relay.receive_outside(b"x", address, alice.relayed),
        ):
            assert [type(effect) for effect in effects] == [Count]


def test_a_list_that_has_the_relay_itself_does_not_lead_there() -> None:
    own = Listed(ipaddress.ip_network("192.0.2.0/24"), range(1, 65536))
    allowed = (own.network,)
    is_this_host = ClientAddress.parse("192.0.2.99", 1).packed.__eq__
    relay = listed(listed_peers=(own,), allow_private=allowed, is_this_host=is_this_host)
    alice = user(relay)
    for ip in ("192.0.2.1", "192.0.2.99"):
        assert alice.permit(PeerAddress.parse(ip, 5000)).code == 403
    alice.permit(PeerAddress.parse("192.0.2.98", 5000)).accepted()


def test_users_of_one_relay_reach_each_other_as_well() -> None:
    relay = listed()
    relay.create("cv_other")
    alice, bob = user(relay), relay.allocated("bob", "cv_other")
    alice.permit(bob.relayed).accepted()
    bob.permit(alice.relayed).accepted()
    assert alice.send(bob.relayed, b"x")[0].leg == alice.leg  # type: ignore[union-attr]


@pytest.mark.parametrize("make", [listed, anywhere])
def test_a_closed_call_reaches_nobody_outside_whatever_peers_is(make: type[Relay]) -> None:
    relay = make()
    relay.create("cv_closed", asked=("alice",))
    alice = relay.client("alice", "cv_closed")
    assert not any(isinstance(each, OpenPort) for each in alice.allocate().before_answer())
    for address in (SFU, PUBLIC):
        assert alice.permit(address).code == 403


@pytest.mark.parametrize("make", [listed, anywhere])
def test_a_call_that_is_closed_later_loses_what_is_outside(make: type[Relay]) -> None:
    relay = make()
    alice = user(relay)
    peer = PUBLIC if make is anywhere else SFU
    alice.bind(0x4001, peer).accepted()
    relay.change(call="cv_open", asked=("alice",))
    assert relay.forwarding.routes == {}
    assert relay.forwarding.ports == set()
    assert alice.bind(0x4001, peer).code == 403
    assert not any(isinstance(each, Deliver) for each in alice.channel_data(0x4001, b"x"))


def test_an_allocation_whose_socket_could_not_be_opened_ends() -> None:
    relay = listed()
    alice = user(relay)
    port = ServerAddress(LOCAL_IPV4, alice.relayed.port)
    relay.forwarding.ports.discard(port)
    relay.forwarding.apply(relay.server.port_failed(port, is_taken=True, now=relay.clock.now))
    assert alice.permit(SFU).code == 437
    assert relay.forwarding.legs == {alice.leg}


def test_even_port_and_its_reservation_are_sockets_too() -> None:
    relay = listed()
    alice = relay.client("alice", "cv_open")
    alice.allocate((Attribute.EVEN_PORT, b"\x80")).accepted()
    assert ServerAddress(LOCAL_IPV4, alice.relayed.port) in relay.forwarding.ports
    assert alice.relayed.port % 2 == 0


# --- Any ----------------------------------------------------------------------------------------


def test_whoever_is_not_denied_is_a_peer() -> None:
    relay = anywhere()
    alice = user(relay)
    alice.permit(PUBLIC).accepted()
    assert alice.send(PUBLIC, b"q") == [Deliver(alice.leg, there(alice, PUBLIC), b"q", 1)]


def test_ranges_can_be_denied_and_private_ones_allowed() -> None:
    denied = Denied(True, (ipaddress.ip_network("9.9.9.0/24"),), ALLOWED)
    alice = user(anywhere(denied_peers=denied))
    assert alice.permit(PUBLIC).code == 403
    alice.permit(SFU).accepted()


def test_without_the_default_loopback_and_the_like_are_denied_all_the_same() -> None:
    alice = user(anywhere(denied_peers=Denied(False, ())))
    alice.permit(PeerAddress.parse("10.0.0.1", 1)).accepted()
    for ip in ("127.0.0.1", "0.0.0.1", "169.254.1.1", "224.0.0.1", "255.255.255.255", "10.1.2.3"):
        assert alice.permit(PeerAddress.parse(ip, 1)).code == 403


@pytest.mark.parametrize("length", [4, 16])
def test_python_denies_nothing_that_is_allowed_here(length: int) -> None:
    """`ipaddress` as the oracle, half of the cases near the special-use ranges."""
    ip = bytes((192, 0, 2, 1)) if length == 4 else bytes.fromhex("20010db8") + bytes(11) + b"\1"
    relay = anywhere(relayed_ips=(ip,), local_ips=(ip,))
    port = relay.server._turn._outsides.of(relay.server.page(0, 1)[0].legs[0], 50000)
    drawn, allowed = random.Random(length), 0
    heads = [bytes(x) for x in ((10,), (127,), (100, 64), (192, 168), (172, 16), (0,), (224,))]
    heads += [bytes(10) + b"\xff\xff", bytes.fromhex("0064ff9b") + bytes(8), b"\x20\x02", b"\xfe"]
    heads += [b"\xfc", bytes(12), b"\x20\x01", b"\xff"]
    heads = [each for each in heads if len(each) < length]
    for number in range(20_000):
        head = drawn.choice(heads) if number % 2 else b""
        address = PeerAddress(head + drawn.randbytes(length - len(head)), 4000)
        parsed = ipaddress.ip_address(address.packed)
        inner = _inside(parsed)
        if port.leg_at(address) is not None:
            allowed += 1
            assert parsed.is_global
            assert not parsed.is_multicast
            assert inner is None
    assert allowed > 1000


def _inside(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one has inside."""
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    teredo = ip.teredo[1] if ip.teredo else None
    return ip.ipv4_mapped or ip.sixtofour or teredo


# --- Media servers of a call --------------------------------------------------------------------


def test_a_media_server_of_a_call_is_reached_by_its_parties() -> None:
    relay = with_media_server()
    alice = relay.client("alice")
    sfu = LegKey(CALL, "sfu")
    times = RULES.legs_per_call
    effects = alice.allocate().before_answer()
    assert SetLeg(sfu, times * RULES.bitrate_bps, times * RULES.packets_per_s) in effects
    until = int((relay.clock.now.mono + 600) * 1e9)
    assert alice.bind(0x4001, SFU).before_answer() == [
        SetRoute(alice.five_tuple, 0x4001, there(alice, SFU), NO_CHANNEL, alice.leg, until),
        SetRoute(there(alice, SFU), NO_CHANNEL, alice.five_tuple, 0x4001, sfu, until),
    ]
    bob = relay.allocated("bob")
    bob.bind(0x4001, SFU).accepted()
    assert len(relay.forwarding.live(relay.clock.now)) == 4


def test_its_parties_reach_nothing_else() -> None:
    relay = with_media_server()
    alice = relay.allocated("alice")
    others = [("198.51.100.7", 9999), ("198.51.100.8", 10000), ("9.9.9.9", 10000)]
    for ip, port in others:
        assert alice.permit(PeerAddress.parse(ip, port)).code == 403
    relay.create("cv_other", asked=("alice", "bob"))
    stranger = relay.allocated("alice", "cv_other")
    assert stranger.permit(SFU).code == 403
    assert alice.permit(stranger.relayed).code == 403


def test_while_the_call_rings_nothing_crosses_and_no_socket_is_open() -> None:
    relay = Relay(allow_private=ALLOWED)
    order_media_server(relay, ring=True)
    alice = relay.allocated("alice")
    assert relay.forwarding.ports == set()
    alice.bind(0x4001, SFU).accepted()
    assert alice.channel_data(0x4001, b"x") == [Count(DropReason.RINGING, alice.leg)]
    relay.accept()
    assert relay.forwarding.ports == {ServerAddress(LOCAL_IPV4, alice.relayed.port)}
    assert len(relay.forwarding.live(relay.clock.now)) == 2


def test_who_answers_leaves_the_media_server_in_the_call() -> None:
    relay = Relay(allow_private=ALLOWED)
    order_media_server(relay, ring=True)
    relay.accept(answered="bob")
    assert [leg.name for leg in relay.server.call(CALL, relay.clock.now).legs] == [
        *("alice", "bob", "sfu")
    ]


def test_a_call_with_a_media_server_is_closed_though_nobody_asked() -> None:
    relay = listed()
    one = Listed(ipaddress.ip_network("198.51.100.7"), range(10000, 20001))
    relay.tokens = ["alice", "sfu"]
    order = Order((Party("alice"), Party("sfu", listed=one)), ring=False)
    relay.forwarding.apply(relay.server.create("cv_plain", order, {}, relay.clock.now))
    relay.created.add("cv_plain")
    alice, stranger = relay.allocated("alice", "cv_plain"), user(relay, "bob")
    assert alice.permit(stranger.relayed).code == 403
    assert alice.permit(PeerAddress(bytes((198, 51, 100, 8)), 10000)).code == 403
    alice.permit(SFU).accepted()


def test_a_media_server_that_leaves_is_reached_no_longer() -> None:
    relay = with_media_server()
    alice = relay.allocated("alice")
    alice.bind(0x4001, SFU).accepted()
    assert relay.end_party("sfu") == [
        DropRoute(there(alice, SFU), NO_CHANNEL),
        DropRoute(alice.five_tuple, 0x4001),
        ClosePort(ServerAddress(LOCAL_IPV4, alice.relayed.port)),
        LegEnded(LegKey(CALL, "sfu")),
        DropLeg(LegKey(CALL, "sfu")),
    ]
    assert alice.permit(SFU).code == 403


def test_the_call_is_over_with_its_last_party_but_the_media_server() -> None:
    relay = with_media_server()
    relay.allocated("alice")
    relay.end_party("bob")
    assert any(isinstance(each, CallEnded) for each in relay.end_party("alice"))
    assert relay.forwarding.legs == set()
    assert relay.forwarding.ports == set()


def test_nobody_allocates_as_a_media_server() -> None:
    relay = with_media_server()
    assert relay.client("sfu").allocate().code == 403


def test_privacy_can_be_switched_on_in_such_a_call_but_not_for_the_media_server() -> None:
    relay = with_media_server()
    alice, bob = relay.allocated("alice"), relay.allocated("bob")
    for client in (alice, bob):
        client.bind(0x4001, SFU).accepted()
    relay.change(asked=("bob",))
    call = relay.server.call(CALL, relay.clock.now)
    assert call.masked == ["alice", "bob"]
    assert len(relay.forwarding.live(relay.clock.now)) == 4
    with pytest.raises(CallError, match="media server"):
        relay.change(asked=("sfu",))


def test_a_call_with_a_media_server_is_never_half_relayed() -> None:
    relay = with_media_server()
    call = relay.server.call(CALL, relay.clock.now)
    assert call.masked == ["alice"]
    assert not call.half_relayed
    alice, bob = relay.pair()
    own = PeerAddress(bob.five_tuple.client.packed, 5004)
    assert alice.permit(own).code == 403


def at(ip: str) -> Listed:
    """A media server with one port."""
    return Listed(ipaddress.ip_network(ip), range(9, 10))


@pytest.mark.parametrize(
    "parties",
    [
        (Party("sfu", listed=MEDIA), Party("alice")),
        (Party("alice"), Party("sfu", True, listed=MEDIA)),
        (
            Party("alice"),
            Party("sfu", listed=Listed(ipaddress.ip_network("10.0.0.1"), range(9, 10))),
        ),
        (
            Party("alice"),
            Party("sfu", listed=Listed(ipaddress.ip_network("127.0.0.1"), range(9, 10))),
        ),
        (
            Party("alice"),
            Party("sfu", listed=Listed(ipaddress.ip_network("192.0.2.1"), range(9, 10))),
        ),
        (
            Party("alice"),
            Party("sfu", listed=Listed(ipaddress.ip_network("10.1.2.3"), range(9, 10))),
        ),
    ],
)
def test_a_wrong_media_server_is_refused(parties: tuple[Party, ...]) -> None:
    relay = Relay(allow_private=ALLOWED)
    numbers = count()
    relay.tokens = [f"leg{next(numbers)}" for _ in parties]
    with pytest.raises(CallError) as caught:
        relay.server.create("cv_x", Order(parties), {}, relay.clock.now)
    assert caught.value.kind == "invalid_request"
    assert relay.server.page(0, 10) == []


def test_without_a_port_that_is_free_the_allocation_is_refused() -> None:
    relay = with_media_server(ports=range(50000, 50001))
    relay.allocated("alice")
    assert relay.client("bob").allocate().code == 508


def test_a_relay_that_has_no_socket_to_give_refuses_a_media_servers_call() -> None:
    assert with_media_server(local_ips=()).client("alice").allocate().code == 508


def test_the_relays_own_address_is_named_by_none_of_its_spellings() -> None:
    relay = anywhere()
    alice = user(relay)
    for address in (RELAY_IPV4, LOCAL_IPV4):
        for port in (1, 3478, 8080, 50000, 65535):
            assert alice.permit(PeerAddress(address, port)).code == 403


@pytest.mark.parametrize("end", ["refresh", "call", "revealed"])
def test_no_address_is_kept_when_it_is_no_peer_any_more(end: str) -> None:
    """With a route of indications, whose end is queued."""
    relay = listed()
    alice = user(relay)
    alice.permit(SFU).accepted()
    for _ in range(PACKETS_FIRST + 1):
        alice.send(SFU, b"up")
        relay.receive_outside(b"down", SFU, alice.relayed)
    assert relay.forwarding.live(relay.clock.now) != []
    if end == "refresh":
        alice.refresh(0).accepted()
    elif end == "call":
        relay.end("cv_open")
    else:
        relay.change(call="cv_open", asked=("alice",))
    gc.collect()
    assert not any(isinstance(each, OuterPeer) for each in gc.get_objects())
