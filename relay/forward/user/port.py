"""A relayed port: a UDP socket of one leg, and the loop that forwards what comes to it.

Rules of this file: those of `udp.py`. Here the source's socket address alone is the key, datagrams
pass whole, and they leave by the socket of the other leg's port. What begins as STUN goes to the
core, and nowhere else, as far as the gate of the ports lets it: a port has one socket, since with
two a call would take twice as many descriptors.
"""

import asyncio
import socket
from collections.abc import Callable

from relay.address import FiveTuple, Transport
from relay.effects import Via
from relay.errors import DropReason
from relay.forward.user import sockets
from relay.forward.user.core import PortReceiver
from relay.forward.user.icmp import IcmpErrors, Reporting
from relay.forward.user.routes import Route
from relay.forward.user.slots import PAYLOAD_MAX, Batch
from relay.forward.user.udp import UdpListener
from relay.stun.demux import STUN

_STUN_LAST = STUN[-1]


class SharedBatches:
    """One batch per family for all relayed ports: what came in one is sent before the next.

    Ports come and go with their calls, and a batch of its own would cost each a quarter of a MiB.
    """

    def __init__(self, make: Callable[[socket.socket], Batch]) -> None:
        self._make = make
        self._batches: dict[int, Batch] = {}

    def of(self, sock: socket.socket) -> Batch:
        """Find the batch for the address family of this socket."""
        batch = self._batches.get(sock.family)
        if batch is None:
            batch = self._batches[sock.family] = self._make(sock)
        return batch

    def close(self) -> None:
        """Free the memory; no port is open any more."""
        for batch in self._batches.values():
            batch.close()
        self._batches.clear()


class PortListener(UdpListener):
    """One relayed port, and the routes from it. Its batch is `SharedBatches.of`."""

    buffer_bytes = 1024 * 1024  # of one call's media; a second of the widest leg
    has_requests_apart = False
    _errors: IcmpErrors | None = None
    _reporting: Reporting | None = None

    def report_errors(self, reporting: Reporting, core: PortReceiver) -> None:
        """Hand on ICMP errors about what this port sends, from its start on."""
        self._reporting = reporting
        self._errors = IcmpErrors(self.socket, self.address, core)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._reporting is None or not self._reporting.add(loop, self.socket, self._on_readable):
            self._reporting = self._errors = None
            super().start(loop)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Receive no longer; the batch stays, since other ports use it."""
        if self._reporting is not None:
            self._reporting.remove(loop, self.socket)
        else:
            loop.remove_reader(self.socket.fileno())
        self.socket.close()

    def clients(self) -> list[FiveTuple]:
        """List the clients from which routes start."""
        found = map(sockets.unpack, self._routes)
        return [FiveTuple(Transport.UDP, client, self.address) for client in found]

    def set_route(self, client: FiveTuple, channel: Via, route: Route) -> None:
        """Forward what this client sends; bare data to the same family stays in its batch."""
        if route.is_bare and len(route.name) == self._batch.name_size:
            route.rewrite = route.name
        self._routes[sockets.pack(client.client)] = route

    def drop_route(self, client: FiveTuple, channel: Via) -> None:
        self._routes.pop(sockets.pack(client.client), None)

    def _receive(self) -> int:
        if self._errors is not None:
            self._errors.hand_on()
        self._batch.use(self.socket)
        return self._batch.receive()

    def _forward(self, received: int, now_ns: int) -> None:
        """Rename each slot that has a route and send whole runs of them; see to the others."""
        batch, routes = self._batch, self._routes
        data, names, payloads_at = batch.data, batch.names, batch.payloads_at
        lengths, send_lengths = batch.lengths, batch.send_lengths
        leaves_by: socket.socket | None = None
        run = packets = total = 0
        for slot in range(received):
            name, size = names[slot], lengths[slot]
            route = routes.get(data[name])
            if (
                route is None
                or now_ns >= route.expires_ns
                or not 0 < size < PAYLOAD_MAX
                or data[payloads_at[slot]] <= _STUN_LAST
            ):
                run = self._flush_by(leaves_by, run, slot)
                self._see_to(slot, now_ns)
                continue
            reason = route.meter.charge(size, now_ns)
            if reason is not None or route.rewrite is None:
                run = self._flush_by(leaves_by, run, slot)
                self._leave_out(route, slot, size, reason)
                continue
            if route.leaves_by is not leaves_by:
                run = self._flush_by(leaves_by, run, slot) - 1
                leaves_by = route.leaves_by
            data[name] = route.rewrite
            send_lengths[slot] = size
            packets += 1
            total += size
        self._flush_by(leaves_by, run, received)
        self._tally.forwarded(total, packets)

    def _flush_by(self, leaves_by: socket.socket | None, start: int, stop: int) -> int:
        """Send a run of slots by the socket that all of them leave by."""
        if leaves_by is not None:
            self._batch.use(leaves_by)
        return self._flush(start, stop)

    def _leave_out(self, route: Route, slot: int, payload: int, reason: DropReason | None) -> None:
        if reason is not None:
            self._tally.dropped(reason)
        else:
            self._tally.forwarded(payload)
            route.pass_on(self._batch.payload(slot))
