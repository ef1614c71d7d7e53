"""The UDP listener and the hot loop: receive a batch, look up, rewrite, send.

Rules of this file: one packet of an established call costs one dictionary look-up and two slices;
no object is made for it beyond those, but for what is framed anew. What has no live route, or does
not look exactly like ChannelData or a Send indication, goes to the core.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from functools import partial

from relay.address import FiveTuple, PeerAddress, ServerAddress, Transport
from relay.effects import Via
from relay.errors import DropReason
from relay.forward.listener import Listener
from relay.forward.meter import Tally
from relay.forward.user import mmsg, sockets
from relay.forward.user.core import Receiver
from relay.forward.user.gate import Gate
from relay.forward.user.mmsg import MmsgBatch
from relay.forward.user.plain import PlainBatch
from relay.forward.user.routes import Outlet, Route
from relay.forward.user.slots import PAYLOAD_MAX, SLOTS, Batch
from relay.stun import indications

_BATCHES_PER_WAKE_UP = 4  # then other sockets and timers get their turn

_REQUESTS_BYTES = 2 * 1024 * 1024  # some 5,000 requests, which a tenth of a second works off


class UdpListener(Listener):
    """One UDP socket that clients talk to, and the routes from them.

    Args:
        address: where to listen; port 0 for any.
        core: gets what no route forwards; what it wants sent is sent before it returns.
        batch: receives and sends; None for the best that this system has.
        gate: keeps from the core what strangers send too much of; None where all may ask.
    """

    transports = (Transport.UDP,)
    buffer_bytes = 8 * 1024 * 1024  # some 40 ms of media at 1 Gbit/s, in both directions
    has_requests_apart = True

    def __init__(
        self,
        address: ServerAddress,
        core: Receiver,
        tally: Tally,
        batch: Callable[[socket.socket], Batch] | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.socket = sockets.open_udp(address, self.buffer_bytes)
        self.address = sockets.bound_address(self.socket)
        self._core = core
        self._tally = tally
        self._batch = (batch or best_batch())(self.socket)
        self._routes: dict[bytes, Route] = {}
        self._door = gate.door(self.address) if gate else None
        self._requests: socket.socket | None = None
        if gate is not None and self.has_requests_apart:
            self._requests = sockets.open_beside(self.socket, _REQUESTS_BYTES)
        self._sends: dict[bytes, Route] = {}

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.add_reader(self.socket.fileno(), self._on_readable)
        if self._requests is not None:
            loop.add_reader(self._requests.fileno(), self._on_requests, self._requests)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.remove_reader(self.socket.fileno())
        if self._requests is not None:
            loop.remove_reader(self._requests.fileno())
            self._requests.close()
        self._batch.close()
        self.socket.close()

    def set_route(self, client: FiveTuple, channel: Via, route: Route) -> None:
        """Forward what this client sends; data on a channel of this socket stays in its batch."""
        if route.channel and route.leaves_by is self.socket:
            route.rewrite = route.name + route.channel
        if isinstance(channel, PeerAddress):
            self._sends[_peer_key(client, channel)] = route
        else:
            self._routes[_key(client, channel)] = route

    def drop_route(self, client: FiveTuple, channel: Via) -> None:
        if isinstance(channel, PeerAddress):
            self._sends.pop(_peer_key(client, channel), None)
        else:
            self._routes.pop(_key(client, channel), None)

    def outlet(self, client: FiveTuple) -> Outlet:
        """Give a way to send to a client; over UDP there always is one."""
        address = client.client
        return Outlet(partial(self._send_to, address.reveal()), sockets.pack(address), self.socket)

    def send(self, client: FiveTuple, datagram: bytes) -> None:
        """Send an answer; a full queue loses it, as UDP does."""
        self._send_to(client.client.reveal(), datagram)

    def send_whole(self, client: FiveTuple, datagram: bytes) -> None:
        """Send with DF set, and in no fragments."""
        if not sockets.send_whole(self.socket, datagram, client.client.reveal()):
            self._tally.dropped(DropReason.SEND_FAILED)

    @property
    def routes(self) -> int:
        return len(self._routes) + len(self._sends)

    def _send_to(self, name: tuple[str, int], datagram: bytes) -> None:
        if not sockets.send(self.socket, datagram, name):
            self._tally.dropped(DropReason.SEND_FAILED)

    def _on_readable(self) -> None:
        for _ in range(_BATCHES_PER_WAKE_UP):
            received = self._receive()
            if received:
                self._forward(received, time.monotonic_ns())
            if received < SLOTS:
                return

    def _on_requests(self, requests: socket.socket) -> None:
        """One batch: media has its turn before the next, however many are waiting."""
        self._batch.use(requests)
        received = self._batch.receive()
        self._batch.use(self.socket)
        now_ns = time.monotonic_ns()
        for slot in range(received):
            self._see_to(slot, now_ns)

    def _receive(self) -> int:
        return self._batch.receive()

    def _forward(self, received: int, now_ns: int) -> None:
        """Rewrite each slot that has a route and send whole runs of them; see to the others."""
        batch, routes, sends = self._batch, self._routes, self._sends
        data, keys, lengths_at = batch.data, batch.keys, batch.lengths_at
        lengths, send_lengths = batch.lengths, batch.send_lengths
        run = packets = total = 0
        for slot in range(received):
            key = keys[slot]
            route = routes.get(data[key])
            if route is not None and now_ns < route.expires_ns:
                at = lengths_at[slot]
                payload = data[at] << 8 | data[at + 1]
                if 4 + payload <= lengths[slot] < PAYLOAD_MAX:
                    reason = route.meter.charge(payload, now_ns)
                    if reason is None and route.rewrite is not None:
                        data[key] = route.rewrite
                        send_lengths[slot] = 4 + payload  # padding stays behind
                        packets += 1
                        total += payload
                        continue
                    run = self._carry(run, slot, route, slice(at + 2, at + 2 + payload), reason)
                    continue
            elif sends and (sent := self._sent(slot)) is not None:
                route, where = sent
                if now_ns < route.expires_ns:
                    reason = route.meter.charge(where.stop - where.start, now_ns)
                    run = self._carry(run, slot, route, where, reason)
                    continue
            run = self._flush(run, slot)
            self._see_to(slot, now_ns)
        self._flush(run, received)
        self._tally.forwarded(total, packets)

    def _sent(self, slot: int) -> tuple[Route, slice] | None:
        """The route of a Send indication, and where in memory its data is; None for the rest."""
        batch = self._batch
        data, size = batch.data, batch.lengths[slot]
        if size >= PAYLOAD_MAX:
            return None
        found = indications.read(data, batch.payloads_at[slot], size)
        if found is None:
            return None
        peer, start, end = found
        route = self._sends.get(data[batch.names[slot]] + peer)
        return None if route is None else (route, slice(start, end))

    def _carry(
        self, run: int, slot: int, route: Route, where: slice, reason: DropReason | None
    ) -> int:
        """See to what has a route and does not leave as it is: over a cap, framed anew, or by
        another socket. Returns: where the run begins now.
        """
        if reason is not None:
            run = self._flush(run, slot)
            self._tally.dropped(reason)
            return run
        batch = self._batch
        data, size = batch.data, where.stop - where.start
        self._tally.forwarded(size)
        at = batch.payloads_at[slot]
        head, tail = route.head(size), route.tail(size)
        start = at + len(head)
        end = start + size
        if route.leaves_by is not self.socket or end + len(tail) > at + PAYLOAD_MAX:
            run = self._flush(run, slot)
            route.send(b"".join((head, data[where], tail)))
            return run
        if start != where.start:
            data[start:end] = data[where]
        data[at:start] = head
        data[end : end + len(tail)] = tail
        data[batch.names[slot]] = route.name
        batch.send_lengths[slot] = end + len(tail) - at
        return run

    def _flush(self, start: int, stop: int) -> int:
        """Send a run of slots; where the next can begin, that is after the slot that ended it."""
        if start < stop:
            lost = self._batch.send(start, stop)
            self._tally.drops[DropReason.SEND_FAILED] += lost
        return stop + 1

    def _see_to(self, slot: int, now_ns: int) -> None:
        """What no route forwards: ask the core, unless a stranger asks too often."""
        if self._door is None:
            self._ask(slot)
            return
        reason = self._door.refuses(self._batch, slot, now_ns)
        if reason is not None:
            self._tally.drops[reason] += 1
            return
        self._ask(slot)
        self._door.note(self._batch.name(slot))

    def _ask(self, slot: int) -> None:
        if self._batch.lengths[slot] >= PAYLOAD_MAX:
            self._tally.dropped(DropReason.TOO_BIG)
            return
        client = sockets.unpack(self._batch.name(slot))
        five_tuple = FiveTuple(Transport.UDP, client, self.address)
        self._core.receive(self._batch.payload(slot), five_tuple)


def best_batch() -> type[Batch]:
    """Choose the quickest way to receive and send that this system has."""
    return MmsgBatch if mmsg.is_available() else PlainBatch


def _key(client: FiveTuple, channel: int) -> bytes:
    return sockets.pack(client.client) + channel.to_bytes(2)


def _peer_key(client: FiveTuple, peer: PeerAddress) -> bytes:
    return sockets.pack(client.client) + indications.peer_key(peer)
