"""What the user-space path forwards by: the routes, each with the meter of its leg."""

import os
import socket
from collections.abc import Callable, Iterator

from relay.address import PeerAddress
from relay.effects import NO_CHANNEL, Via
from relay.forward.meter import Meter
from relay.stun.indications import TRANSACTION_ID_SIZE, DataIndications


def _transaction_ids() -> Iterator[bytes]:
    """Give random transaction ids; asking the kernel for each would double a packet's cost."""
    while True:
        pool = os.urandom(256 * TRANSACTION_ID_SIZE)
        for at in range(0, len(pool), TRANSACTION_ID_SIZE):
            yield pool[at : at + TRANSACTION_ID_SIZE]


_TRANSACTION_IDS = _transaction_ids()


class Outlet:
    """Sends relayed data to one client.

    Args:
        send: sends a whole message.
        name: the client's socket address, packed; empty over a stream.
        leaves_by: the socket that reaches the client over UDP; None over a stream.
    """

    __slots__ = ("leaves_by", "name", "send")

    def __init__(
        self,
        send: Callable[[bytes], None],
        name: bytes = b"",
        leaves_by: socket.socket | None = None,
    ) -> None:
        self.send = send
        self.name = name
        self.leaves_by = leaves_by


class Route:
    """Where data of one client goes: what it sends on one channel or to one peer, or all that comes
    to a port.

    Args:
        via: how the target gets it: on this channel, bare, or in indications of this peer.
        outlet: of the target.
        meter: the sender's leg.
        expires_ns: on the monotonic clock.

    `send`, `name` and `leaves_by` are the outlet's. `channel` is what the target's ChannelData
    begins with; empty where it gets bare data or indications. `rewrite` is what the listener where
    the route starts writes over the source's key in a received batch, where a batch can carry it on
    as it is; else None.
    """

    __slots__ = (
        "_indications",
        "channel",
        "expires_ns",
        "leaves_by",
        "meter",
        "name",
        "rewrite",
        "send",
    )

    def __init__(self, via: Via, outlet: Outlet, meter: Meter, expires_ns: int) -> None:
        self.channel = b""
        self._indications: DataIndications | None = None
        if isinstance(via, PeerAddress):
            self._indications = DataIndications(via)
        elif via != NO_CHANNEL:
            self.channel = via.to_bytes(2)
        self.send = outlet.send
        self.name = outlet.name
        self.leaves_by = outlet.leaves_by
        self.meter = meter
        self.expires_ns = expires_ns
        self.rewrite: bytes | None = None

    @property
    def is_bare(self) -> bool:
        """Tell whether the target gets the data without any framing."""
        return not self.channel and self._indications is None

    def head(self, size: int) -> bytes:
        """What the target gets before so many bytes of application data."""
        if self._indications is not None:
            return self._indications.head(size, next(_TRANSACTION_IDS))
        return self.channel + size.to_bytes(2) if self.channel else b""

    def tail(self, size: int) -> bytes:
        """What the target gets after so many bytes of application data."""
        return self._indications.tail(size) if self._indications is not None else b""

    def pass_on(self, payload: bytes) -> None:
        """Send application data to the target, framed as it takes it."""
        size = len(payload)
        self.send(b"".join((self.head(size), payload, self.tail(size))))
