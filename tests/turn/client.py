"""A TURN client and a clock, all in memory, around the real server.

Rules of this file: nothing here knows how the server works inside; what a client knows it has from
datagrams the server sent. A call whose name begins with `cv_` is one that the API created; every
other begins with a credential.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

from relay.address import IPV4, ClientAddress, FiveTuple, PeerAddress, ServerAddress, Transport
from relay.calls.changes import Change, PartyChange
from relay.calls.ended import is_registered
from relay.calls.leaving import AnsweredBy
from relay.calls.making import Order, Party
from relay.calls.rules import Masking, Rules
from relay.clock import Now
from relay.effects import (
    Answered,
    Effect,
    LegKey,
    Send,
)
from relay.ice.settings import PortSettings
from relay.server import Server, ServerSettings
from relay.special_use import Denied
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method
from relay.turn.settings import TurnSettings
from tests.kit import wire

from .forwarding import Forwarding

RELAY_IPV4 = bytes((192, 0, 2, 1))
LOCAL_IPV4 = bytes((10, 1, 2, 3))
"""What the relay's host calls its public IPv4 address, behind NAT."""
RELAY_IPV6 = bytes.fromhex("20010db8000000000000000000000001")
CLIENT_NET = bytes((198, 18))
"""Clients get an address each: RFC 2544 benchmarking addresses, which nothing here relays to."""
CLIENT_NET_IPV6 = bytes.fromhex("20010db8cafe") + bytes(8)
LISTENER = ServerAddress(bytes((192, 0, 2, 10)), 3478)
LISTENER_IPV6 = ServerAddress(RELAY_IPV6[:-1] + b"\x10", 3478)
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

RULES = Rules(
    masking=Masking.OPTED_IN,
    legs_per_call=64,
    bitrate_bps=4_000_000,
    packets_per_s=2_000,
    call_duration_s=1_000_000,
)
"""Calls that outlive every test; who asks for privacy is masked, and nobody else."""

CALL = "cv_call"
"""The call that clients are in unless a test says otherwise."""

PARTIES = ("alice", "bob", "carol", "dan")
"""Of a call that no test has created; none of them asks for privacy."""


NO_PORTS = PortSettings(
    addresses=(),
    mask_mapped_address=True,
    unauthenticated_per_s=10,
    rate_key=bytes(32),
    denied=Denied(default=True),
    is_this_host=lambda _: False,
)
"""No call here is in ports mode."""


class Clock:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.now = Now(mono=5000.0, wall=1_800_000_000.0)

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self.now = Now(self.now.mono + seconds, self.now.wall + seconds)


class Relay:
    """The server under test with its surroundings; `overrides` are fields of `TurnSettings`."""

    def __init__(self, **overrides: object) -> None:
        self.settings = replace(SETTINGS, **overrides)  # type: ignore[arg-type]  # by field name
        self.clock = Clock()
        self.forwarding = Forwarding()
        self.random = random.Random(7)
        self.tokens: list[str] = []
        settings = ServerSettings(self.settings, NO_PORTS)
        self.server = Server(settings, RULES, self.random.randbytes, lambda: self.tokens.pop(0))
        self.created: set[str] = set()
        self.clients = 0

    def create(
        self,
        call: str = CALL,
        parties: Iterable[str] = PARTIES,
        *,
        asked: Iterable[str] = (),
        ring: bool = False,
        max_duration_s: int | None = None,
        max_bitrate_bps: int | None = None,
    ) -> list[Effect]:
        """Create a call; its parties are called as their legs are, and those that asked for
        privacy are masked.
        """
        self.tokens = list(parties)
        chosen = tuple(Party(leg, leg in asked) for leg in self.tokens)
        self.created.add(call)
        order = Order(chosen, ring, max_duration_s, max_bitrate_bps)
        return self.forwarding.apply(self.server.create(call, order, {}, self.clock.now))

    def client(
        self,
        leg: str = "alice",
        call: str = CALL,
        *,
        transport: Transport = Transport.UDP,
        listener: ServerAddress = LISTENER,
        ttl_s: int = 3600,
        secret: str = SECRET,
    ) -> "Client":
        """A new client on an address of its own, with a credential for this leg."""
        if is_registered(call) and call not in self.created:
            self.create(call)
        self.clients += 1
        net = CLIENT_NET if listener.family == IPV4 else CLIENT_NET_IPV6
        address = ClientAddress(net + self.clients.to_bytes(2, "big"), 40000)
        username = f"{int(self.clock.now.wall) + ttl_s}:{call}:{leg}"
        five_tuple = FiveTuple(transport, address, listener)
        return Client(self, five_tuple, LegKey(call, leg), username, secret)

    def user(
        self, username: str, password: str | None = None, transport: Transport = Transport.UDP
    ) -> "Client":
        """A new client with this username.

        Args:
            password: None for the one that a shared secret gives.
        """
        client = self.client("", "", transport=transport)
        client.use(username, password or wire.rest_password(SECRET, username))
        return client

    def revoke(self, user: str, for_s: int | None = None) -> list[Effect]:
        """A user is revoked."""
        return self.forwarding.apply(self.server.revoke_user(user, for_s, self.clock.now))

    def allocated(self, leg: str = "alice", call: str = CALL) -> "Client":
        """A new client that has its allocation."""
        client = self.client(leg, call)
        client.allocate().accepted()
        return client

    def pair(self, call: str = CALL) -> tuple["Client", "Client"]:
        """Two legs of one call, both allocated, neither with a permission yet."""
        return self.allocated("alice", call), self.allocated("bob", call)

    def bound_pair(self, call: str = CALL) -> tuple["Client", "Client"]:
        """Two legs of one call with channels to each other: alice's 0x4001, bob's 0x4002."""
        alice, bob = self.pair(call)
        alice.bind(0x4001, bob.relayed).accepted()
        bob.bind(0x4002, alice.relayed).accepted()
        return alice, bob

    def accept(self, call: str = CALL, answered: str | None = None) -> list[Effect]:
        """The call was accepted: by this party, or by all."""
        by = AnsweredBy(party=answered) if answered else None
        return self.forwarding.apply(self.server.accept(call, by, self.clock.now))

    def change(
        self, *legs: str, call: str = CALL, asked: Iterable[str] = (), lasts_s: int | None = None
    ) -> list[Effect]:
        """More parties, more of those who are there asked for privacy, or more time."""
        named = dict.fromkeys([*legs, *asked])
        there = {leg.id for leg in self.server.call(call, self.clock.now).legs}
        self.tokens = [leg for leg in named if leg not in there]
        parties = [PartyChange(leg, True if leg in asked else None) for leg in named]
        change = Change(tuple(parties), lasts_s)
        return self.forwarding.apply(self.server.change(call, change, self.clock.now))

    def end(self, call: str = CALL) -> list[Effect]:
        """The call has ended."""
        return self.forwarding.apply(self.server.end(call, self.clock.now))

    def end_party(self, leg: str, call: str = CALL) -> list[Effect]:
        """A party has left the call."""
        return self.forwarding.apply(self.server.end_party(call, leg, self.clock.now))

    def live(self) -> list[str]:
        """The calls that there are, eldest first."""
        return [call.id for call in self.server.page(0, 1_000_000)]

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
        return self.forwarding.apply(self.server.receive_at_port(datagram, five_tuple, now))

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
        live = self.forwarding.live(self.clock.now)
        assert len(live) == len(self.forwarding.routes), "a route that has run out is still there"
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
        self.use(username, wire.rest_password(secret, username))
        self.realm = REALM.encode()
        self.nonce = b""
        self.relayed = self.second = PeerAddress(bytes(4), 0)
        self.sha256 = False

    def use(self, username: str, password: str) -> None:
        """Have this credential from now on."""
        self.username = username
        self.key = wire.long_term_key(username, REALM, password)

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
        attributes: Iterable[wire.Pair],
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
        self, method: int, *attributes: wire.Pair, transaction_id: bytes | None = None
    ) -> Exchange:
        """Send one authenticated request."""
        datagram = self.signed(method, attributes, transaction_id or self.transaction())
        return Exchange(self, self.relay.receive(datagram, self.five_tuple))

    def allocate(
        self,
        *attributes: wire.Pair,
        protocol: int = UDP_RELAYED,
        transaction_id: bytes | None = None,
    ) -> Exchange:
        """Allocate, and remember the relayed address if it worked, and the second if there is."""
        exchange = self.request(
            Method.ALLOCATE,
            wire.transport(protocol),
            *attributes,
            transaction_id=transaction_id,
        )
        if exchange.code == 0:
            given = exchange.answer.addresses(Attribute.XOR_RELAYED_ADDRESS)
            self.relayed, self.second = PeerAddress(*given[0]), PeerAddress(*given[-1])
        return exchange

    def refresh(self, lifetime_s: int | None = None, *attributes: wire.Pair) -> Exchange:
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

    def send(self, peer: PeerAddress, data: bytes, *more: wire.Pair) -> list[Effect]:
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
