"""The TURN server: whatever a client sends, and what a change of its call means for it.

Rules of this file: the order of checks is the RFCs'; whatever arrives, `receive` returns effects
and raises nothing.
"""

from collections.abc import Callable, Iterable, Mapping

from relay.address import FiveTuple, PeerAddress, ServerAddress, Transport
from relay.calls.book import Book
from relay.calls.call import Call, Leg
from relay.calls.deadlines import Deadlines, Timed
from relay.calls.pool import Entropy, PortPool
from relay.calls.reach import Listed
from relay.clock import Now
from relay.effects import Answered, Count, Effect, Refused, Send
from relay.errors import CallError, DropReason, Malformed, Rejected
from relay.stun.attributes import Attribute, numbers
from relay.stun.demux import CHANNELS
from relay.stun.message import Class, Message, Method, build, parse
from relay.stun.values import Icmp
from relay.turn.allocate import Allocations
from relay.turn.allocation import Allocation, allocations_in, allocations_of, in_use, outer_ports
from relay.turn.authenticate import Authenticator
from relay.turn.data import Data
from relay.turn.drawing import Drawing
from relay.turn.icmp import IcmpErrors
from relay.turn.lifetimes import Lifetimes
from relay.turn.outer import OuterPeer
from relay.turn.outside import Outsides
from relay.turn.permissions import Permissions
from relay.turn.request import KNOWN, Request, failure, wants_fingerprint
from relay.turn.reservations import Reservation, Reservations
from relay.turn.routes import confine, routes_of
from relay.turn.settings import TurnSettings
from relay.turn.table import Table


class Turn:
    """
    Args:
        settings: what does not change while the relay lives.
        book: who knows which legs there are.
        deadlines: where those of allocations and reservations are queued.
        entropy: random bytes on demand, from a CSPRNG.
        relay_pool: ports that are unique on this relay.
    """

    def __init__(
        self,
        settings: TurnSettings,
        book: Book,
        deadlines: Deadlines,
        entropy: Entropy,
        relay_pool: PortPool,
    ) -> None:
        self._settings = settings
        self._table = Table(settings.ports, settings.peers != "call", relay_pool)
        self._lifetimes = Lifetimes(self._table, book, deadlines)
        self._authenticator = Authenticator(settings)
        self._data = Data(self._table, self._lifetimes, entropy, sets_df=settings.sets_df)
        df = numbers(Attribute.DONT_FRAGMENT)
        self._known = KNOWN if settings.sets_df else KNOWN - df
        self._icmp = IcmpErrors(self._table, entropy)
        self._reservations = Reservations(deadlines, entropy)
        self._outsides = Outsides(settings)
        drawing = Drawing(settings, self._table, self._reservations, self._outsides, entropy)
        allocations = Allocations(settings, self._table, self._lifetimes, book, drawing)
        permissions = Permissions(self._table, self._lifetimes)
        self._handlers: dict[int, Callable[[Request, Now], list[Effect]]] = {
            Method.ALLOCATE: allocations.on_allocate,
            Method.REFRESH: allocations.on_refresh,
            Method.CREATE_PERMISSION: permissions.on_create_permission,
            Method.CHANNEL_BIND: permissions.on_channel_bind,
        }

    def receive(self, datagram: bytes, client: FiveTuple, now: Now) -> list[Effect]:
        """Decide what one datagram, or one frame of a stream, leads to.

        Args:
            datagram: what a client sent, any bytes.
            client: its five-tuple.
        Returns: effects in the order they must happen; never empty, since what is not acted upon
            is counted.
        Raises: nothing.
        """
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

    def receive_outside(self, datagram: bytes, client: FiveTuple, now: Now) -> list[Effect]:
        """Decide about a datagram that came to an outer port. Raises: nothing."""
        return self._data.on_outside(datagram, client, now)

    def receive_icmp(self, icmp: Icmp, client: FiveTuple, now: Now) -> list[Effect]:
        """Decide about an ICMP error for what left an outer port. Raises: nothing."""
        return self._icmp.on_error(icmp, client, now)

    def has_outer_port(self, port: ServerAddress) -> bool:
        """Whether an allocation has this outer port."""
        return port in self._table.by_outer_port

    def is_known_outside(self, client: FiveTuple) -> bool:
        """Whether this is an unmasked party's own address, as that outer port knows it."""
        outer = self._table.by_outer_port.get(client.server)
        return outer is not None and outer.is_known(client.client)

    def port_failed(self, port: ServerAddress, now: Now) -> list[Effect]:
        """An outer port could not be opened: nobody reaches the allocation from outside.

        One that was made for peers outside ends: its client hears 437, and allocates again.
        """
        outer = self._table.by_outer_port.get(port)
        if outer is None:
            return []
        effects = self._lifetimes.lose(outer)
        if outer.outside.is_shown or not isinstance(outer.of, Allocation):
            return effects
        return effects + self._lifetimes.remove(outer.of.sides, now)

    def disconnect(self, client: FiveTuple, now: Now) -> list[Effect]:
        """A client's TCP or TLS connection has ended, and its allocation with it."""
        allocation = self._table.by_client.get(client)
        return self._lifetimes.remove(allocation.sides, now) if allocation else []

    def accept(self, call: Call, now: Now) -> list[Effect]:
        """A call is active: outer ports open, and every pair of bound channels gets its routes."""
        effects = [effect for outer in outer_ports(call) for effect in outer.open()]
        for allocation in allocations_in(call):
            effects += routes_of(allocation, now, only_new=True)
            self._lifetimes.schedule(allocation)
            for _, target, _ in allocation.joined():  # of another call, it may be
                self._lifetimes.schedule(target)
        return effects

    def change(self, call: Call, is_newly_closed: bool, now: Now) -> list[Effect]:
        """A call is as its legs and flags now say: what they may no longer have goes at once.

        Args:
            is_newly_closed: its legs may have known legs of other calls until now.
        Returns: the end of routes that may be no more, then the others with their new expiry.
        """
        allocations = allocations_in(call)
        effects: list[Effect] = []
        if is_newly_closed:
            effects += [effect for each in allocations for effect in confine(each)]
        effects += self.confine_outside(call)
        for allocation in allocations:
            effects += routes_of(allocation, now)
        return effects

    def confine_outside(self, call: Call) -> list[Effect]:
        """Who may be a peer outside of the relay no longer is none: parties that are masked now,
        media servers that have left. Outer ports that nobody may reach any more are closed.
        """
        effects: list[Effect] = []
        for outer in outer_ports(call):
            for peer in outer.outdated():
                effects += self._lifetimes.forget(outer, peer)
            if outer.outside.is_over:
                effects += outer.close()
        return effects

    def end_leg(self, leg: Leg, now: Now) -> list[Effect]:
        """A leg leaves its call, or its call ends: its allocations and their routes go at once."""
        return self._lifetimes.end_leg(leg, now)

    def lapse(self, timed: Timed, now: Now) -> list[Effect]:
        """The deadline of an allocation or a reservation has come."""
        if isinstance(timed, Allocation):
            return self._lifetimes.lapse(timed, now)
        if isinstance(timed, OuterPeer):
            return self._lifetimes.lapse_routes(timed, now)
        if isinstance(timed, Reservation):
            self._reservations.lapse(timed, now)
        return []

    def check_media_servers(self, declared: Iterable[Listed | None]) -> None:
        """Check that media servers may be declared where they are.

        Raises: CallError `invalid_request`, without the address. Nothing else.
        """
        may_be = self._outsides.may_be_media_server
        if not all(each is None or may_be(each) for each in declared):
            raise CallError(
                "invalid_request",
                "address: the relay does not send to this address. If the media server is in a "
                "private network, list the network in relay.allow_private.",
            )

    def relayed_of(self, call: Call) -> dict[str, list[PeerAddress]]:
        """The relayed addresses of each leg that holds an allocation, the latest first."""
        return {
            leg.id: [each.relayed for each in reversed(allocations_of(leg))]
            for leg in call.legs
            if leg.held
        }

    def transport_of(self, leg: Leg) -> Transport | None:
        """The transport of the allocation in use; None where the leg holds none."""
        return in_use(leg).client.transport if leg.held else None

    def replace_secrets(
        self, secrets: tuple[str, ...], users: Mapping[str, str], *, mints_alone: bool
    ) -> None:
        """Verify later allocations with these; allocations keep the key they were made with."""
        self._authenticator.secrets, self._authenticator.users = secrets, users
        self._authenticator.names.replace(users, is_alone=mints_alone)

    def minted(self, username: str, expiry: int, now: Now) -> None:
        """This relay has made a credential, which a client may use as USERHASH too."""
        self._authenticator.names.add(username, expiry, now.wall)

    def is_known(self, client: FiveTuple) -> bool:
        """Whether this client holds an allocation."""
        return client in self._table.by_client

    def echoes_nonce(self, datagram: bytes, client: FiveTuple, now: Now) -> bool:
        """Whether a datagram has a nonce that was made for this client: its source is not forged.

        It takes a tenth of the time that `receive` does.
        """
        return self._authenticator.echoes_nonce(datagram, client, now)

    def count_allocations(self) -> dict[Transport, int]:
        """Live allocations by the client's transport."""
        return dict(self._table.counts)

    def _on_request(self, message: Message, client: FiveTuple, now: Now) -> list[Effect]:
        handler = self._handlers.get(message.method)
        if handler is None:
            return self._on_other_request(message, client, now)
        held = self._table.by_client.get(client)
        authenticator = self._authenticator
        try:
            credential = authenticator.authenticate(message, held)
        except Rejected as rejected:
            answer = authenticator.refuse(message, client, held, rejected.code, now)
            return [*_counted(rejected), *answer]
        held_back = authenticator.hold_back(message, client, credential, held, now)
        if held_back:
            return held_back
        request = Request(message, client, credential, held)
        unknown = message.unknown(self._known)
        if unknown:
            return request.failure(420, (Attribute.UNKNOWN_ATTRIBUTES, unknown))
        try:
            return handler(request, now)
        except Rejected as rejected:
            return [*_counted(rejected), *request.failure(rejected.code)]

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


def _counted(rejected: Rejected) -> list[Effect]:
    return [Refused(rejected.reason)] if rejected.reason is not None else []
