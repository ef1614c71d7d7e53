"""The relay without its sockets' birth and death: decisions applied, calls and legs in step.

Rules of this file: effects are applied in order and to the end, in one turn of the loop; a fault of
our own costs one datagram, never the relay.
"""

import base64
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from relay.address import FiveTuple, Transport
from relay.api.relay import Party, Status
from relay.calls.call import State
from relay.calls.pool import PortPool
from relay.calls.registry import Registry
from relay.clock import Clocks, Now
from relay.daemon.relayed_ports import Decide, OuterPorts, RelayedPorts
from relay.effects import Answered, Effect, LegConnected, LegIdle, LegKey, OpenOuterPort
from relay.errors import DropReason, Rejected
from relay.forward.forwarder import Forwarder
from relay.forward.user.routes import Tally
from relay.ice.access import Access, Endpoint
from relay.ice.server import Ports
from relay.ice.settings import PortSettings
from relay.metrics import Counters, Snapshot, render
from relay.turn.authority import Grant
from relay.turn.server import Server
from relay.turn.settings import TurnSettings

log = logging.getLogger(__name__)

ALARM_INTERVAL_S = 60.0


class Engine:
    """What the listeners, the API and the clock drive.

    Args:
        clocks: read once per event.
        entropy: random bytes on demand.
        reload: reads the configuration again; raises ConfigError where that fails.
        ports: of legs without TURN.
    """

    def __init__(
        self,
        settings: TurnSettings,
        registry: Registry,
        clocks: Clocks,
        entropy: Callable[[int], bytes],
        reload: Callable[[], None],
        ports: PortSettings,
    ) -> None:
        self.registry = registry
        self.reload = reload
        self.tally = Tally()
        self.counters = Counters()
        self.is_draining = False
        self.is_ready = False
        self.fastpath = "off"
        self.now = clocks.now
        self._mono_ns = clocks.mono_ns
        self._started = clocks.now().mono
        self._guessed, self._alarm_at = 0, self._started
        self._entropy = entropy
        pool = PortPool(settings.ports)
        self.server = Server(settings, self, entropy, pool)
        self.forwarder = Forwarder(self.tally, clocks.mono_ns)
        self._handlers = self.forwarder.handlers | {
            Answered: self._answered,
            LegConnected: self._leg_connected,
            LegIdle: self._leg_idle,
        }
        core = Ports(ports, entropy, pool)
        answers_per_s = settings.unauthenticated_per_s
        self.ports = RelayedPorts(
            core, self.forwarder, self.decide, self.apply, self.now, answers_per_s
        )
        outer = OuterPorts(self.server, self.forwarder, self._receive, answers_per_s)
        self._handlers[OpenOuterPort] = outer.open

    def receive(self, datagram: bytes, client: FiveTuple) -> None:
        """Decide about a datagram and do what follows. Raises: nothing."""
        self._receive(self.server.receive, datagram, client)

    def decide(self, core: Decide, datagram: bytes, client: FiveTuple) -> None:
        """Have a core decide about a datagram, and do what follows. Raises: nothing."""
        try:
            self.apply(core(datagram, client, self.now()))
        except Exception:  # a fault of ours: the running calls go on, and it is seen
            self.tally.dropped(DropReason.INTERNAL)
            log.exception("receive_failed")

    def _receive(self, core: Decide, datagram: bytes, client: FiveTuple) -> None:
        started = self._mono_ns()
        self.decide(core, datagram, client)
        self.counters.took((self._mono_ns() - started) * 1e-9)

    def disconnect(self, client: FiveTuple) -> None:
        """A client's TCP or TLS connection has ended."""
        self.apply(self.server.disconnect(client, self.now()))

    def is_known(self, client: FiveTuple) -> bool:
        """Whether this client holds an allocation."""
        return self.server.is_known(client)

    def is_proven(self, datagram: bytes, client: FiveTuple) -> bool:
        """Whether a datagram has a nonce that was made for this client."""
        return self.server.echoes_nonce(datagram, client, self.now())

    def admit(self, call: str, leg: str, now: Now) -> Grant:
        """What the TURN server asks: as the registry says, but nothing new while draining."""
        if self.is_draining and not self.registry.is_live(call):
            raise Rejected(508)
        return self.registry.admit(call, leg, now)

    def token(self) -> str:
        """128 random bits, 22 characters of base64url."""
        return base64.urlsafe_b64encode(self._entropy(16)).rstrip(b"=").decode()

    def open_ports(self, call: str, access: Mapping[str, Access]) -> None:
        """Give each leg of a new call a relayed port; CallError where that cannot be."""
        found = self.registry.get(call, self.now())
        grants = [self.registry.grant(found, leg) for leg in found.legs]
        self.ports.open(grants, access)

    def set_access(self, call: str, leg: str, access: Access) -> None:
        """Take in where the party of a relayed port is; CallError where that cannot be."""
        self.ports.set_access(LegKey(call, leg), access)

    def endpoint(self, call: str, leg: str) -> Endpoint:
        """A leg's relayed port; CallError where it has none."""
        return self.ports.endpoint(LegKey(call, leg))

    def opened(self, call: str) -> None:
        """A call was accepted: its routes exist when this returns."""
        self.apply(self.server.open_call(call, self.now()))
        self.ports.opened(call)

    def ended(self, call: str) -> None:
        """A call has ended: nothing of it is forwarded when this returns."""
        self.apply(self.server.end_call(call, self.now()))
        self.ports.ended(call)

    def left(self, call: str) -> None:
        """Parties have left a call: nothing of theirs is forwarded when this returns."""
        now = self.now()
        if not self.registry.is_live(call):
            self.ended(call)
            return
        found = self.registry.get(call, now)
        legs = frozenset(leg.id for leg in found.legs)
        self.apply(self.server.keep_legs(call, legs, half_relayed=found.half_relayed, now=now))

    def tightened(self, call: str) -> None:
        """A call is relayed now, or has more masked legs: no leg keeps what it may not have."""
        now = self.now()
        found = self.registry.live(call, now)
        masked = frozenset(leg.id for leg in found.legs if leg.masked)
        self.apply(
            self.server.change_call(
                call,
                closed=found.relayed,
                half_relayed=found.half_relayed,
                masked=masked,
                expires=found.expires,
                now=now,
            )
        )
        self.ports.changed(call, masked, found.expires)

    extended = tightened  # the same: what the registry says now

    def relayed(self, call: str) -> dict[str, list[tuple[str, int]]]:
        """The relayed addresses of each leg, best first, to be told to the other parties."""
        relayed = self.server.relayed_of(call)
        return {leg: [each.reveal() for each in addresses] for leg, addresses in relayed.items()}

    def tick(self) -> None:
        """End what has run out, and renew what has not."""
        now = self.now()
        for call in self.registry.handle_timeout(now):
            self.ended(call)
        self.apply(self.server.handle_timeout(now))
        self.ports.handle_timeout()
        self._raise_alarm(now)
        if self.forwarder.kernel is not None:
            self.forwarder.kernel.renew(self._mono_ns())

    def _raise_alarm(self, now: Now) -> None:
        """Say at most once a minute that somebody guesses addresses."""
        guessed = self.tally.drops[DropReason.GUESSED]
        if guessed > self._guessed and now.mono >= self._alarm_at:
            log.warning("addresses_guessed", extra={"datagrams": guessed - self._guessed})
            self._guessed, self._alarm_at = guessed, now.mono + ALARM_INTERVAL_S

    def apply(self, effects: Iterable[Effect]) -> None:
        """Do what the core wants done, in order."""
        handlers = self._handlers
        for effect in effects:
            handlers[type(effect)](effect)

    def legs(self, call: str) -> dict[str, Party]:
        """What each leg of a call has done so far; legs that never allocated are left out."""
        transports = self.server.transports_of(call)
        views = {}
        for leg in self.server.legs_of(call):
            views[leg] = self._leg(LegKey(call, leg), transports.get(leg))
        for leg, connected in self.ports.connected(call).items():
            views[leg] = self._leg(LegKey(call, leg), Transport.UDP if connected else None)
        return views

    def status(self) -> Status:
        """How the relay is."""
        return Status(
            ready=self.is_ready and not self.is_draining,
            draining=self.is_draining,
            uptime_s=self.now().mono - self._started,
            calls=self.registry.counts(),
            allocations=sum(self.server.count_allocations().values()),
            fastpath=self.fastpath,
        )

    def drain(self) -> None:
        """Begin no new calls from now on."""
        self.is_draining = True

    def is_drained(self) -> bool:
        """Whether it drains and nobody talks or is being called any more."""
        talks = self.server.has_allocations() or self.ports.has_calls()
        return self.is_draining and not talks and not self.registry.counts()[State.RINGING]

    def metrics(self) -> bytes:
        """One scrape."""
        tally, kernel = self.tally, self.forwarder.kernel
        in_kernel = kernel.counters() if kernel else Tally()
        snapshot = Snapshot(
            calls={state.value: count for state, count in self.registry.counts().items()},
            allocations={t.value: n for t, n in self.server.count_allocations().items()},
            routes={"user": self.forwarder.routes, "kernel": kernel.routes if kernel else 0},
            packets={"user": tally.packets, "kernel": in_kernel.packets},
            bytes={"user": tally.bytes, "kernel": in_kernel.bytes},
            drops={
                (path, reason): drops[reason]
                for path, drops in (("user", tally.drops), ("kernel", in_kernel.drops))
                for reason in DropReason
            },
            ports_free=self.ports.free,
            fastpath_attached=kernel is not None,
            restarts_adopted=int(kernel is not None and kernel.adopted > 0),
        )
        return render(snapshot, self.counters)

    def _leg(self, leg: LegKey, transport: Transport | None) -> Party:
        path: Literal["kernel", "user"] | None = None
        if transport is not None:
            path = "kernel" if self.forwarder.is_in_kernel(leg) else "user"
        counts = [x for x in (self.forwarder.meter(leg), self.forwarder.kernel_leg(leg)) if x]
        return Party(
            leg=leg.leg,
            connected=transport is not None,
            transport=transport,
            path=path,
            packets=sum(count.packets for count in counts),
            bytes=sum(count.bytes for count in counts),
            dropped=sum(count.dropped for count in counts),
        )

    def _answered(self, effect: Answered) -> None:
        self.counters.answered(effect.method, effect.code)

    def _leg_connected(self, effect: LegConnected) -> None:
        log.debug("leg_connected", extra={"transport": effect.transport.value})

    def _leg_idle(self, effect: LegIdle) -> None:
        call, leg = effect.leg
        if self.registry.release(call, leg):
            self.apply(self.server.forget_leg(call, leg))
        log.debug("leg_idle")
