"""Applies the core's effects to the listeners, and keeps the meters of the legs.

Rules of this file: effects are applied in the order given; what names a client, a port or a leg
that is gone by now does nothing but count.
"""

import asyncio
import errno
import os
from collections.abc import Callable

from relay.address import FiveTuple, ServerAddress, Transport
from relay.effects import (
    NO_CHANNEL,
    ClosePort,
    Count,
    Deliver,
    DropLeg,
    DropRoute,
    LegKey,
    OpenPort,
    Send,
    SetLeg,
    SetRoute,
)
from relay.errors import DropReason
from relay.forward.kernel import AbsentPath, KernelPath, LegCounts
from relay.forward.listener import Listener
from relay.forward.meter import Meter, Tally
from relay.forward.user.core import PortReceiver
from relay.forward.user.descriptors import Descriptors
from relay.forward.user.gate import Gate
from relay.forward.user.icmp import Reporting
from relay.forward.user.port import PortListener, SharedBatches
from relay.forward.user.routes import Outlet, Route
from relay.forward.user.slots import Batch
from relay.forward.user.udp import best_batch


class Forwarder:
    """Applies the server's effects to listeners, meters and the kernel path.

    Every route is here; `kernel` has those that it can take as well, and sees a packet first. So a
    route that leaves the kernel goes on here without a gap.

    Args:
        clock_ns: the monotonic clock, read for data that comes through the core.
        batch: receives and sends on relayed ports; None for the best that this system has.
    """

    def __init__(
        self, tally: Tally, clock_ns: Callable[[], int], batch: type[Batch] | None = None
    ) -> None:
        self._tally = tally
        self._clock_ns = clock_ns
        self._listeners: dict[tuple[Transport, ServerAddress], Listener] = {}
        self.ports: dict[ServerAddress, PortListener] = {}
        """The relayed ports that are open; they are listeners like the others."""
        self._port_core: PortReceiver | None = None
        self._port_gates: tuple[Gate | None, Gate | None] = (None, None)
        self.port_failed: Callable[[OpenPort, int], None] = lambda effect, number: None
        """Hears which port could not be opened, and the number of the error."""
        self._batches = SharedBatches(batch or best_batch())
        self._reporting = Reporting()
        self._meters: dict[LegKey, Meter] = {}
        self.kernel: KernelPath = AbsentPath("off")
        self.descriptors = Descriptors()
        self.handlers: dict[type, Callable[..., None]] = {
            Send: self._send,
            Deliver: self._deliver,
            SetRoute: self._set_route,
            DropRoute: self._drop_route,
            SetLeg: self._set_leg,
            DropLeg: self._drop_leg,
            OpenPort: self._open_port,
            ClosePort: self._close_port,
            Count: self._count,
        }
        """What applies which effect; the daemon adds those that are not the forwarder's."""

    def add(self, listener: Listener) -> None:
        """Reach clients of this listener."""
        for transport in listener.transports:
            self._listeners[transport, listener.address] = listener

    def receive_ports(
        self, core: PortReceiver, gate: Gate | None = None, outer: Gate | None = None
    ) -> None:
        """Let relayed ports be opened, and give the server what none of their routes forwards.

        Args:
            gate: keeps from it what is too much; None where all may ask.
            outer: the same for outer ports.
        """
        self._port_core, self._port_gates = core, (gate, outer)

    def close_ports(self) -> None:
        """Close every relayed port."""
        for address in list(self.ports):
            self._close_port(ClosePort(address))
        self._batches.close()
        self._reporting.close()

    def meter(self, leg: LegKey) -> Meter | None:
        """Find the meter of a leg; None if there is no such leg."""
        return self._meters.get(leg)

    def kernel_leg(self, leg: LegKey) -> LegCounts | None:
        """Count what the kernel path has forwarded for a leg; None if it does not know the leg."""
        return self.kernel.leg(leg)

    def is_in_kernel(self, leg: LegKey) -> bool:
        """Tell whether the kernel path has a route of a leg now."""
        return self.kernel.has_route(leg)

    @property
    def routes(self) -> int:
        """Count the routes of the user path."""
        return sum(listener.routes for listener in set(self._listeners.values()))

    def _send(self, effect: Send) -> None:
        listener = self._listener_of(effect.client)
        if listener is not None:
            listener.send(effect.client, effect.datagram)

    def _deliver(self, effect: Deliver) -> None:
        meter, listener = self._meters.get(effect.leg), self._listener_of(effect.client)
        outlet = listener.outlet(effect.client) if listener is not None else None
        if meter is None or outlet is None or listener is None:
            self._tally.dropped(DropReason.SEND_FAILED)
            return
        reason = meter.charge(effect.payload, self._clock_ns())
        if reason is not None:
            self._tally.dropped(reason)
            return
        self._tally.forwarded(effect.payload)
        if effect.is_whole:
            listener.send_whole(effect.client, effect.datagram)
        else:
            outlet.send(effect.datagram)

    def _set_route(self, effect: SetRoute) -> None:
        meter, outlet = self._meters.get(effect.leg), self._outlet_to(effect.target)
        listener = self._listener_of(effect.source)
        if meter is None or outlet is None or listener is None:
            return
        route = Route(effect.target_channel, outlet, meter, effect.expires_ns)
        listener.set_route(effect.source, effect.channel, route)
        self.kernel.set_route(effect)

    def _drop_route(self, effect: DropRoute) -> None:
        listener = self._listener_of(effect.source)
        if listener is not None:
            listener.drop_route(effect.source, effect.channel)
        self.kernel.drop_route(effect)

    def _set_leg(self, effect: SetLeg) -> None:
        meter = self._meters.get(effect.leg)
        if meter is None:
            self._meters[effect.leg] = Meter(effect.bitrate_bps, effect.packets_per_s)
        else:
            meter.limit(effect.bitrate_bps, effect.packets_per_s)
        self.kernel.set_leg(effect)

    def _drop_leg(self, effect: DropLeg) -> None:
        self._meters.pop(effect.leg, None)
        self.kernel.drop_leg(effect)

    def _open_port(self, effect: OpenPort) -> None:
        try:
            self._listen(effect)
        except OSError as error:
            self.port_failed(effect, error.errno or 0)

    def _listen(self, effect: OpenPort) -> None:
        """Open a relayed port; if it fails, nothing of it is left behind. Raises: OSError."""
        if not self.descriptors.find_room():
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        core, address, gate = self._port_core, effect.address, self._port_gates[effect.is_outer]
        assert core is not None  # noqa: S101  wired before the first call
        listener = PortListener(address, core, self._tally, self._batches.of, gate)
        if effect.is_outer:
            listener.report_errors(self._reporting, core)
        listener.start(asyncio.get_running_loop())
        self.add(listener)
        self.ports[address] = listener
        self.descriptors.taken += 1
        self.kernel.open_port(address)

    def _close_port(self, effect: ClosePort) -> None:
        listener = self.ports.pop(effect.address, None)
        if listener is None:
            return
        for client in listener.clients():
            self._drop_route(DropRoute(client, NO_CHANNEL))
        self.kernel.close_port(effect.address)
        for transport in listener.transports:
            del self._listeners[transport, effect.address]
        self.descriptors.taken -= 1
        listener.close(asyncio.get_running_loop())

    def _count(self, effect: Count) -> None:
        self._tally.dropped(effect.reason)
        meter = self._meters.get(effect.leg) if effect.leg else None
        if meter is not None:
            meter.dropped += 1

    def _listener_of(self, client: FiveTuple) -> Listener | None:
        """Find the listener that a client talks to; None if it is closed."""
        return self._listeners.get((client.transport, client.server))

    def _outlet_to(self, client: FiveTuple) -> Outlet | None:
        """Find the way to send relayed data to a client; None if the client is gone."""
        listener = self._listener_of(client)
        return None if listener is None else listener.outlet(client)
