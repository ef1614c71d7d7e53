"""The server under a clock that only the test moves, with tokens one can read and TURN clients.

Rules of this file: nothing here knows how the server works inside; who allocates does so with an
Allocate request, written from the RFCs by `tests.kit.wire`.
"""

import random
from itertools import count

from relay.address import ClientAddress, FiveTuple, PeerAddress, ServerAddress, Transport
from relay.calls.call import Call
from relay.calls.changes import Change, PartyChange
from relay.calls.credentials import mint
from relay.calls.leaving import AnsweredBy
from relay.calls.making import Order, Party
from relay.calls.rules import Rules
from relay.clock import Now
from relay.effects import CallCreated, CallEnded, Effect, EndReason, LegKey, Send
from relay.ice.settings import PortSettings
from relay.server import Server, ServerSettings
from relay.special_use import Denied
from relay.stun.attributes import Attribute
from relay.stun.message import Class, Method
from relay.turn.settings import TurnSettings
from tests.calls.events import Events
from tests.kit import wire

WALL_AHEAD_S = 1_700_000_000.0
"""The wall clock's lead over the monotonic one."""

ALICE = Party("alice", enhanced_call_privacy=True)
BOB = Party("bob")
CAROL = Party("carol")

NO_ANSWER = -1
"""In place of an error code: the relay was silent."""

_RELAY = "192.0.2.1"
_LISTENER = ServerAddress.parse("192.0.2.10", 3478)
_SECRET, _REALM, _UDP = "secret", "r", 17
_LONG_S = 10**9  # a credential's lifetime, longer than any test
_PORTS = range(50000, 60000)


def settings(peers: str, drawn: range) -> ServerSettings:
    """What the server is told."""
    public, local = PeerAddress.parse(_RELAY, 0), ServerAddress.parse(_RELAY, 0)
    turn = TurnSettings(
        realm=_REALM,
        secrets=(_SECRET,),
        relayed_ips=(public.packed,),
        ports=drawn,
        peers=peers,
        mask_mapped_address=True,
        stun_binding=False,
        allocations_per_leg=4,
        allocations=10_000,
        unauthenticated_per_s=10,
        nonce_key=bytes(32),
    )
    ports = PortSettings(
        addresses=((public, local),),
        mask_mapped_address=True,
        unauthenticated_per_s=10,
        rate_key=bytes(32),
        denied=Denied(default=False),
        is_this_host=lambda _: False,
    )
    return ServerSettings(turn, ports)


class Stage:
    """The server, and what is known of it to whoever follows its `events`.

    Args:
        peers: with `relay` a call is closed only where it is relayed, and credentials begin none.
    """

    def __init__(
        self, rules: Rules | None = None, *, peers: str = "call", ports: range = _PORTS
    ) -> None:
        self.mono = 1_000.0
        self.rules = rules or Rules()
        self.random = random.Random(7)
        self._tokens, self._clients = count(1), count(1)
        self._held: dict[LegKey, Client] = {}
        self.events = Events()
        both = settings(peers, ports)
        self.server = Server(both, self.rules, self.random.randbytes, self.token)

    @property
    def now(self) -> Now:
        return Now(self.mono, self.mono + WALL_AHEAD_S)

    def token(self) -> str:
        """As long as a real one: 22 characters."""
        return f"{next(self._tokens):022}"

    def advance(self, seconds: float) -> list[Effect]:
        """Let time pass, and do what is due by then."""
        self.mono += seconds
        return self.follow(self.server.handle_timeout(self.now))

    def create(
        self,
        *parties: Party,
        ring: bool = False,
        max_duration_s: int | None = None,
        max_bitrate_bps: int | None = None,
        ports: bool = False,
    ) -> Call:
        name = f"cv_{self.token()}"
        order = Order(parties or (ALICE, BOB), ring, max_duration_s, max_bitrate_bps, ports)
        effects = self.follow(self.server.create(name, order, {}, self.now))
        assert effects[-1] == CallCreated(name, is_ringing=ring)
        return self.call(name)

    def call(self, name: str) -> Call:
        """The call of that id."""
        return self.server.call(name, self.now)

    def is_live(self, name: str) -> bool:
        """Whether a call of that id is ringing or active."""
        return any(call.id == name for call in self.server.page(0, 100_000))

    def accept(self, name: str, answered: AnsweredBy | None = None) -> list[Effect]:
        return self.follow(self.server.accept(name, answered, self.now))

    def change(
        self, name: str, *parties: PartyChange, max_duration_s: int | None = None
    ) -> list[Effect]:
        return self.follow(self.server.change(name, Change(parties, max_duration_s), self.now))

    def end(self, name: str) -> list[Effect]:
        return self.follow(self.server.end(name, self.now))

    def end_party(self, name: str, party: str) -> list[Effect]:
        return self.follow(self.server.end_party(name, party, self.now))

    def follow(self, effects: list[Effect]) -> list[Effect]:
        """Follow the events among these, and hand them on."""
        self.events.follow(effects)
        return effects

    def client(self, call: str, leg: str) -> "Client":
        """Somebody with the credential of a leg, at an address of its own."""
        return Client(self, LegKey(call, leg), next(self._clients))

    def allocate(self, call: str, leg: str) -> int:
        """That leg allocates, instead of what it had before. Returns: the code of the answer."""
        key, client = LegKey(call, leg), self.client(call, leg)
        code = client.allocate()
        if code == 0:
            former = self._held.get(key)
            if former is not None and self.server.is_known(former.five_tuple):
                former.leave()
            self._held[key] = client
        return code

    def leave(self, call: str, leg: str) -> list[Effect]:
        """That leg deletes its allocation, if it has one. Returns: what comes before the answer."""
        client = self._held.pop(LegKey(call, leg), None)
        if client is None or not self.server.is_known(client.five_tuple):
            return []
        return client.leave()


class Client:
    """A TURN client; `done` is what its latest request led to."""

    def __init__(self, stage: Stage, key: LegKey, number: int) -> None:
        address = ClientAddress(bytes((198, 18)) + number.to_bytes(2), 4000)
        self.stage = stage
        self.five_tuple = FiveTuple(Transport.UDP, address, _LISTENER)
        self.relayed = PeerAddress(bytes(4), 0)
        self.done: list[Effect] = []
        self._nonce = b""
        self._credential = mint(_SECRET, key.call, key.leg, int(stage.now.wall) + _LONG_S)

    def allocate(self) -> int:
        """Returns: the code of the answer."""
        answer = self.request(Method.ALLOCATE, wire.lifetime(3600))
        if answer is None:
            return NO_ANSWER
        if answer.code == 0:
            self.relayed = PeerAddress(*answer.address(Attribute.XOR_RELAYED_ADDRESS))
        return answer.code

    def leave(self) -> list[Effect]:
        """Delete the allocation. Returns: what comes before the answer."""
        answer = self.request(Method.REFRESH, wire.lifetime(0))
        assert answer is not None
        assert answer.code == 0
        return self.done[:-2]

    def bind(self, channel: int, peer: PeerAddress) -> None:
        """Bind a channel."""
        named = wire.channel_number(channel)
        answer = self.request(Method.CHANNEL_BIND, named, peer=peer)
        assert answer is not None
        assert answer.code == 0

    def request(
        self, method: int, *attributes: wire.Pair, peer: PeerAddress | None = None
    ) -> wire.Stun | None:
        """Send a right request. Returns: the answer; None for silence."""
        transaction_id = self.stage.random.randbytes(12)
        named = [wire.peer(peer, transaction_id)] if peer is not None else []
        body = [wire.transport(_UDP), *attributes, *named]
        if not self._nonce:
            first = wire.build(Method.ALLOCATE, Class.REQUEST, bytes(12), body)
            self._challenged(self._send(first))
        answer = self._send(self._signed(method, transaction_id, body))
        if answer is not None and answer.code == 438:
            self._challenged(answer)
            answer = self._send(self._signed(method, transaction_id, body))
        return answer

    def _challenged(self, answer: wire.Stun | None) -> None:
        assert answer is not None
        self._nonce = answer.value(Attribute.NONCE)

    def _signed(self, method: int, transaction_id: bytes, body: wire.Attributes) -> bytes:
        username, password = self._credential
        signed = [
            *body,
            (int(Attribute.USERNAME), username.encode()),
            (int(Attribute.REALM), _REALM.encode()),
            (int(Attribute.NONCE), self._nonce),
        ]
        key = wire.long_term_key(username, _REALM, password)
        return wire.build(method, Class.REQUEST, transaction_id, signed, key=key)

    def _send(self, datagram: bytes) -> wire.Stun | None:
        stage = self.stage
        received = stage.server.receive(datagram, self.five_tuple, stage.now)
        self.done = stage.follow(received)
        sent = [e.datagram for e in self.done if isinstance(e, Send)]
        return wire.parse(sent[-1]) if sent else None


def end_of(call: str, reason: EndReason, lasted_s: float, *legs: LegKey) -> CallEnded:
    """The event of a call's end."""
    return CallEnded(call, reason, lasted_s, legs)
