"""A relayed port of ports mode: from where its party is heard, and where it is sent to.

Rules of this file: it holds values and keeps them consistent; it knows no wire format.
"""

from collections import OrderedDict
from math import inf

from relay.address import ClientAddress, PeerAddress, ServerAddress
from relay.calls.call import Leg, RelayedAddress
from relay.ice.access import Access, Endpoint, IceCredentials
from relay.ice.candidate import Candidate, Generation

NOMINATED_S = 6.0
"""How long a nominated source keeps its place against checks of others: a client that is still
there is heard at least so often (RFC 7675 section 5.1: every five seconds, plus a fifth)."""

UNPROVEN, UNPROVEN_S = 4, 30.0
"""So many addresses that a leg's checks come from are asked back at once, and one more each thirty
seconds: as many as a host has interfaces. One that answers does not count."""

_SOURCES = 8  # verified addresses of one leg: a host has a few interfaces, each behind a NAT
_CHECKS = 256  # transaction ids remembered per leg: ten minutes of consent checks


class RelayedPort(RelayedAddress):
    """The relayed port of one leg.

    `sources` are the addresses that data is taken from, the latest last: the declared one, or those
    that have answered the relay's own checks. `target` is the one of them that data is sent to.
    `pending` are those that have not answered yet. `ice` is None where the party does no ICE, or
    has not said so yet; `previous` is what held before an ICE restart that is not complete.
    `has_lapsed`: there was a target, and it has not consented for too long.

    Args:
        relayed: as the party is told it.
        port: what this host calls it.
        own: what the relay calls itself towards the party.
        access: what was known of the party when the port was opened.
        tries: ports that could not be opened for this leg before.
    """

    __slots__ = (
        *("_checks", "_nominated_until", "_unproven_until", "access", "has_lapsed", "ice"),
        *("is_declared", "own", "pending", "port", "previous", "sources", "target", "tries"),
    )

    def __init__(
        self,
        leg: Leg,
        relayed: PeerAddress,
        port: ServerAddress,
        own: IceCredentials,
        access: Access,
        tries: int = 0,
    ) -> None:
        super().__init__(leg, relayed, inf)
        self.port = port
        self.own = own
        self.access = access
        self.tries = tries
        self.ice: Generation | None = None
        self.previous: Generation | None = None
        self.is_declared = False
        self.sources: dict[ClientAddress, Candidate] = {}
        self.pending: dict[ClientAddress, Candidate] = {}
        self.target: ClientAddress | None = None
        self.has_lapsed = False
        self._nominated_until = 0.0
        self._unproven_until = 0.0
        self._checks: OrderedDict[bytes, ClientAddress] = OrderedDict()

    @property
    def sibling(self) -> "RelayedPort | None":
        """The port of the other leg, once it is there."""
        others = (port_of(leg) for leg in self.leg.call.legs if leg is not self.leg)
        return next(others, None)

    @property
    def aimed(self) -> Candidate | None:
        """Where data is sent."""
        return self.sources[self.target] if self.target is not None else None

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint that the party is told."""
        return Endpoint(self.relayed, None if self.is_declared else self.own)

    def declare(self, declared: Candidate) -> None:
        """The party is at this address and nowhere else."""
        self.is_declared = True
        self.ice = self.previous = None
        self._forget()
        self.sources = {declared.address: declared}
        self.target = declared.address

    def expect(self, party: IceCredentials, renewed: IceCredentials) -> None:
        """The party does ICE with these credentials. Others than before are an ICE restart.

        The relay restarts with it, under credentials that are new as well. Until the party has
        answered under the new ones, those before are answered and data flows as it did (RFC 8445
        section 9).
        """
        if self.ice is not None and party == self.ice.party:
            return
        if self.is_declared:
            self.is_declared = False
            self._forget()
        if self.ice is not None:
            self.previous = self.ice
            self.own = renewed
            self.pending = {}
        self.ice = Generation(self.own, party)

    def is_named_in(self, datagram: bytes) -> bool:
        """Whether the relay's half of a check's username is in it: RFC 8445 section 7.2.2."""
        before = [self.previous.own] if self.previous is not None else []
        return any(f"{own.ufrag}:".encode() in datagram for own in (self.own, *before))

    def is_replay(self, transaction_id: bytes, source: ClientAddress) -> bool:
        """Whether a check has come before, from another address: somebody's recording of it.

        A check's MAC does not cover where it was sent from. A client that moved starts a new
        transaction.
        """
        first = self._checks.setdefault(transaction_id, source)
        if len(self._checks) > _CHECKS:
            self._checks.popitem(last=False)
        return first != source

    def may_ask(self, mono: float) -> bool:
        """Whether one more address that has shown nothing may be asked back; if so it counts."""
        until = max(self._unproven_until, mono)
        if until - mono > (UNPROVEN - 1) * UNPROVEN_S:
            return False
        self._unproven_until = until + UNPROVEN_S
        return True

    def learn(self, shown: Candidate, nominates: bool, mono: float) -> list[Candidate]:
        """The party is at this address, under the present credentials.

        Data is sent to the latest such address; but one that the party has nominated, and is still
        heard from, gives way to another nomination only, so that checks of a client's other
        interfaces do not draw the call to themselves.

        Returns: the sources that are none any more.
        """
        before, source = list(self.sources.values()), shown.address
        if self.pending.get(source) is shown:
            del self.pending[source]
            self._unproven_until -= UNPROVEN_S
        if self.previous is not None:
            self.previous = None
            self._nominated_until = 0.0
            self.sources = {}
        self.has_lapsed = False
        self.sources.pop(source, None)
        self.sources[source] = shown  # the latest stands last
        self._aim(source, nominates, mono)
        if len(self.sources) > _SOURCES:
            del self.sources[next(s for s in self.sources if s not in (self.target, source))]
        return [old for old in before if old.address not in self.sources]

    def lose(self, gone: list[Candidate]) -> bool:
        """These sources have not consented for too long. Returns: whether the target is gone."""
        for source in gone:
            del self.sources[source.address]
        if self.target is None or self.target in self.sources:
            return False
        self.target = None
        self._nominated_until = 0.0
        self.has_lapsed = True
        return True

    def deadline(self) -> float:
        """When an address has to be asked again, or is too late with its answer."""
        moments = [each.due for each in self.pending.values()]
        moments += [each.expires for each in self.sources.values()]
        if self.aimed is not None:
            moments.append(self.aimed.due)
        return min(moments, default=inf)

    def _aim(self, source: ClientAddress, nominates: bool, mono: float) -> None:
        is_nominated = mono < self._nominated_until
        if nominates or source == self.target or not is_nominated:
            stays = nominates or (is_nominated and source == self.target)
            self._nominated_until = mono + NOMINATED_S if stays else 0.0
            self.target = source

    def _forget(self) -> None:
        self.sources, self.pending, self.target = {}, {}, None
        self.has_lapsed = False
        self._nominated_until = 0.0


def port_of(leg: Leg) -> RelayedPort | None:
    """The relayed port of a leg; None where it has none, or none yet."""
    held = leg.held[0] if leg.held else None
    return held if isinstance(held, RelayedPort) else None
