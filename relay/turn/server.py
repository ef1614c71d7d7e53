"""The TURN server: one datagram in, a list of effects out.

Rules of this file: the order of checks is the RFCs'; whatever arrives, `receive` returns effects
and raises nothing.
"""

from collections.abc import Callable

from relay.address import FiveTuple, PeerAddress, ServerAddress, Transport
from relay.calls.pool import Entropy, PortPool
from relay.clock import Now
from relay.effects import Answered, Count, Effect, Send
from relay.errors import DropReason, Malformed, Rejected
from relay.stun.attributes import Attribute
from relay.stun.demux import CHANNELS
from relay.stun.message import Class, Message, Method, build, parse
from relay.turn import demand
from relay.turn.allocate import Allocations
from relay.turn.authenticate import Authenticator
from relay.turn.authority import Calls
from relay.turn.data import Data
from relay.turn.lifetimes import Lifetimes
from relay.turn.outer import confine
from relay.turn.peers import Peers
from relay.turn.request import KNOWN, Request, failure, wants_fingerprint
from relay.turn.routes import Routes
from relay.turn.settings import TurnSettings
from relay.turn.table import Table


class Server:
    """
    Args:
        settings: what does not change while the server lives.
        calls: who knows which legs there are.
        entropy: random bytes on demand, from a CSPRNG.
        relay_pool: ports that are unique on this relay; absent where nobody else draws from them.
    """

    def __init__(
        self,
        settings: TurnSettings,
        calls: Calls,
        entropy: Entropy,
        relay_pool: PortPool | None = None,
    ) -> None:
        self._settings = settings
        pool = relay_pool or PortPool(settings.ports)
        self._table = Table(settings.ports, settings.peers != "call", pool)
        self._routes = Routes(self._table)
        self._lifetimes = Lifetimes(self._table, self._routes)
        self._authenticator = Authenticator(settings)
        self._data = Data(self._table, self._lifetimes, entropy)
        self._allocations = Allocations(
            settings, self._table, self._lifetimes, self._routes, calls, entropy
        )
        peers = Peers(self._table, self._routes, self._lifetimes)
        self._handlers: dict[int, Callable[[Request, Now], list[Effect]]] = {
            Method.ALLOCATE: self._allocations.on_allocate,
            Method.REFRESH: self._allocations.on_refresh,
            Method.CREATE_PERMISSION: peers.on_create_permission,
            Method.CHANNEL_BIND: peers.on_channel_bind,
        }

    def receive(self, datagram: bytes, client: FiveTuple, now: Now) -> list[Effect]:
        """Decide what one datagram, or one frame of a stream, leads to.

        Args:
            datagram: what a client sent, any bytes.
            client: its five-tuple.
        Returns: effects in the order they must happen, those of what has run out by now first;
            never empty, since what is not acted upon is counted.
        Raises: nothing.
        """
        if self._lifetimes.is_due(now):
            return self.handle_timeout(now) + self._receive(datagram, client, now)
        return self._receive(datagram, client, now)

    def receive_outside(self, datagram: bytes, client: FiveTuple, now: Now) -> list[Effect]:
        """Decide about a datagram that came to an outer port. As `receive`."""
        due = self.handle_timeout(now) if self._lifetimes.is_due(now) else []
        return due + self._data.on_outside(datagram, client, now)

    def is_known_outside(self, client: FiveTuple) -> bool:
        """Whether this is an unmasked party's own address, as that outer port knows it."""
        outer = self._table.by_outer_port.get(client.server)
        return outer is not None and outer.is_known(client.client)

    def lose_outer_port(self, port: ServerAddress) -> None:
        """It could not be opened: nobody reaches the allocation from outside."""
        outer = self._table.by_outer_port.get(port)
        if outer is not None:
            outer.close()

    def disconnect(self, client: FiveTuple, now: Now) -> list[Effect]:
        """A client's TCP or TLS connection has ended, and its allocation with it."""
        allocation = self._table.by_client.get(client)
        return self._lifetimes.remove(allocation, now) if allocation else []

    def open_call(self, call: str, now: Now) -> list[Effect]:
        """A call was accepted: data may cross, and every pair of bound channels gets its routes."""
        closed_call = self._table.calls.get(call)
        if closed_call is None:
            return []
        closed_call.open = True
        effects: list[Effect] = []
        for allocation in closed_call.by_port.values():
            effects += allocation.outer.open() if allocation.outer is not None else []
        for allocation in closed_call.by_port.values():
            effects += self._routes.new_of(allocation, now)
            self._lifetimes.schedule(allocation)
        return effects

    def end_call(self, call: str, now: Now) -> list[Effect]:
        """A call has ended: its routes, its allocations and its legs go at once."""
        return self._lifetimes.end_call(call, now)

    def keep_legs(
        self, call: str, legs: frozenset[str], *, half_relayed: bool, now: Now
    ) -> list[Effect]:
        """Parties have left a call: their routes and allocations go at once, the others' stay.

        Args:
            legs: of those who stay.
            half_relayed: outer ports of theirs may stay open.
        """
        closed_call = self._table.calls.get(call)
        if closed_call is None:
            return []
        effects = confine(closed_call, self._routes, is_half_relayed=half_relayed)
        for leg in [leg for leg in closed_call.legs if leg not in legs]:
            effects += self._lifetimes.end_leg(call, leg, now)
        return effects

    def change_call(
        self,
        call: str,
        *,
        closed: bool,
        half_relayed: bool,
        masked: frozenset[str],
        expires: float,
        now: Now,
    ) -> list[Effect]:
        """A running call is tightened or extended: what its legs may no longer have goes at once.

        Args:
            closed: siblings only; a call that is closed already stays so.
            half_relayed: outer ports may stay open.
            masked: its masked legs.
            expires: when it ends now, in monotonic seconds.
        Returns: the end of routes to others, then its own routes with their new expiry.
        """
        closed_call = self._table.calls.get(call)
        if closed_call is None:
            return []
        closed_call.expires = expires
        for leg in closed_call.legs.values():
            leg.masked = leg.key.leg in masked
        effects: list[Effect] = []
        for allocation in closed_call.by_port.values():
            effects += demand.drop(allocation)
        if closed and not closed_call.closed:
            closed_call.closed = True
            for allocation in closed_call.by_port.values():
                effects += self._lifetimes.confine(allocation)
        effects += confine(closed_call, self._routes, is_half_relayed=half_relayed)
        for allocation in closed_call.by_port.values():
            effects += self._routes.of(allocation, now)
        return effects

    def relayed_of(self, call: str) -> dict[str, list[PeerAddress]]:
        """The relayed addresses of each leg that holds an allocation, the latest first."""
        closed_call = self._table.calls.get(call)
        legs = closed_call.legs.values() if closed_call else ()
        return {
            leg.key.leg: [allocation.relayed for allocation in reversed(leg.allocations)]
            for leg in legs
            if leg.allocations
        }

    def replace_secrets(self, secrets: tuple[str, ...]) -> None:
        """Verify later allocations with these; allocations keep the key they were made with."""
        self._authenticator.secrets = secrets

    def forget_leg(self, call: str, leg: str) -> list[Effect]:
        """Nobody will ask about this leg again; it has no allocation."""
        return self._lifetimes.forget_leg(call, leg)

    def is_known(self, client: FiveTuple) -> bool:
        """Whether this client holds an allocation."""
        return client in self._table.by_client

    def echoes_nonce(self, datagram: bytes, client: FiveTuple, now: Now) -> bool:
        """Whether a datagram has a nonce that was made for this client: its source is not forged.

        It takes a tenth of the time that `receive` does.
        """
        return self._authenticator.echoes_nonce(datagram, client, now)

    def handle_timeout(self, now: Now) -> list[Effect]:
        """Remove what has run out."""
        self._allocations.handle_timeout(now)
        return self._lifetimes.handle_timeout(now)

    def next_timeout(self) -> float | None:
        """Monotonic seconds at which `handle_timeout` should be called; None for never."""
        both = self._lifetimes.next_timeout(), self._allocations.next_timeout()
        return min((t for t in both if t is not None), default=None)

    def legs_of(self, call: str) -> list[str]:
        """The legs of a call that have allocated so far."""
        closed_call = self._table.calls.get(call)
        return list(closed_call.legs) if closed_call else []

    def transports_of(self, call: str) -> dict[str, Transport]:
        """The legs of a call that hold an allocation, and the transport of the one in use."""
        closed_call = self._table.calls.get(call)
        legs = closed_call.legs.values() if closed_call else ()
        return {leg.key.leg: leg.in_use().client.transport for leg in legs if leg.allocations}

    def has_allocations(self) -> bool:
        """Whether any client holds one."""
        return bool(self._table.by_client)

    def count_allocations(self) -> dict[Transport, int]:
        """Live allocations by the client's transport."""
        counts = dict.fromkeys(Transport, 0)
        for client in self._table.by_client:
            counts[client.transport] += 1
        return counts

    def _receive(self, datagram: bytes, client: FiveTuple, now: Now) -> list[Effect]:
        try:
            if datagram and datagram[0] in CHANNELS:
                return self._data.on_channel_data(datagram, client, now)
            message = parse(datagram)
            if message.cls is Class.REQUEST:
                return self._on_request(message, client, now)
            if message.cls is Class.INDICATION and message.method == Method.SEND:
                return self._data.on_send(message, client, now)
        except Malformed as malformed:
            return [Count(malformed.reason)]
        return [Count(DropReason.NOT_A_REQUEST)]

    def _on_request(self, message: Message, client: FiveTuple, now: Now) -> list[Effect]:
        handler = self._handlers.get(message.method)
        if handler is None:
            return self._on_other_request(message, client, now)
        held = self._table.by_client.get(client)
        authenticator = self._authenticator
        try:
            credential = authenticator.authenticate(message, held)
        except Rejected as rejected:
            return authenticator.refuse(message, client, held, rejected.code, now)
        held_back = authenticator.hold_back(message, client, credential, now)
        if held_back:
            return held_back
        request = Request(message, client, credential, held)
        unknown = message.unknown(KNOWN)
        if unknown:
            return request.failure(420, (Attribute.UNKNOWN_ATTRIBUTES, unknown))
        try:
            return handler(request, now)
        except Rejected as rejected:
            return request.failure(rejected.code)

    def _on_other_request(self, message: Message, client: FiveTuple, now: Now) -> list[Effect]:
        """Binding, which is refused unless it is switched on; all else, RFC 6062's methods among
        it, gets silence.

        libwebrtc sends a Binding request to each TURN server first, and waits for an answer of
        whatever kind before it has gathered its candidates.
        """
        if message.method != Method.BINDING:
            return [Count(DropReason.UNKNOWN_METHOD)]
        if not self._authenticator.may_answer(client, self._table.by_client.get(client), now):
            return [Count(DropReason.UNAUTHENTICATED_RATE)]
        if not self._settings.stun_binding:
            return failure(message, client, 403)
        unknown = message.unknown(KNOWN)
        if unknown:
            return failure(message, client, 420, ((Attribute.UNKNOWN_ATTRIBUTES, unknown),))
        datagram = build(
            Method.BINDING,
            Class.SUCCESS,
            message.transaction_id,
            ((Attribute.XOR_MAPPED_ADDRESS, client.client),),
            fingerprint=wants_fingerprint(message),
        )
        return [Send(client, datagram), Answered(Method.BINDING, 0)]
