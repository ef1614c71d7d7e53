"""The UDP listener and the hot loop: receive a batch, look up, rewrite, send.

Rules of this file: one packet of an established call costs one dictionary look-up and two slices;
no object is made for it beyond those. What has no live route, or does not look exactly like
ChannelData, goes to the core.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from functools import partial

from relay.address import FiveTuple, ServerAddress, Transport
from relay.errors import DropReason
from relay.forward import mmsg, sockets
from relay.forward.core import Receiver
from relay.forward.mmsg import MmsgBatch
from relay.forward.plain import PlainBatch
from relay.forward.routes import Route, Tally
from relay.forward.slots import PAYLOAD_MAX, SLOTS, Batch

_BATCHES_PER_WAKE_UP = 4  # then other sockets and timers get their turn


class UdpListener:
    """One UDP socket that clients talk to, and the routes from them.

    Args:
        address: where to listen; port 0 for any.
        core: gets what no route forwards; what it wants sent is sent before it returns.
        batch: receives and sends; None for the best that this system has.
    """

    buffer_bytes = 8 * 1024 * 1024  # some 40 ms of media at 1 Gbit/s, in both directions

    def __init__(
        self,
        address: ServerAddress,
        core: Receiver,
        tally: Tally,
        batch: Callable[[socket.socket], Batch] | None = None,
    ) -> None:
        self.socket = sockets.open_udp(address, self.buffer_bytes)
        self.address = sockets.bound_address(self.socket)
        self._core = core
        self._tally = tally
        self._batch = (batch or best_batch())(self.socket)
        self._routes: dict[bytes, Route] = {}

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Receive from now on."""
        loop.add_reader(self.socket.fileno(), self._on_readable)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stop, and give the port back."""
        loop.remove_reader(self.socket.fileno())
        self._batch.close()
        self.socket.close()

    def set_route(self, client: FiveTuple, channel: int, route: Route) -> None:
        """Forward what this client sends on this channel; replaces."""
        self._routes[_key(client, channel)] = route

    def drop_route(self, client: FiveTuple, channel: int) -> None:
        """Forward it no longer."""
        self._routes.pop(_key(client, channel), None)

    def rewrite_to(self, client: FiveTuple, channel: int) -> bytes | None:
        """What a slot's key must become for a batch to carry the slot on to this client; None where
        it cannot: to a client of another socket.
        """
        return _key(client, channel) if client.server == self.address else None

    def sender_to(self, client: FiveTuple) -> Callable[[bytes], None]:
        """A function that sends a datagram to this client."""
        return partial(self._send_to, client.client.reveal())

    def send(self, client: FiveTuple, datagram: bytes) -> None:
        """Send a datagram to this client; a full queue loses it, as UDP does."""
        self._send_to(client.client.reveal(), datagram)

    @property
    def routes(self) -> int:
        """How many routes start here."""
        return len(self._routes)

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

    def _receive(self) -> int:
        return self._batch.receive()

    def _forward(self, received: int, now_ns: int) -> None:
        """Rewrite each slot that has a route and send whole runs of them; see to the others."""
        batch, routes = self._batch, self._routes
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
                    run = self._flush(run, slot)
                    self._leave_out(route, slot, payload, reason)
                    continue
            run = self._flush(run, slot)
            self._ask(slot)
        self._flush(run, received)
        self._tally.forwarded(total, packets)

    def _leave_out(self, route: Route, slot: int, payload: int, reason: DropReason | None) -> None:
        """What has a route and does not leave with the batch: over a cap, or on another socket."""
        if reason is not None:
            self._tally.dropped(reason)
        else:
            self._tally.forwarded(payload)
            route.pass_on(self._batch.payload(slot)[4 : 4 + payload])

    def _flush(self, start: int, stop: int) -> int:
        """Send a run of slots; where the next can begin, that is after the slot that ended it."""
        if start < stop:
            lost = self._batch.send(start, stop)
            self._tally.drops[DropReason.SEND_FAILED] += lost
        return stop + 1

    def _ask(self, slot: int) -> None:
        if self._batch.lengths[slot] >= PAYLOAD_MAX:
            self._tally.dropped(DropReason.TOO_BIG)
            return
        client = sockets.unpack(self._batch.name(slot))
        five_tuple = FiveTuple(Transport.UDP, client, self.address)
        self._core.receive(self._batch.payload(slot), five_tuple)


def best_batch() -> type[Batch]:
    """The quickest way to receive and send that this system has."""
    return MmsgBatch if mmsg.is_available() else PlainBatch


def _key(client: FiveTuple, channel: int) -> bytes:
    return sockets.pack(client.client) + channel.to_bytes(2)
