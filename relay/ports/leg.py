"""The values of relayed ports: a call, its two legs, and from where each may be heard.

Rules of this file: it holds values and keeps them consistent; it knows no wire format.
"""

from collections import OrderedDict

from relay.address import ClientAddress, PeerAddress, ServerAddress
from relay.calls.endpoint import Endpoint, IceCredentials
from relay.turn.effects import LegKey

NOMINATED_S = 6.0
"""How long a nominated source keeps its place against checks of others: a client that is still
there is heard at least so often (RFC 7675 section 5.1: every five seconds, plus a fifth)."""

_SOURCES = 8  # verified addresses of one leg: a host has a few interfaces, each behind a NAT
_CHECKS = 256  # transaction ids remembered per leg: ten minutes of consent checks


class PortCall:
    """The two legs of one call, and until when (monotonic seconds) data may cross."""

    __slots__ = ("expires", "legs", "open")

    def __init__(self, is_open: bool, expires: float) -> None:
        self.open = is_open
        self.expires = expires
        self.legs: list[PortLeg] = []


class PortLeg:
    """One party's place in a call, with a relayed port of its own.

    `sources` are the addresses that data is taken from: the declared one, or those whose checks
    have verified, with the monotonic time of the latest. `target` is the one that data is sent to.
    `ufrag` is the party's; None where it does no ICE, or has not said so yet.
    """

    __slots__ = (
        "_checks",
        "_is_restarting",
        "_nominated_until",
        "call",
        "is_declared",
        "key",
        "masked",
        "own",
        "port",
        "previous",
        "relayed",
        "sources",
        "target",
        "ufrag",
    )

    def __init__(
        self, key: LegKey, call: PortCall, port: ServerAddress, own: IceCredentials
    ) -> None:
        self.key = key
        self.call = call
        self.port = port
        self.relayed = PeerAddress(port.packed, port.port)
        self.masked = True
        self.own = own
        self.ufrag: str | None = None
        self.previous: tuple[IceCredentials, str] | None = None
        self.is_declared = False
        self.sources: dict[ClientAddress, float] = {}
        self.target: ClientAddress | None = None
        self._nominated_until = 0.0
        self._is_restarting = False
        self._checks: OrderedDict[bytes, ClientAddress] = OrderedDict()

    @property
    def sibling(self) -> "PortLeg | None":
        """The other leg, once it is there."""
        return next((leg for leg in self.call.legs if leg is not self), None)

    @property
    def endpoint(self) -> Endpoint:
        """What the party is told."""
        return Endpoint(self.relayed, None if self.is_declared else self.own)

    def declare(self, address: ClientAddress) -> None:
        """The party is at this address and nowhere else."""
        self.is_declared = True
        self.ufrag = self.previous = None
        self._nominated_until, self._is_restarting = 0.0, False
        self.sources = {address: 0.0}
        self.target = address

    def expect(self, ufrag: str, renewed: IceCredentials) -> None:
        """The party does ICE under this name. Another name than before is an ICE restart.

        The relay restarts with it, under credentials that are new as well. Until a check verifies
        under the new ones, those before are answered and data flows as it did (RFC 8445 section 9).
        """
        if ufrag == self.ufrag:
            return
        if self.is_declared:
            self.is_declared = False
            self.sources, self.target = {}, None
        if self.ufrag is not None:
            self.previous = self.own, self.ufrag
            self.own = renewed
            self._is_restarting = True
        self.ufrag = ufrag

    def is_replay(self, transaction_id: bytes, source: ClientAddress) -> bool:
        """Whether a check has come before, from another address: somebody's recording of it.

        A lite agent cannot ask the source back, and a check's MAC does not cover where it was sent
        from. A client that moved starts a new transaction.
        """
        first = self._checks.setdefault(transaction_id, source)
        if len(self._checks) > _CHECKS:
            self._checks.popitem(last=False)
        return first != source

    def learn(self, source: ClientAddress, nominates: bool, mono: float) -> list[ClientAddress]:
        """A check from this address has verified under the present credentials.

        Data is sent to the latest such address; but one that the party has nominated, and is still
        heard from, gives way to another nomination only, so that checks of a client's other
        interfaces do not draw the call to themselves.

        Returns: the sources that are none any more.
        """
        before = list(self.sources)
        if self._is_restarting:
            self._is_restarting = False
            self.previous = None
            self._nominated_until = 0.0
            self.sources = {}
        self.sources.pop(source, None)
        self.sources[source] = mono  # the latest stands last
        self._aim(source, nominates, mono)
        if len(self.sources) > _SOURCES:
            del self.sources[next(s for s in self.sources if s not in (self.target, source))]
        return [old for old in before if old not in self.sources]

    def _aim(self, source: ClientAddress, nominates: bool, mono: float) -> None:
        is_nominated = mono < self._nominated_until
        if nominates or source == self.target or not is_nominated:
            stays = nominates or (is_nominated and source == self.target)
            self._nominated_until = mono + NOMINATED_S if stays else 0.0
            self.target = source
