"""The server with calls in ports mode: a clock, parties and the doing side's tables, in memory.

Rules of this file: nothing here knows how the core works inside; checks are built from the RFCs by
`tests.kit.wire`.
"""

import ipaddress
import random
from dataclasses import dataclass, field, replace

from relay.address import ClientAddress, FiveTuple, PeerAddress, ServerAddress, Transport
from relay.calls.changes import Change
from relay.calls.making import Order, Party
from relay.calls.rules import Masking, Rules
from relay.clock import Now
from relay.effects import (
    NO_CHANNEL,
    CallCreated,
    ClosePort,
    Deliver,
    DropLeg,
    DropRoute,
    Effect,
    LegKey,
    OpenPort,
    Send,
    SetLeg,
    SetRoute,
)
from relay.ice.access import Access, Endpoint, IceCredentials
from relay.ice.consent import CONSENT_S
from relay.ice.routes import ROUTE_LIFETIME_S
from relay.ice.settings import PortSettings
from relay.server import Server, ServerSettings
from relay.special_use import Denied
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method
from relay.turn.settings import TurnSettings
from tests.calls.events import Events
from tests.kit import wire

PUBLIC_V4, LOCAL_V4 = "192.0.2.1", "10.0.0.1"
PUBLIC_V6 = "2001:db8::1"
ANOTHER_OF_THE_HOST = "198.51.100.254"
PORTS = range(50000, 50100)
SETTINGS = PortSettings(
    addresses=(
        (PeerAddress.parse(PUBLIC_V4, 0), ServerAddress.parse(LOCAL_V4, 0)),
        (PeerAddress.parse(PUBLIC_V6, 0), ServerAddress.parse(PUBLIC_V6, 0)),
    ),
    mask_mapped_address=True,
    unauthenticated_per_s=10,
    rate_key=bytes(32),
    denied=Denied(
        default=True,
        allowed=tuple(
            ipaddress.ip_network(text)
            for text in ("198.51.100.0/24", "203.0.113.0/24", "2001:db8:9::/48")
        ),
    ),
    is_this_host=lambda packed: ipaddress.ip_address(packed).exploded == ANOTHER_OF_THE_HOST,
)
NO_TURN = TurnSettings(
    realm="r",
    secrets=("none is used",),
    relayed_ips=(),
    ports=PORTS,
    peers="call",
    mask_mapped_address=True,
    stun_binding=False,
    allocations_per_leg=1,
    allocations=1,
    unauthenticated_per_s=10,
    nonce_key=bytes(32),
)
CALL = "cv_call"
WHO = "alice", "bob"
ALICE, BOB = (LegKey(CALL, who) for who in WHO)
RULES = Rules(bitrate_bps=1000, packets_per_s=10, call_duration_s=10**9)
AT_ALICE = ClientAddress.parse("198.51.100.10", 4000)
AT_BOB = ClientAddress.parse("203.0.113.20", 6000)
ELSEWHERE = ClientAddress.parse("198.51.100.99", 4001)
RTP = b"\x80\x60" + bytes(10)
NOMINATING = (Attribute.USE_CANDIDATE, b"")


def ice(ufrag: str) -> IceCredentials:
    """What a party calls itself, with a password of its own."""
    return IceCredentials(ufrag, f"password/of/the/party/{ufrag}")


def few(count: int) -> range:
    """So many ports and no more."""
    return range(50000, 50000 + count)


@dataclass
class Doing:
    """What the doing side would hold, from the effects alone and in their order."""

    legs: set[LegKey] = field(default_factory=set)
    ports: set[ServerAddress] = field(default_factory=set)
    routes: dict[FiveTuple, SetRoute] = field(default_factory=dict)

    def apply(self, effects: list[Effect]) -> None:
        """Do these; what cannot be done is a failed assertion."""
        for effect in effects:
            match effect:
                case SetLeg():
                    self.legs.add(effect.leg)
                case DropLeg():
                    self.legs.remove(effect.leg)
                    assert all(route.leg != effect.leg for route in self.routes.values())
                case OpenPort():
                    assert effect.address not in self.ports
                    self.ports.add(effect.address)
                case ClosePort():
                    self.ports.discard(effect.address)
                    assert effect.address not in {source.server for source in self.routes}
                case SetRoute():
                    assert effect.leg in self.legs
                    assert {effect.source.server, effect.target.server} <= self.ports
                    assert effect.channel == effect.target_channel == NO_CHANNEL
                    self.routes[effect.source] = effect
                case DropRoute():
                    self.routes.pop(effect.source, None)
                case Send() | Deliver():
                    pass


class Stage:
    """One relay and its calls; `asked` is its latest check of each address."""

    def __init__(self, settings: PortSettings = SETTINGS, ports: range = PORTS) -> None:
        self.now = Now(mono=5000.0, wall=1_800_000_000.0)
        self.random = random.Random(7)
        self._tokens: list[str] = []
        both = ServerSettings(replace(NO_TURN, ports=ports), settings)
        self.server = Server(both, RULES, self.random.randbytes, lambda: self._tokens.pop(0))
        self.doing = Doing()
        self.events = Events()
        self.done: list[Effect] = []
        self.asked: dict[FiveTuple, wire.Stun] = {}

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now = Now(self.now.mono + seconds, self.now.wall + seconds)

    def call(
        self,
        alice: Access = Access(),  # noqa: B008 -- immutable
        bob: Access = Access(),  # noqa: B008 -- immutable
        *,
        name: str = CALL,
        rings: bool = False,
        masked: bool = True,
        expires: float = 1e9,
    ) -> tuple["Leg", "Leg"]:
        """A call, of which its parties are called as their legs are."""
        self._tokens = ["alice", "bob"]
        self.server.set_rules(RULES if masked else replace(RULES, masking=Masking.OPTED_IN))
        duration_s = int(expires - self.now.mono)
        order = Order((Party("alice"), Party("bob")), rings, duration_s, ports=True)
        access = {"alice": alice, "bob": bob}
        effects = self.apply(self.server.create(name, order, access, self.now))
        assert effects[-1] == CallCreated(name, is_ringing=rings)
        opened = [effect.address for effect in effects if isinstance(effect, OpenPort)]
        first, second = (
            Leg(self, LegKey(name, who), port) for who, port in zip(WHO, opened, strict=True)
        )
        return first, second

    def pair(
        self, *, rings: bool = False, masked: bool = True, expires: float = 1e9
    ) -> tuple["Leg", "Leg"]:
        """Both legs of a call, with ICE, not heard from yet."""
        alice, bob = Access(ice=ice("alice")), Access(ice=ice("bob"))
        return self.call(alice, bob, rings=rings, masked=masked, expires=expires)

    def accept(self, name: str = CALL) -> list[Effect]:
        """Somebody answers."""
        return self.apply(self.server.accept(name, None, self.now))

    def change(self, change: Change, name: str = CALL) -> list[Effect]:
        """The signaling server changes a call."""
        return self.apply(self.server.change(name, change, self.now))

    def end(self, name: str = CALL) -> list[Effect]:
        """Somebody hangs up."""
        return self.apply(self.server.end(name, self.now))

    def fail(self, port: ServerAddress, *, is_taken: bool = True) -> list[Effect]:
        """The doing side could not open a port."""
        self.doing.ports.remove(port)
        return self.apply(self.server.port_failed(port, is_taken=is_taken, now=self.now))

    def tick(self) -> list[Effect]:
        """What is due is done."""
        return self.apply(self.server.handle_timeout(self.now))

    def connected(self, name: str = CALL) -> dict[str, bool]:
        """The legs of a call, and whether it is known where each party is."""
        legs = self.server.call(name, self.now).legs
        return {leg.id: self.server.transport_of(leg) is not None for leg in legs}

    def apply(self, effects: list[Effect]) -> list[Effect]:
        """Do them, and hand them on."""
        self.done = effects
        self.doing.apply(effects)
        self.events.follow(effects)
        for effect in effects:
            if isinstance(effect, Send):
                sent = wire.parse(effect.datagram)
                if sent.cls == Class.REQUEST:
                    self.asked[effect.client] = sent
        return effects


@dataclass
class Leg:
    """One leg as its party and its signaling server see it."""

    stage: Stage
    key: LegKey
    port: ServerAddress

    @property
    def endpoint(self) -> Endpoint:
        """What the party is told."""
        server, now = self.stage.server, self.stage.now
        return server.endpoint(server.call(self.key.call, now).leg_of(self.key.leg))

    @property
    def ice(self) -> IceCredentials:
        """The relay's credentials."""
        assert self.endpoint.ice
        return self.endpoint.ice

    def from_(self, source: ClientAddress) -> FiveTuple:
        """How a datagram from there is seen here."""
        return FiveTuple(Transport.UDP, source, self.port)

    def receive(self, datagram: bytes, source: ClientAddress) -> list[Effect]:
        """A datagram comes to the port."""
        stage = self.stage
        return stage.apply(stage.server.receive_at_port(datagram, self.from_(source), stage.now))

    def check(
        self,
        *attributes: wire.Pair,
        username: str | None = None,
        pwd: str | None = None,
        sha256: bool = False,
    ) -> bytes:
        """A check of the party: a Binding request, right unless it is asked otherwise."""
        name = f"{self.ice.ufrag}:{self.key.leg}" if username is None else username
        key = (self.ice.pwd if pwd is None else pwd).encode()
        body = [(int(Attribute.USERNAME), name.encode()), *attributes]
        transaction_id = self.stage.random.randbytes(12)
        return wire.build(
            Method.BINDING,
            Class.REQUEST,
            transaction_id,
            body,
            key=key,
            sha256=sha256,
            fingerprint=True,
        )

    def is_heard_at(self, source: ClientAddress, *attributes: wire.Pair) -> list[Effect]:
        """A right check comes from there; it is answered well, and asked back, which the party
        answers: what follows from that, or from the check where nothing was asked back.
        """
        effects = self.receive(self.check(*attributes), source)
        assert answer(effects).code == 0
        asked = [message for message, to in requests_in(effects) if to == source]
        return self.receive(self.answer(asked[-1]), source) if asked else effects

    def answer(
        self,
        asked: wire.Stun,
        *attributes: wire.Pair,
        cls: Class = Class.SUCCESS,
        pwd: str | None = None,
    ) -> bytes:
        """The party's answer to a check of the relay's, right unless it is asked otherwise."""
        if pwd is None:
            ufrag = asked.value(Attribute.USERNAME).decode().partition(":")[0]
            pwd = ice(ufrag).pwd
        return wire.build(
            Method.BINDING, cls, asked.transaction_id, list(attributes), key=pwd.encode()
        )

    def set_access(self, access: Access) -> list[Effect]:
        """The signaling server says where the party is."""
        stage, key = self.stage, self.key
        return stage.apply(stage.server.set_access(key.call, key.leg, access, stage.now))


def requests_in(effects: list[Effect]) -> list[tuple[wire.Stun, ClientAddress]]:
    """The relay's own checks among these effects, and where each goes."""
    sent = [(wire.parse(e.datagram), e.client.client) for e in effects if isinstance(e, Send)]
    return [(message, to) for message, to in sent if message.cls == Class.REQUEST]


def asked_in(effects: list[Effect]) -> list[wire.Stun]:
    """The relay's own checks among these effects."""
    return [message for message, _ in requests_in(effects)]


def answer(effects: list[Effect]) -> wire.Stun:
    """The one answer among these effects."""
    sent = [wire.parse(effect.datagram) for effect in effects if isinstance(effect, Send)]
    (told,) = [message for message in sent if message.cls != Class.REQUEST]
    return told


def route(
    source: Leg, at: ClientAddress, target: Leg, to: ClientAddress, expires: float = 1e9
) -> SetRoute:
    """The route from one party's address to the other's, as it is set now.

    Args:
        expires: until when call and consents last.
    """
    ends = source.from_(at), NO_CHANNEL, target.from_(to), NO_CHANNEL
    until = min(expires, source.stage.now.mono + ROUTE_LIFETIME_S)
    return SetRoute(*ends, source.key, int(until * 1e9))


def consented(leg: Leg) -> float:
    """Until when a party that answers now is sent data."""
    return leg.stage.now.mono + CONSENT_S
