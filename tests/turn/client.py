"""A TURN client, a clock and the calls, all in memory, around the real server.

Rules of this file: nothing here knows how the server works inside; what a client knows it has from
datagrams the server sent.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from relay.address import ClientAddress, FiveTuple, PeerAddress, ServerAddress, Transport
from relay.clock import Now
from relay.effects import (
    NO_CHANNEL,
    Answered,
    ClosePort,
    Deliver,
    DropLeg,
    DropRoute,
    Effect,
    LegKey,
    OpenOuterPort,
    Send,
    SetLeg,
    SetRoute,
    Via,
)
from relay.errors import Rejected
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method
from relay.turn.server import Server
from relay.turn.settings import TurnSettings
from tests.kit import wire

RELAY_IPV4 = bytes((192, 0, 2, 1))
LOCAL_IPV4 = bytes((10, 1, 2, 3))
"""What the relay's host calls its public IPv4 address, behind NAT."""
RELAY_IPV6 = bytes.fromhex("20010db8000000000000000000000001")
CLIENT_NET = bytes((198, 18))
"""Clients get an address each: RFC 2544 benchmarking addresses, which nothing here relays to."""
LISTENER = ServerAddress(bytes((192, 0, 2, 10)), 3478)
SECRET, OLD_SECRET = "the first secret mints", "an older one still verifies"
REALM = "r"
UDP_RELAYED = 17
"""REQUESTED-TRANSPORT's number of UDP."""

SETTINGS = TurnSettings(
    realm=REALM,
    secrets=(SECRET, OLD_SECRET),
    relayed_ips=(RELAY_IPV4,),
    ports=range(50000, 50200),
    peers="call",
    mask_mapped_address=True,
    stun_binding=False,
    allocations_per_leg=4,
    allocations=1000,
    unauthenticated_per_s=10,
    nonce_key=bytes(range(32)),
    local_ips=(LOCAL_IPV4,),
)


class Clock:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.now = Now(mono=5000.0, wall=1_800_000_000.0)

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self.now = Now(self.now.mono + seconds, self.now.wall + seconds)


@dataclass
class Leave:
    """A grant; what `relay.turn.authority.Grant` asks for."""

    open: bool = True
    masked: bool = False
    closed: bool = True
    half_relayed: bool = False
    expires: float = 1e9
    bitrate_bps: int = 4_000_000
    packets_per_s: int = 2_000


@dataclass
class Directory:
    """The calls: every call that is not refused exists; `closed` is what new ones are, and `masked`
    are legs, of any call, that are masked in any case.
    """

    closed: bool = True

    calls: dict[str, Leave] = field(default_factory=dict)
    masked: set[str] = field(default_factory=set)
    refused: dict[str, int] = field(default_factory=dict)
    asked: list[LegKey] = field(default_factory=list)

    def of(self, call: str) -> Leave:
        """The grant that every leg of this call gets."""
        return self.calls.setdefault(call, Leave(closed=self.closed))

    def admit(self, call: str, leg: str, now: Now) -> Leave:
        """Decide whether a leg may allocate; see `relay.turn.authority.Calls`."""
        del now
        self.asked.append(LegKey(call, leg))
        if call in self.refused:
            raise Rejected(self.refused[call])
        leave = self.of(call)
        return replace(leave, masked=True) if leg in self.masked else leave


class Forwarding:
    """What the doing side would hold: routes and legs, from the effects alone, in their order."""

    def __init__(self) -> None:
        self.routes: dict[tuple[FiveTuple, Via], SetRoute] = {}
        self.legs: set[LegKey] = set()
        self.ports: set[ServerAddress] = set()

    def apply(self, effects: list[Effect]) -> list[Effect]:
        """Do these effects; a route or data of a leg that is not known is a failed assertion."""
        for effect in effects:
            match effect:
                case SetLeg():
                    self.legs.add(effect.leg)
                case DropLeg():
                    self.legs.remove(effect.leg)
                    assert all(route.leg != effect.leg for route in self.routes.values())
                case OpenOuterPort():
                    assert effect.address not in self.ports
                    self.ports.add(effect.address)
                case ClosePort():
                    self.ports.remove(effect.address)
                    for route in self.routes.values():
                        assert effect.address not in (route.source.server, route.target.server)
                case SetRoute():
                    assert effect.leg in self.legs
                    bare = [effect.source.server] if effect.channel == NO_CHANNEL else []
                    bare += [effect.target.server] if effect.target_channel == NO_CHANNEL else []
                    assert self.ports.issuperset(bare)
                    self.routes[effect.source, effect.channel] = effect
                case DropRoute():
                    self.routes.pop((effect.source, effect.channel), None)
                case Deliver():
                    assert effect.leg in self.legs
                case _:
                    pass
        return effects

    def live(self, now: Now) -> list[SetRoute]:
        """Routes that forward something at this moment."""
        return [route for route in self.routes.values() if route.expires_ns > now.mono * 1e9]


class Relay:
    """The server under test with its surroundings; `overrides` are fields of `TurnSettings`."""

    def __init__(self, **overrides: object) -> None:
        self.settings = replace(SETTINGS, **overrides)  # type: ignore[arg-type]  # by field name
        self.clock = Clock()
        self.directory = Directory()
        self.forwarding = Forwarding()
        self.random = random.Random(7)
        self.server = Server(self.settings, self.directory, self.random.randbytes)
        self.clients = 0

    def client(
        self,
        leg: str = "alice",
        call: str = "call",
        *,
        transport: Transport = Transport.UDP,
        ttl_s: int = 3600,
        secret: str = SECRET,
    ) -> "Client":
        """A new client on an address of its own, with a credential for this leg."""
        self.clients += 1
        address = ClientAddress(CLIENT_NET + self.clients.to_bytes(2, "big"), 40000)
        username = f"{int(self.clock.now.wall) + ttl_s}:{call}:{leg}"
        five_tuple = FiveTuple(transport, address, LISTENER)
        return Client(self, five_tuple, LegKey(call, leg), username, secret)

    def allocated(self, leg: str = "alice", call: str = "call") -> "Client":
        """A new client that has its allocation."""
        client = self.client(leg, call)
        client.allocate().accepted()
        return client

    def pair(self, call: str = "call") -> tuple["Client", "Client"]:
        """Two legs of one call, both allocated, neither with a permission yet."""
        return self.allocated("alice", call), self.allocated("bob", call)

    def bound_pair(self, call: str = "call") -> tuple["Client", "Client"]:
        """Two legs of one call with channels to each other: alice's 0x4001, bob's 0x4002."""
        alice, bob = self.pair(call)
        alice.bind(0x4001, bob.relayed).accepted()
        bob.bind(0x4002, alice.relayed).accepted()
        return alice, bob

    def ringing(self, call: str = "call") -> None:
        """Make this call a ringing one; before its first allocation."""
        self.directory.of(call).open = False

    def open(self, call: str = "call") -> list[Effect]:
        """The call was accepted."""
        self.directory.of(call).open = True
        return self.forwarding.apply(self.server.open_call(call, self.clock.now))

    def end(self, call: str = "call") -> list[Effect]:
        """The call has ended; admitted again only where a test says so."""
        return self.forwarding.apply(self.server.end_call(call, self.clock.now))

    def disconnect(self, client: "Client") -> list[Effect]:
        """The client's TCP or TLS connection ended."""
        return self.forwarding.apply(self.server.disconnect(client.five_tuple, self.clock.now))

    def receive(self, datagram: bytes, client: FiveTuple) -> list[Effect]:
        """One datagram from the network."""
        return self.forwarding.apply(self.server.receive(datagram, client, self.clock.now))

    def receive_outside(
        self, datagram: bytes, source: PeerAddress, relayed: PeerAddress
    ) -> list[Effect]:
        """One datagram from an address without TURN to a relayed one."""
        client = ClientAddress(source.packed, source.port)
        port = ServerAddress(LOCAL_IPV4, relayed.port)
        five_tuple = FiveTuple(Transport.UDP, client, port)
        now = self.clock.now
        return self.forwarding.apply(self.server.receive_outside(datagram, five_tuple, now))

    def advance(self, seconds: float) -> list[Effect]:
        """Let time pass with the daemon calling `handle_timeout` whenever it is due."""
        until = self.clock.now.mono + seconds
        effects: list[Effect] = []
        while (due := self.server.next_timeout()) is not None and due <= until:
            self.clock.advance(max(0.0, due - self.clock.now.mono))
            effects += self.forwarding.apply(self.server.handle_timeout(self.clock.now))
            following = self.server.next_timeout()
            assert following is None or following > due, "a timeout that was handled is due again"
        self.clock.advance(until - self.clock.now.mono)
        return effects


@dataclass(frozen=True)
class Exchange:
    """One request and everything that came of it."""

    client: "Client"
    effects: list[Effect]

    @property
    def datagram(self) -> bytes:
        """The one datagram sent back to the client."""
        (send,) = [effect for effect in self.effects if isinstance(effect, Send)]
        assert send.client == self.client.five_tuple
        return send.datagram

    @property
    def answer(self) -> wire.Stun:
        """The response, taken apart."""
        return wire.parse(self.datagram)

    @property
    def code(self) -> int:
        """0 for success, else the error code; response and `Answered` must agree."""
        answer = self.answer
        assert self.effects[-2:] == [
            Send(self.client.five_tuple, self.datagram),
            Answered(answer.method, answer.code),
        ]
        return answer.code

    def accepted(self) -> wire.Stun:
        """The success response, signed as RFC 8489 section 9.2.4 asks."""
        assert self.code == 0
        assert self.answer.is_signed_with(self.client.key)
        return self.answer

    def before_answer(self) -> list[Effect]:
        """What had to be done before the client heard of it."""
        assert self.code is not None
        return self.effects[:-2]


class Client:
    """One party's TURN client on one five-tuple."""

    def __init__(
        self, relay: Relay, five_tuple: FiveTuple, leg: LegKey, username: str, secret: str
    ) -> None:
        self.relay = relay
        self.five_tuple = five_tuple
        self.leg = leg
        self.username = username
        self.key = wire.long_term_key(username, REALM, wire.rest_password(secret, username))
        self.realm = REALM.encode()
        self.nonce = b""
        self.relayed = PeerAddress(bytes(4), 0)
        self.sha256 = False

    def transaction(self) -> bytes:
        """A new transaction id."""
        return self.relay.random.randbytes(12)

    def challenge(self) -> Exchange:
        """The Allocate request without integrity that every client starts with."""
        request = wire.build(
            Method.ALLOCATE, Class.REQUEST, self.transaction(), [wire.transport(UDP_RELAYED)]
        )
        exchange = Exchange(self, self.relay.receive(request, self.five_tuple))
        self.nonce = exchange.answer.value(Attribute.NONCE)
        return exchange

    def signed(
        self,
        method: int,
        attributes: Iterable[tuple[int, bytes]],
        transaction_id: bytes,
    ) -> bytes:
        """A request with this client's credentials and its latest nonce."""
        if not self.nonce:
            self.challenge()
        return wire.build(
            method,
            Class.REQUEST,
            transaction_id,
            [
                *attributes,
                (Attribute.USERNAME, self.username.encode()),
                (Attribute.REALM, self.realm),
                (Attribute.NONCE, self.nonce),
            ],
            key=self.key,
            sha256=self.sha256,
        )

    def request(
        self, method: int, *attributes: tuple[int, bytes], transaction_id: bytes | None = None
    ) -> Exchange:
        """Send one authenticated request."""
        datagram = self.signed(method, attributes, transaction_id or self.transaction())
        return Exchange(self, self.relay.receive(datagram, self.five_tuple))

    def allocate(
        self,
        *attributes: tuple[int, bytes],
        protocol: int = UDP_RELAYED,
        transaction_id: bytes | None = None,
    ) -> Exchange:
        """Allocate, and remember the relayed address if it worked."""
        exchange = self.request(
            Method.ALLOCATE,
            wire.transport(protocol),
            *attributes,
            transaction_id=transaction_id,
        )
        if exchange.code == 0:
            self.relayed = PeerAddress(*exchange.answer.address(Attribute.XOR_RELAYED_ADDRESS))
        return exchange

    def refresh(self, lifetime_s: int | None = None, *attributes: tuple[int, bytes]) -> Exchange:
        """Refresh the allocation, or delete it with 0."""
        chosen = [] if lifetime_s is None else [wire.lifetime(lifetime_s)]
        return self.request(Method.REFRESH, *chosen, *attributes)

    def permit(self, *peers: PeerAddress) -> Exchange:
        """CreatePermission for these peers."""
        transaction_id = self.transaction()
        named = [wire.peer(peer, transaction_id) for peer in peers]
        return self.request(Method.CREATE_PERMISSION, *named, transaction_id=transaction_id)

    def bind(self, channel: int, peer: PeerAddress) -> Exchange:
        """ChannelBind."""
        transaction_id = self.transaction()
        named = (wire.channel_number(channel), wire.peer(peer, transaction_id))
        return self.request(Method.CHANNEL_BIND, *named, transaction_id=transaction_id)

    def keep(self, lifetime_s: int = 3600) -> None:
        """Refresh the allocation, taking a new nonce where the old one is stale."""
        exchange = self.refresh(lifetime_s)
        if exchange.code == 438:
            self.nonce = exchange.answer.value(Attribute.NONCE)
            exchange = self.refresh(lifetime_s)
        exchange.accepted()

    def send(self, peer: PeerAddress, data: bytes, *more: tuple[int, bytes]) -> list[Effect]:
        """A Send indication."""
        transaction_id = self.transaction()
        attributes = [wire.peer(peer, transaction_id), (int(Attribute.DATA), data), *more]
        return self.indicate(Method.SEND, attributes, transaction_id)

    def indicate(
        self, method: int, attributes: wire.Attributes, transaction_id: bytes
    ) -> list[Effect]:
        """Any indication; never authenticated (RFC 8656 section 5)."""
        datagram = wire.build(method, Class.INDICATION, transaction_id, attributes)
        return self.relay.receive(datagram, self.five_tuple)

    def channel_data(self, channel: int, data: bytes) -> list[Effect]:
        """A ChannelData message."""
        return self.relay.receive(wire.channel_data(channel, data), self.five_tuple)
