"""What the server knows. Rules of this file: a question changes nothing."""

from relay.address import FiveTuple, Transport
from relay.calls.book import Book
from relay.calls.call import Call, CallState, Leg
from relay.calls.rules import Rules
from relay.clock import Now
from relay.ice.access import Endpoint
from relay.ice.dispatch import PortsMode
from relay.turn.dispatch import Turn


class Questions:
    """The half of the server that only reads."""

    def __init__(self, book: Book, turn: Turn, ports: PortsMode) -> None:
        self._book = book
        self._turn = turn
        self._ports = ports

    @property
    def rules(self) -> Rules:
        """What the operator decided about calls."""
        return self._book.rules

    @property
    def is_draining(self) -> bool:
        """Whether no new call begins."""
        return self._book.is_draining

    def call(self, name: str, now: Now) -> Call:
        """The call of that id, to be read; for a while after its end too, then without its legs.

        Raises: CallError `unknown_call`. Nothing else.
        """
        return self._book.get(name, now)

    def page(self, after: int, limit: int) -> list[Call]:
        """The next live calls, eldest first, whose number is greater than `after`."""
        return self._book.page(after, limit)

    def counts(self) -> dict[CallState, int]:
        """Live calls by state."""
        return self._book.counts()

    def count_users(self) -> int:
        """Users that hold an allocation."""
        return len(self._book.users)

    def has_media(self) -> bool:
        """Whether any client holds an allocation, or any call is in ports mode."""
        return any(self._turn.count_allocations().values()) or self._ports.has_ports()

    def count_allocations(self) -> dict[Transport, int]:
        """Live allocations by their clients' transports."""
        return self._turn.count_allocations()

    @property
    def ports_free(self) -> int:
        """Relayed ports left to draw, of those that are unique on this relay."""
        return self._ports.ports_free

    def endpoint(self, leg: Leg) -> Endpoint:
        """What a party in ports mode is told. Raises: CallError `wrong_state`. Nothing else."""
        return self._ports.endpoint(leg)

    def relayed_of(self, call: Call) -> dict[str, list[tuple[str, int]]]:
        """The relayed addresses of each leg that holds an allocation, the latest first, as numeric
        host and port: the relay's own, to be told to the other parties.
        """
        if call.ports:
            return {}
        relayed = self._turn.relayed_of(call)
        return {leg: [each.reveal() for each in addresses] for leg, addresses in relayed.items()}

    def transport_of(self, leg: Leg) -> Transport | None:
        """What carries the media between a party and the relay; None where it is not connected."""
        way = self._ports if leg.call.ports else self._turn
        return way.transport_of(leg)

    def is_known(self, client: FiveTuple) -> bool:
        """Whether this client of a listener holds an allocation."""
        return self._turn.is_known(client)

    def echoes_nonce(self, datagram: bytes, client: FiveTuple, now: Now) -> bool:
        """Whether a datagram has a nonce that was made for this client: its source is not forged.

        It takes a tenth of the time that `receive` does.
        """
        return self._turn.echoes_nonce(datagram, client, now)

    def is_known_at_port(self, client: FiveTuple) -> bool:
        """Whether a party, or one that is being asked, is at this address of a relayed one."""
        if self._turn.has_outer_port(client.server):
            return self._turn.is_known_outside(client)
        return self._ports.is_known(client)

    def is_proven_at_port(self, datagram: bytes, client: FiveTuple) -> bool:
        """Whether a datagram names what only the party of that relayed port was told."""
        return self._ports.is_proven(datagram, client)
