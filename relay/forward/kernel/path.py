"""The kernel fast path as the daemon sees it: effects in, counts out, a lease to renew.

Rules of this file: the user path has every route too, and gets whatever the kernel does not take.
So a route that cannot be in the kernel is no fault, and taking one away loses nothing.
"""

import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from relay.address import PeerAddress, ServerAddress, Transport
from relay.effects import NO_CHANNEL, DropLeg, DropRoute, LegKey, SetLeg, SetRoute
from relay.errors import DropReason, FastPathError
from relay.forward.kernel import layout
from relay.forward.kernel.bodies import Bodies
from relay.forward.kernel.interfaces import Interfaces
from relay.forward.kernel.legs import LegCounts, Legs
from relay.forward.kernel.own import OwnTransportAddresses
from relay.forward.kernel.peers import RelayedIps
from relay.forward.kernel.program import PRIORITY, Program
from relay.forward.kernel.table import RouteTable
from relay.forward.meter import BURST_NS, Tally

_LEASE, _BURST = layout.CONFIG.word("lease_until_ns"), layout.CONFIG.word("burst_ns")
_LAYOUT = layout.CONFIG.word("layout")
_ROUTES_PER_TURN = 250  # some 5 ms of asking the kernel


class FastPath:
    """Routes in the kernel, beside those of the user path. Made by `open`."""

    is_attached = True
    status = "attached"

    def __init__(
        self,
        interfaces: Interfaces,
        program: Program,
        listeners: Sequence[ServerAddress],
        lease_s: int,
        clock_ns: Callable[[], int],
    ) -> None:
        now_ns = clock_ns()
        self._clock_ns = clock_ns
        self._lease_ns = lease_s * 1_000_000_000
        self._interfaces = interfaces
        self._program = program
        self._config = program.array("config")
        self._totals, self._drops = program.counters("totals"), program.counters("drops")
        self._own = OwnTransportAddresses(program.listeners(), listeners)
        self._table = RouteTable(program.routes(), program.array("slots"), now_ns)
        self._legs = Legs(program.array("legs"), self._table.adopted_legs())
        self._relayed = RelayedIps(self._config, keep=self._table.adopted > 0)
        self._bodies = Bodies(interfaces, self._legs, self._own)
        self._wanted: dict[bytes, SetRoute] = {}
        self._doubtful: deque[bytes] = deque()
        self._fault: FastPathError | None = None
        self.adopted = self._table.adopted
        """How many routes of an earlier daemon were found at the start."""
        self.watched = (interfaces.changes.fileno(),)
        """Readable when interfaces, addresses, routes or rules have changed: call `follow`."""

    @classmethod
    def open(
        cls,
        interfaces: Sequence[str],
        listeners: Sequence[ServerAddress],
        relayed: Sequence[ServerAddress],
        lease_s: int,
        clock_ns: Callable[[], int],
    ) -> "FastPath":
        """Load the program and attach it; or take over the maps of a daemon that ran before.

        Args:
            interfaces: by name; empty for those that carry these addresses.
            listeners: the UDP listeners, bound already.
            relayed: where relayed ports are going to be opened.
            lease_s: how long the kernel forwards after the last `renew`.
            clock_ns: CLOCK_MONOTONIC, the clock of the routes' expiry.
        Raises: FastPathError, with what is missing. Nothing else.
        """
        if sys.platform != "linux":
            raise FastPathError("it runs on Linux only")
        try:
            network = Interfaces(interfaces, listeners, relayed)
            try:
                program = Program(listeners, network.all())
                path = cls(network, program, listeners, lease_s, clock_ns)
            except BaseException:
                network.close()
                raise
        except OSError as error:
            raise FastPathError(f"{error.strerror}") from error
        try:
            path._start()
        except OSError as error:
            path.close(leave_running=False)
            raise FastPathError(f"{error.strerror}") from error
        return path

    def set_route(self, effect: SetRoute) -> bool:
        """Forward in the kernel from now on; replaces.

        Returns: False where the user path has to: an end is not UDP, one of them knows no TURN and
            the other has indications, an indication would name what is no relayed address, no
            interface of ours leads to the target, the leg is unknown, or there is no room. No older
            route stays in the kernel.
        """
        if effect.source.transport is not Transport.UDP:
            return False
        key = layout.route_key(effect.source, effect.channel)
        ends = effect.channel, effect.target_channel
        is_mixed = NO_CHANNEL in ends and any(isinstance(end, PeerAddress) for end in ends)
        if (
            is_mixed
            or not all(map(self._relayed.has, ends))
            or effect.target.transport is not Transport.UDP
        ):
            self._forget(key)
            return False
        self._wanted[key] = effect
        return self._install(key, effect)

    def drop_route(self, effect: DropRoute) -> None:
        """Forward in the kernel no longer. A route that does not exist is no error."""
        if effect.source.transport is Transport.UDP:
            self._forget(layout.route_key(effect.source, effect.channel))

    def open_port(self, address: ServerAddress) -> None:
        """A relayed port is open. What an earlier daemon forwarded from it ends: it was another's.

        Its routes come with `set_route`, and each goes with `drop_route` before `close_port`.
        """
        key = layout.listener_key(address)
        self._own.open_port(key)
        now_ns = self._clock_ns()
        self._release(self._table.drop_adopted_at(key, now_ns), now_ns)

    def close_port(self, address: ServerAddress) -> None:
        """A relayed port is no longer ours."""
        self._own.close_port(layout.listener_key(address))

    def set_leg(self, effect: SetLeg) -> bool:
        """Let a leg exist with these caps. Returns: False where there is no room for it."""
        return self._legs.set(effect, self._clock_ns())

    def drop_leg(self, effect: DropLeg) -> None:
        """A leg is gone, and with it its counts and whatever routes it still has."""
        now_ns = self._clock_ns()
        index = self._legs.index(effect.leg)
        if index is not None:
            self._table.drop_leg(index, now_ns)
            self._legs.drop(effect.leg, now_ns)

    def leg(self, leg: LegKey) -> LegCounts | None:
        """Read what the kernel path did for a leg; None if there is no such leg."""
        return self._legs.counts(leg)

    def has_route(self, leg: LegKey) -> bool:
        """Tell whether any route of a leg is in the kernel."""
        index = self._legs.index(leg)
        return index is not None and self._table.uses(index) > 0

    def counters(self) -> Tally:
        """Read what the kernel path forwarded and dropped in all."""
        tally = Tally()
        tally.packets, tally.bytes = self._totals.sums()
        tally.drops = [self._drops.sums(reason)[0] for reason in DropReason]
        return tally

    @property
    def routes(self) -> int:
        """Count the routes in the kernel."""
        return len(self._table)

    def renew(self, now_ns: int) -> None:
        """Push the lease ahead, end what an earlier daemon left once it has expired, and follow
        path MTUs: what no longer fits goes up, to be sent in fragments.
        """
        self._config.words[_LEASE] = now_ns + self._lease_ns
        if self._table.adopted:
            self._drop_adopted(now_ns, only_expired=True)
        with suppress(OSError):  # no memory to answer: the next time, then
            changed = self._interfaces.new_path_mtus()
            if changed:
                wanted = self._wanted.items()
                new = [key for key, e in wanted if e.target.client.packed in changed]
                self._doubtful = deque(dict.fromkeys([*self._doubtful, *new]))
        self._look_again()

    def drop_adopted(self) -> None:
        """End every route that an earlier daemon left and that has not been set since."""
        self._drop_adopted(self._clock_ns(), only_expired=False)

    def give_to(self, uid: int) -> None:
        """Let another user take everything away at the end: who the daemon is going to be."""
        self._program.give_to(uid)

    def follow(self) -> bool:
        """Follow what has changed, for a few milliseconds.

        Returns: whether there is more to do; call again soon. Once closed, there is not.
        Raises: FastPathError at the end, where a new interface may not be filtered.
        """
        if self._interfaces.changes.drain():
            self._doubtful = deque(self._wanted)
            try:
                self._interfaces.refresh()
                self._attach()
                self._fault = None
            except OSError as error:
                self._fault = FastPathError(f"{error.strerror}")
        self._look_again()
        if self._fault is not None and not self._doubtful:
            fault, self._fault = self._fault, None
            raise fault
        return bool(self._doubtful)

    def close(self, leave_running: bool) -> None:
        """Detach the program, or leave it running, and close what is open.

        Args:
            leave_running: the kernel goes on until the lease is over, and the next daemon takes
                the routes over; else they end now.
        """
        if not leave_running:
            self._config.words[_LEASE] = 0
            # A pin that we may no longer remove leads the next daemon to maps that are nobody's.
            self._config.words[_LAYOUT] = 0
            self._program.detach()
        self._doubtful.clear()
        self._config.close()
        self._totals.close()
        self._drops.close()
        self._own.close()
        self._table.close()
        self._legs.close()
        self._program.close()
        self._interfaces.close()

    def _start(self) -> None:
        self._config.words[_BURST] = BURST_NS
        self._config.words[_LAYOUT] = layout.LAYOUT
        self.renew(self._clock_ns())
        self._attach()
        self._program.remove_dead(self._interfaces.filters(PRIORITY), self._clock_ns())
        self._program.pin()

    def _attach(self) -> None:
        """Filter where packets arrive now."""
        self._program.attach(self._interfaces.ingress(), self._interfaces.all())

    def _look_again(self) -> None:
        """Install some of the doubtful routes anew."""
        for _ in range(min(_ROUTES_PER_TURN, len(self._doubtful))):
            key = self._doubtful.popleft()
            effect = self._wanted.get(key)
            if effect is not None:
                self._install(key, effect)

    def _install(self, key: bytes, effect: SetRoute) -> bool:
        now_ns = self._clock_ns()
        try:
            route = self._bodies.of(key, effect)
        except OSError:  # no memory to answer which way packets leave: the user path needs none
            route = None
        if route is not None:
            body, leg = route
            if self._table.set(key, body, effect.expires_ns, leg, now_ns):
                return True
        self._remove(key, now_ns)
        return False

    def _forget(self, key: bytes) -> None:
        self._wanted.pop(key, None)
        self._remove(key, self._clock_ns())

    def _remove(self, key: bytes, now_ns: int) -> None:
        # A route that is not ours may be an earlier daemon's: its client has something else now.
        self._release(self._table.drop(key, now_ns), now_ns)

    def _drop_adopted(self, now_ns: int, only_expired: bool) -> None:
        self._release(self._table.drop_adopted(now_ns, only_expired), now_ns)

    def _release(self, legs: list[int], now_ns: int) -> None:
        for leg in legs:
            self._legs.release(leg, now_ns)
