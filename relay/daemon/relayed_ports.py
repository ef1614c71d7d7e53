"""Relayed and outer ports in step with the rest: decisions applied, ports opened and closed."""

import asyncio
import errno
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from relay.address import FiveTuple
from relay.calls.call import Grant
from relay.clock import Now
from relay.config import Settings
from relay.effects import Effect, LegKey, OpenOuterPort
from relay.errors import CallError
from relay.forward.forwarder import Forwarder
from relay.forward.user.gate import USERNAME, Gate
from relay.ice.access import Access, Endpoint
from relay.ice.server import Ports
from relay.ice.settings import PortSettings
from relay.special_use import Denied
from relay.turn.server import Server

log = logging.getLogger(__name__)

_TRIES = 16
"""Ports drawn for one leg before it is given up: other programs of this host hold some."""

_PARTY_PER_S = 400
"""Datagrams from one address of a party that no route forwards: its checks, which are 50 ms apart
where it has one of them to make (RFC 8445 section 14.2) and cost 70 µs each, and data too early."""

_TAKEN = (errno.EADDRINUSE, errno.EACCES)

Decide = Callable[[bytes, FiveTuple, Now], list[Effect]]
"""What a core makes of a datagram."""


class RelayedPorts:
    """
    Args:
        core: decides.
        decide: has it decide about a datagram, and does what follows.
        apply: does what it wants done.
        now: reads both clocks.
        answers_per_s: what one source may have before it has authenticated.
    """

    def __init__(
        self,
        core: Ports,
        forwarder: Forwarder,
        decide: Callable[[Decide, bytes, FiveTuple], None],
        apply: Callable[[Iterable[Effect]], None],
        now: Callable[[], Now],
        answers_per_s: int,
    ) -> None:
        self._core = core
        self._decide = decide
        self._apply = apply
        self._now = now
        self._next_turn: asyncio.Handle | None = None
        gate = Gate(self, answers_per_s, proof=USERNAME, client_per_s=_PARTY_PER_S)
        forwarder.receive_ports(self, gate)

    def open(self, grants: Sequence[Grant], access: Mapping[str, Access]) -> None:
        """Give each leg of a call a port.

        Args:
            access: by leg; absent where nothing is known.
        Raises: CallError `invalid_request` or `out_of_ports`, and then no port is open.
        """
        try:
            for grant in grants:
                self._open(grant, access.get(grant.leg, Access()))
        except CallError:
            self.ended(grants[0].call)
            raise

    def set_access(self, leg: LegKey, access: Access) -> None:
        """Take in where a party is. Raises: CallError. Nothing else."""
        self._apply(self._core.set_access(leg, access, self._now()))

    def endpoint(self, leg: LegKey) -> Endpoint:
        """What a party is told. Raises: CallError `unknown_call`. Nothing else."""
        return self._core.endpoint(leg)

    def opened(self, call: str) -> None:
        """A call was accepted."""
        self._apply(self._core.open_call(call, self._now()))

    def ended(self, call: str) -> None:
        """A call has ended: its ports are closed when this returns."""
        self._apply(self._core.end_call(call, self._now()))

    def changed(self, call: str, masked: frozenset[str], expires: float) -> None:
        """A call has more masked legs now, or more time."""
        self._apply(self._core.change_call(call, masked, expires, self._now()))

    def handle_timeout(self) -> None:
        """Do what is due, in turns between which packets are forwarded."""
        if self._next_turn is None:
            self._take_turn()

    def _take_turn(self) -> None:
        """One at a time, however often it is asked for: with more of them than one, a relay that
        has too much to do would do ever more of it in a turn of the loop.
        """
        self._next_turn = None
        now = self._now()
        self._apply(self._core.handle_timeout(now))
        if self._core.is_due(now):
            self._next_turn = asyncio.get_running_loop().call_soon(self._take_turn)

    def connected(self, call: str) -> dict[str, bool]:
        """The legs of a call that have ports, and whether it is known where each party is."""
        return self._core.connected_legs(call)

    def has_calls(self) -> bool:
        """Whether any call holds ports."""
        return self._core.has_calls()

    @property
    def free(self) -> int:
        """Relayed ports left to draw."""
        return self._core.ports_free

    def receive(self, datagram: bytes, client: FiveTuple) -> None:
        """Decide about a datagram that came to a port, and do what follows. Raises: nothing."""
        self._decide(self._core.receive, datagram, client)

    def is_known(self, client: FiveTuple) -> bool:
        """Whether the party of that port is at this address, or may be. Raises: nothing."""
        return self._core.is_known(client)

    def is_proven(self, datagram: bytes, client: FiveTuple) -> bool:
        """Whether a datagram names what only that port's party was told. Raises: nothing."""
        return self._core.is_proven(datagram, client)

    def _open(self, grant: Grant, access: Access) -> None:
        for _ in range(_TRIES):
            try:
                self._apply(self._core.open_leg(grant, access, self._now()))
            except OSError as error:
                self._apply(self._core.close_leg(LegKey(grant.call, grant.leg), self._now()))
                if error.errno not in _TAKEN:
                    log.warning("port_not_opened", extra={"errno": error.errno})
                    break
            else:
                return
        raise CallError("out_of_ports", "No port could be opened on this host.")


class OuterPorts:
    """
    Args:
        server: decides.
        decide: has it decide about a datagram, and does what follows.
        answers_per_s: as above.
    """

    def __init__(
        self,
        server: Server,
        forwarder: Forwarder,
        decide: Callable[[Decide, bytes, FiveTuple], None],
        answers_per_s: int,
    ) -> None:
        self._server = server
        self._forwarder = forwarder
        self._decide = decide
        self._gate = Gate(self, answers_per_s)

    def open(self, effect: OpenOuterPort) -> None:
        """Receive at an allocation's relayed address; where that cannot be, it is lost."""
        try:
            self._forwarder.open_port(effect.address, self, self._gate)
        except OSError as error:
            log.warning("outer_port_not_opened", extra={"errno": error.errno})
            self._server.lose_outer_port(effect.address)

    def receive(self, datagram: bytes, client: FiveTuple) -> None:
        """Decide about a datagram that came to one, and do what follows. Raises: nothing."""
        self._decide(self._server.receive_outside, datagram, client)

    def is_known(self, client: FiveTuple) -> bool:
        """Whether this is an unmasked party's own address. Raises: nothing."""
        return self._server.is_known_outside(client)

    def is_proven(self, datagram: bytes, client: FiveTuple) -> bool:
        """Nothing that comes there proves anything."""
        return False


def port_settings_of(
    settings: Settings, rate_key: bytes, is_this_host: Callable[[bytes], bool]
) -> PortSettings:
    """What the core of relayed ports is told."""
    denied = settings.ports.denied
    listening = {listen.address.port for listen in settings.listen} | {settings.api.listen.port}
    return PortSettings(
        addresses=tuple((address.public, address.local) for address in settings.relay.addresses),
        ports=range(settings.relay.ports.low, settings.relay.ports.high + 1),
        mask_mapped_address=settings.privacy.mask_mapped_address,
        unauthenticated_per_s=settings.limits.unauthenticated_per_s,
        rate_key=rate_key,
        denied=Denied(denied.default, denied.networks, settings.ports.allow_private.networks),
        is_this_host=is_this_host,
        own_ports=frozenset(listening),
    )
