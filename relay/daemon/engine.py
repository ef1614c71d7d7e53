"""Runs the server: feeds it datagrams, API calls and time, and applies its effects.

Rules of this file: effects are applied in order and to the end, in one turn of the loop, and
nothing that is applied asks the server anything; a fault of our own costs one datagram, never the
relay.
"""

import asyncio
import base64
import errno
import logging
from collections.abc import Callable, Iterable, Mapping

from relay.address import FiveTuple
from relay.api.relay import Party, Status
from relay.calls.call import Call, CallState
from relay.calls.changes import Change
from relay.calls.ended import REGISTERED_PREFIX
from relay.calls.leaving import AnsweredBy
from relay.calls.making import Order
from relay.calls.rules import Rules
from relay.calls.signaling import Released, Trickled
from relay.clock import Clocks
from relay.daemon.alarms import Alarms
from relay.daemon.ports import Decide, PortCore, T
from relay.daemon.views import Views
from relay.effects import (
    Answered,
    CallAccepted,
    CallChanged,
    CallCreated,
    CallEnded,
    Effect,
    Fault,
    LegConnected,
    LegEnded,
    LegIdle,
    OpenPort,
    Refused,
)
from relay.errors import CallError, DropReason
from relay.forward.forwarder import Forwarder
from relay.forward.meter import Tally
from relay.ice.access import Access, Endpoint
from relay.metrics import Counters
from relay.sdp import HeldCandidate, Rebuilt
from relay.server import Server, ServerSettings

log = logging.getLogger(__name__)

_RENEW_S = 0.5
"""From one renewal of the kernel's lease to the next, which also follows path MTUs."""

_SOONEST_S, _LATEST_S = 0.001, 3600.0  # from one look at what is due to the next

_TAKEN = (errno.EADDRINUSE, errno.EACCES)


class Engine:
    """What the listeners, the API and the clock drive.

    `drained` is set once no call is left of a relay that drains.

    Args:
        clocks: read once per event.
        entropy: random bytes on demand.
        reload: reads the configuration again; raises ConfigError where that fails.
    """

    def __init__(
        self,
        settings: ServerSettings,
        rules: Rules,
        clocks: Clocks,
        entropy: Callable[[int], bytes],
        reload: Callable[[], None],
    ) -> None:
        self.reload = reload
        self.tally = Tally()
        self.counters = Counters()
        self.is_ready = False
        self.drained = asyncio.Event()
        self.now = clocks.now
        self._mono_ns = clocks.mono_ns
        self._alarms = Alarms(self.tally, self.counters, clocks.now().mono)
        self._entropy = entropy
        self.server = Server(settings, rules, entropy, self.token)
        self.forwarder = Forwarder(self.tally, clocks.mono_ns)
        self.views = Views(self.server, self.forwarder, self.tally, self.counters, clocks.now())
        PortCore(self.server, self.forwarder, self.decide, settings.turn.unauthenticated_per_s)
        self.forwarder.port_failed = self._port_failed
        self._handlers = self.forwarder.handlers | {
            Answered: self._answered,
            Refused: self.counters.count_refused,
            LegConnected: self._leg_connected,
            LegIdle: self._leg_idle,
            CallEnded: self._call_ended,
            Fault: self._fault,
            **dict.fromkeys((CallCreated, CallAccepted, CallChanged, LegEnded), _unheard),
        }
        self._failed: list[tuple[OpenPort, int]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Do by itself, from now on, what time asks for."""
        self._loop = loop
        self._renew()
        self._watch()

    # What arrives

    def receive(self, datagram: bytes, client: FiveTuple) -> None:
        """Decide about a datagram and do what follows. Raises: nothing."""
        started = self._mono_ns()
        self.decide(self.server.receive, datagram, client)
        self.counters.took((self._mono_ns() - started) * 1e-9)

    def decide(self, core: Decide[T], came: T, client: FiveTuple) -> None:
        """Have the server decide about what came, and do what follows. Raises: nothing."""
        try:
            self.apply(core(came, client, self.now()))
        except Exception:  # a fault of ours: the running calls go on, and it is seen
            self.tally.dropped(DropReason.INTERNAL)
            log.exception("receive_failed")

    def disconnect(self, client: FiveTuple) -> None:
        """A client's TCP or TLS connection has ended."""
        self.apply(self.server.disconnect(client, self.now()))

    def is_known(self, client: FiveTuple) -> bool:
        """Whether this client holds an allocation."""
        return self.server.is_known(client)

    def is_proven(self, datagram: bytes, client: FiveTuple) -> bool:
        """Whether a datagram has a nonce that was made for this client."""
        return self.server.echoes_nonce(datagram, client, self.now())

    # What the API asks for: see `relay.api.relay.Relay`

    @property
    def rules(self) -> Rules:
        return self.server.rules

    @property
    def is_draining(self) -> bool:
        return self.server.is_draining

    def token(self) -> str:
        """128 random bits, 22 characters of base64url."""
        return base64.urlsafe_b64encode(self._entropy(16)).rstrip(b"=").decode()

    def create(self, order: Order, access: Mapping[str, Access]) -> Call:
        now, name = self.now(), REGISTERED_PREFIX + self.token()
        self.apply(self.server.create(name, order, access, now))
        call = self.server.call(name, now)
        if call.state is CallState.ENDED:
            raise CallError("out_of_ports", "The relay's host could not open a port.")
        return call

    def accept(self, call: str, answered: AnsweredBy | None) -> tuple[Call, dict[str, Released]]:
        self.apply(self.server.accept(call, answered, self.now()))
        accepted = self.call(call)
        return accepted, self.server.release(accepted)

    def change(self, call: str, change: Change) -> Call:
        self.apply(self.server.change(call, change, self.now()))
        return self.call(call)

    def end(self, call: str) -> None:
        self.apply(self.server.end(call, self.now()))

    def end_party(self, call: str, party: str) -> None:
        self.apply(self.server.end_party(call, party, self.now()))

    def revoke_user(self, name: str, for_s: int | None) -> None:
        self.apply(self.server.revoke_user(name, for_s, self.now()))

    def set_access(self, call: str, party: str, access: Access) -> Endpoint:
        self.apply(self.server.set_access(call, party, access, self.now()))
        return self.server.endpoint(self.call(call).leg_of(party))

    def endpoints(self, call: Call) -> dict[str, Endpoint]:
        return {leg.id: self.server.endpoint(leg) for leg in call.legs}

    def describe(self, call: str, party: str, sdp: str) -> Rebuilt:
        return self.server.describe(call, party, sdp, self.now())

    def trickle(self, call: str, party: str, sent: HeldCandidate) -> Trickled:
        return self.server.trickle(call, party, sent, self.now())

    def call(self, name: str) -> Call:
        return self.server.call(name, self.now())

    def page(self, after: int, limit: int) -> list[Call]:
        return self.server.page(after, limit)

    def counts(self) -> dict[CallState, int]:
        return self.server.counts()

    def legs(self, call: Call) -> dict[str, Party]:
        return self.views.legs(call)

    def status(self) -> Status:
        return self.views.status(self.now(), is_ready=self.is_ready)

    def metrics(self) -> bytes:
        return self.views.metrics()

    def drain(self) -> None:
        self.server.drain()
        self._note_drained()

    # Time

    def handle_timeout(self) -> None:
        """Do what is due by now."""
        self.apply(self.server.handle_timeout(self.now()))

    def _on_timer(self) -> None:
        self._timer, self._timer_at = None, 0.0
        try:
            self.handle_timeout()
        finally:  # a fault that the server does not know of: the loop logs it, and time goes on
            self._watch()

    def _watch(self) -> None:
        """Be called when something is due next."""
        due = self.server.next_timeout()
        if self._loop is None or due is None or (self._timer and self._timer_at <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        delay = min(max(due - self.now().mono, _SOONEST_S), _LATEST_S)
        self._timer, self._timer_at = self._loop.call_later(delay, self._on_timer), due

    def _renew(self) -> None:
        """Push the kernel's lease ahead, and look at what time alone does not tell."""
        if self._loop is not None:
            self._loop.call_later(_RENEW_S, self._renew)
        self.renew()

    def renew(self) -> None:
        """Push the kernel's lease ahead, and say what an operator should know."""
        self.forwarder.kernel.renew(self._mono_ns())
        self._alarms.look(self.now().mono)

    # What the server answers

    def apply(self, effects: Iterable[Effect]) -> None:
        """Do what the server wants done, in order; then what follows from a port that failed."""
        self._apply(effects)
        while self._failed:
            failed, number = self._failed.pop(0)
            is_taken, now = number in _TAKEN, self.now()
            self._apply(self.server.port_failed(failed.address, is_taken=is_taken, now=now))
        self._watch()
        if self.server.is_draining:
            self._note_drained()

    def _apply(self, effects: Iterable[Effect]) -> None:
        handlers = self._handlers
        for effect in effects:
            try:
                handlers[type(effect)](effect)
            except Exception:  # a fault of ours: a route that has to go after it goes
                self.tally.dropped(DropReason.INTERNAL)
                log.exception("effect_failed")

    def _note_drained(self) -> None:
        if not self.server.has_media() and not self.server.counts()[CallState.RINGING]:
            self.drained.set()

    def _port_failed(self, effect: OpenPort, number: int) -> None:
        if effect.is_outer:
            log.warning("outer_port_not_opened", extra={"errno": number})
        elif number not in _TAKEN:
            log.warning("port_not_opened", extra={"errno": number})
        self._failed.append((effect, number))

    def _answered(self, effect: Answered) -> None:
        self.counters.answered(effect.method, effect.code)

    def _fault(self, fault: Fault) -> None:
        log.error("timeout_failed", exc_info=fault.error)

    def _leg_connected(self, event: LegConnected) -> None:
        log.debug("leg_connected", extra={"transport": event.transport.value})

    def _leg_idle(self, _: LegIdle) -> None:
        log.debug("leg_idle")

    def _call_ended(self, event: CallEnded) -> None:
        log.debug("call_ended", extra={"reason": event.reason.value})


def _unheard(_: Effect) -> None:
    """An event that nobody follows yet."""
