"""What the user-space path forwards by: the routes, each with the meter of its leg."""

import os
import socket
from collections.abc import Callable, Iterator

from relay.address import PeerAddress
from relay.effects import NO_CHANNEL, Via
from relay.forward.meter import Meter
from relay.stun.indications import TRANSACTION_ID_SIZE, DataIndications

_BARE = NO_CHANNEL.to_bytes(2)


def _transaction_ids() -> Iterator[bytes]:
    """Random ones without end; asking the kernel for each takes as long as all else together."""
    while True:
        pool = os.urandom(256 * TRANSACTION_ID_SIZE)
        for at in range(0, len(pool), TRANSACTION_ID_SIZE):
            yield pool[at : at + TRANSACTION_ID_SIZE]


_TRANSACTION_IDS = _transaction_ids()


class Route:
    """Where data of one client goes: what it sends on one channel or to one peer, or all that comes
    to a port.

    Args:
        channel: how the target gets it: on this channel, bare, or in indications of this peer.
        send: sends a whole message to the target.
        meter: the sender's leg.
        expires_ns: on the monotonic clock.

    `rewrite` is what to write over the source's key in a received batch, where a batch can carry it
    on as it is; else None. `name` is the target's socket address, where a batch can carry it on in
    another framing; else None. `leaves_by` is the socket that reaches the target over UDP; None
    over a stream.
    """

    __slots__ = (
        "_channel",
        "_indications",
        "expires_ns",
        "leaves_by",
        "meter",
        "name",
        "rewrite",
        "send",
    )

    def __init__(
        self,
        channel: Via,
        send: Callable[[bytes], None],
        meter: Meter,
        expires_ns: int,
    ) -> None:
        self._channel = b""
        self._indications: DataIndications | None = None
        if isinstance(channel, PeerAddress):
            self._indications = DataIndications(channel)
        else:
            self._channel = channel.to_bytes(2)
        self.send = send
        self.meter = meter
        self.expires_ns = expires_ns
        self.rewrite: bytes | None = None
        self.name: bytes | None = None
        self.leaves_by: socket.socket | None = None

    def head(self, size: int) -> bytes:
        """What the target gets before so many bytes of application data."""
        if self._indications is not None:
            return self._indications.head(size, next(_TRANSACTION_IDS))
        return b"" if self._channel == _BARE else self._channel + size.to_bytes(2)

    def tail(self, size: int) -> bytes:
        """What it gets after them."""
        return self._indications.tail(size) if self._indications is not None else b""

    def pass_on(self, payload: bytes) -> None:
        """Send application data to the target, framed as it takes it."""
        size = len(payload)
        self.send(b"".join((self.head(size), payload, self.tail(size))))
