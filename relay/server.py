"""The server: the one place where calls are changed, and what follows from it.

Rules of this file: it is pure; time is an argument, randomness is handed in. Every input is one
method that returns one list of effects and events, in the order in which they have to be applied.
Nothing re-enters: what an effect leads to (a port that could not be opened) is an input of its own.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from relay.address import FiveTuple, ServerAddress
from relay.calls.book import Book
from relay.calls.call import Call, CallState, Leg
from relay.calls.changes import Change
from relay.calls.deadlines import Deadlines, Timed
from relay.calls.ended import drop, ended
from relay.calls.leaving import AnsweredBy, is_last, leave
from relay.calls.making import Order
from relay.calls.pool import Entropy, PortPool
from relay.calls.rules import Rules
from relay.calls.users import Revoked
from relay.clock import Now
from relay.descriptions import Descriptions
from relay.effects import CallAccepted, CallChanged, CallCreated, Effect, EndReason, Fault, LegEnded
from relay.errors import CallError
from relay.ice.access import Access
from relay.ice.dispatch import PortsMode
from relay.ice.port import RelayedPort
from relay.ice.settings import PortSettings
from relay.stun.values import Icmp
from relay.turn.dispatch import Turn
from relay.turn.settings import TurnSettings

_PORTS_PER_TURN, _TURN_S = 100, 0.004
"""So many relayed ports are attended to in one turn, in which no packet is forwarded; the others
have theirs as much later each."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What the server is told once, at start: see the two types."""

    turn: TurnSettings
    ports: PortSettings


class Server(Descriptions):
    """
    Args:
        rules: what the operator decided about calls; `set_rules` replaces them.
        entropy: random bytes on demand, from a CSPRNG.
        token: gives an opaque random token of 22 characters each time.
    """

    def __init__(
        self, settings: ServerSettings, rules: Rules, entropy: Entropy, token: Callable[[], str]
    ) -> None:
        deadlines, pool = Deadlines(), PortPool(settings.turn.ports)
        book = Book(rules, deadlines, closed=settings.turn.peers == "call")
        turn = Turn(settings.turn, book, deadlines, entropy, pool)
        ports = PortsMode(settings.ports, deadlines, entropy, pool)
        super().__init__(book, turn, ports)
        self._deadlines = deadlines
        self._token = token

    # What arrives

    def receive(self, datagram: bytes, client: FiveTuple, now: Now) -> list[Effect]:
        """A client sent a datagram to a listener, or one frame over a connection.

        Returns: effects, those of what has run out by now first; never empty, since what is not
            acted upon is counted.
        Raises: nothing.
        """
        due = self.handle_timeout(now) if self._deadlines.is_due(now.mono) else []
        return due + self._turn.receive(datagram, client, now)

    def receive_at_port(self, datagram: bytes, client: FiveTuple, now: Now) -> list[Effect]:
        """A datagram came to a relayed transport address that was opened.

        Args:
            datagram: any bytes.
            client: where it came from; its server is the address that it came to.
        Returns: effects, as `receive`; none where an answer changes nothing.
        Raises: nothing.
        """
        due = self.handle_timeout(now) if self._deadlines.is_due(now.mono) else []
        if self._turn.has_outer_port(client.server):
            return due + self._turn.receive_outside(datagram, client, now)
        return due + self._ports.receive(datagram, client, now)

    def receive_icmp(self, icmp: Icmp, client: FiveTuple, now: Now) -> list[Effect]:
        """An ICMP error came for what left a port towards this client. Raises: nothing."""
        return self._turn.receive_icmp(icmp, client, now)

    def disconnect(self, client: FiveTuple, now: Now) -> list[Effect]:
        """A client's TCP or TLS connection has ended, and its allocation with it."""
        return self._turn.disconnect(client, now)

    def port_failed(self, port: ServerAddress, *, is_taken: bool, now: Now) -> list[Effect]:
        """A relayed transport address could not be opened.

        An allocation does without; a leg in ports mode gets another port, or its call ends.

        Args:
            is_taken: another program of this host has it, so that another port may do.
        """
        if self._turn.has_outer_port(port):
            return self._turn.port_failed(port, now)
        failed = self._ports.port_failed(port, is_taken=is_taken, now=now)
        if failed is None:
            return []
        leg, effects = failed
        if leg.held:
            return effects
        return effects + self._end(leg.call, EndReason.OUT_OF_PORTS, now)

    # What the signaling server asks for

    def create(
        self, name: str, order: Order, access: Mapping[str, Access], now: Now
    ) -> list[Effect]:
        """Create a call; in ports mode with a relayed port for each party.

        Args:
            name: its id, `cv_` and a token.
            access: what is known of the parties in ports mode, by their ids.
        Raises: CallError `draining`, `invalid_request` or `out_of_ports`, and then there is no
            such call. Nothing else.
        """
        self._turn.check_media_servers(party.listed for party in order.parties)
        call = self._book.create(name, order, self._token, now)
        created = CallCreated(name, is_ringing=order.ring)
        if not call.ports:
            return [created]
        try:
            return [*self._ports.open(call, access, self.rules.packets_per_s, now), created]
        except CallError:
            self._book.end(call, now, is_final=False)  # nobody has heard of it
            raise

    def accept(self, name: str, answered: AnsweredBy | None, now: Now) -> list[Effect]:
        """Let a ringing call begin: data may cross from now on.

        Args:
            answered: who took it; the others that were called leave it. None: everybody stays.
        Raises: CallError `unknown_call`, `wrong_state`, `unknown_party` or `invalid_request`, and
            then nothing has changed. Nothing else.
        """
        call = self._book.live(name, now)
        left = self._book.accept(call, answered)
        effects = self._left(call, left, now) if left else []
        way = self._ports if call.ports else self._turn
        return [*effects, *way.accept(call, now), CallAccepted(name)]

    def change(self, name: str, change: Change, now: Now) -> list[Effect]:
        """Tighten a call, extend it, add parties to it: all of what is asked for, or nothing.

        Raises: CallError `unknown_call`, `wrong_state`, `only_tightens` or `invalid_request`.
            Nothing else.
        """
        call = self._book.live(name, now)
        was_closed = call.closed
        if not self._book.change(call, change, self._token):
            return []
        if call.ports:
            return [*self._ports.change(call, now), CallChanged(name)]
        is_newly_closed = call.closed and not was_closed
        return [*self._turn.change(call, is_newly_closed, now), CallChanged(name)]

    def end(self, name: str, now: Now) -> list[Effect]:
        """End a call: its routes, its ports and its legs go at once.

        One that a credential has not begun yet is begun by none afterwards.

        Raises: CallError `unknown_call`. Nothing else.
        """
        call = self._book.call_to_end(name, now)
        return self._end(call, EndReason.ENDED, now) if call is not None else []

    def end_party(self, name: str, party: str, now: Now) -> list[Effect]:
        """End one party's leg, and the call where it is over without that party.

        In a call that credentials begin, a leg that has not come yet does not come afterwards.

        Raises: CallError `unknown_call` or `unknown_party`. Nothing else.
        """
        leg = self._book.leg_to_end(name, party, now)
        if leg is None:
            return []
        call = leg.call
        if is_last(call, leg) or call.legs == [leg]:
            return self._end(call, EndReason.ENDED, now, is_final=call.is_registered)
        leave(call, leg)
        return self._left(call, [leg], now)

    def set_access(self, name: str, party: str, access: Access, now: Now) -> list[Effect]:
        """Take in where the party of a relayed port is.

        Raises: CallError `unknown_call`, `unknown_party`, `wrong_state` or `invalid_request`, and
            then nothing has changed. Nothing else.
        """
        call = self._book.live(name, now)
        if not call.ports:
            detail = "Only a call in ports mode has endpoints."
            raise CallError("wrong_state", detail, name)
        return self._ports.set_access(call.leg_of(party), access, now)

    # What the operator decides

    def set_rules(self, rules: Rules) -> None:
        """These hold for calls yet to come."""
        self._book.rules = rules

    def replace_secrets(
        self, secrets: tuple[str, ...], users: Mapping[str, str], *, mints_alone: bool = False
    ) -> None:
        """Verify later allocations with these: as in `TurnSettings`. Allocations keep their key."""
        self._turn.replace_secrets(secrets, users, mints_alone=mints_alone)

    def minted(self, username: str, expiry: int, now: Now) -> None:
        """The API has made a credential, good until this time in Unix seconds."""
        self._turn.minted(username, expiry, now)

    def revoke_user(self, name: str, for_s: int | None, now: Now) -> list[Effect]:
        """End the allocations of a user, and refuse it from now on, whatever its credential.

        Args:
            for_s: for how long; None for as long as the operator decided.
        Raises: CallError `no_users` or `invalid_request`. Nothing else.
        """
        legs = self._book.revoke_user(name, for_s, now)
        ways = self._turn.end_leg, self._book.release
        return [effect for leg in legs for way in ways for effect in way(leg, now)]

    def drain(self) -> None:
        """Begin no new calls from now on."""
        self._book.is_draining = True

    # Time

    def handle_timeout(self, now: Now) -> list[Effect]:
        """Do what is due, the soonest first; to be called again at `next_timeout`. Raises: nothing.

        What meets a fault of our own is due no more; its routes end when they were set to.
        """
        effects: list[Effect] = []
        attended = count()
        while (timed := self._deadlines.due(now.mono)) is not None:
            try:
                effects += self._lapse(timed, attended, now)
            except Exception as error:  # the effects of all the others have to be applied
                effects.append(Fault(error))
        self._book.forget_old(now)
        return effects

    def next_timeout(self) -> float | None:
        """Monotonic seconds at which `handle_timeout` should be called; None for never."""
        return self._deadlines.next()

    def _lapse(self, timed: Timed, attended: Iterator[int], now: Now) -> list[Effect]:
        """The deadline of one has come. `attended` counts the relayed ports of this turn."""
        if isinstance(timed, Call):
            return self._expire(timed, now)
        if isinstance(timed, Revoked):
            self._book.users.lapse(timed)
            return []
        if not isinstance(timed, RelayedPort):
            return self._turn.lapse(timed, now)
        if turns := next(attended) // _PORTS_PER_TURN:
            self._deadlines.postpone(timed, now.mono + turns * _TURN_S)
            return []
        return self._ports.lapse(timed, now)

    def _end(
        self, call: Call, reason: EndReason, now: Now, *, is_final: bool = True
    ) -> list[Effect]:
        """End a call: routes and ports first, then the event, then the counters of its legs."""
        way, legs = self._ports if call.ports else self._turn, call.legs
        effects = [effect for leg in legs for effect in way.end_leg(leg, now)]
        effects.append(ended(call, reason, legs, now))
        self._book.end(call, now, is_final=is_final)
        return effects + drop(legs)

    def _expire(self, call: Call, now: Now) -> list[Effect]:
        """The time of a call has come.

        One that only credentials name may begin anew: no signaling server has ended it.
        """
        is_ringing = call.state is CallState.RINGING
        reason = EndReason.NOT_ACCEPTED if is_ringing else EndReason.EXPIRED
        return self._end(call, reason, now, is_final=call.is_registered)

    def _left(self, call: Call, legs: list[Leg], now: Now) -> list[Effect]:
        """These have left a call that goes on."""
        effects = self._turn.confine_outside(call)
        for leg in legs:
            effects += [*self._turn.end_leg(leg, now), LegEnded(leg.key), *drop([leg])]
        return effects
