"""What all TCP and TLS listeners share: who may be there, and how much of each turn they get."""

import ipaddress
from collections.abc import Sequence
from typing import Protocol

from relay.address import IPV4, ClientAddress
from relay.calls.rate import SourceRate
from relay.crowd import Crowd
from relay.forward.user.descriptors import Descriptors
from relay.forward.user.lane import Lane

PER_SOURCE = 256
"""Strangers of one /24 or /48: a carrier's NAT at a busy time, since most clients are strangers for
less than a second."""
IN_SUM = 4096
"""Strangers in all; one that has said nothing costs some two kilobytes."""
UNNAMED = 1024
"""Connections of load balancers of one /24 or /48, and of all, whose header is not there yet: a
millisecond each, so a busy load balancer has a few dozen."""
IN_TLS = 1024
"""Of them in TLS or behind it, which costs some sixty kilobytes each."""

_BUFFER_BYTES = 64 * 1024  # read at a time: as much as one frame is
_STRANGERS_BUFFER_BYTES = 2048
_V6_PREFIX_BYTES = 6


class Stranger(Protocol):
    """A connection without an allocation."""

    def crowd_out(self) -> None:
        """End the connection at once, to make room for another."""
        ...


class Streams:
    """
    Args:
        rate: of what strangers say, their own: no forged datagram uses it up.
        descriptors: shared with whatever else has a socket per client.
        balancers: whose connections begin with a PROXY header.
    """

    def __init__(
        self,
        rate: SourceRate,
        descriptors: Descriptors,
        balancers: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network] = (),
    ) -> None:
        self._rate = rate
        self.balancers = balancers
        self.descriptors = descriptors
        descriptors.make_room = self.make_room
        self.strangers: Crowd[Stranger] = Crowd(PER_SOURCE, IN_SUM)
        self.unnamed: Crowd[Stranger] = Crowd(UNNAMED, UNNAMED)
        self.in_tls: Crowd[Stranger] = Crowd(PER_SOURCE, IN_TLS)
        self.strangers_lane = Lane()
        self.clients_lane = Lane()
        # One for all connections, since what is read is taken out before anything else is read.
        self.buffer = memoryview(bytearray(_BUFFER_BYTES))
        self.strangers_buffer = self.buffer[:_STRANGERS_BUFFER_BYTES]

    def is_balancer(self, address: ClientAddress) -> bool:
        """Whether connections from there begin with a PROXY header."""
        if not self.balancers:
            return False
        ip = ipaddress.ip_address(address.packed)
        return any(ip in network for network in self.balancers)

    def may_say_more(self, client: ClientAddress, mono: float) -> bool:
        """Whether one more frame of strangers of this source is within their rate."""
        if client.family != IPV4:  # a network of 65,536 /64s could fill every place of the rate
            prefix = client.packed[:_V6_PREFIX_BYTES]
            client = ClientAddress(prefix + bytes(16 - _V6_PREFIX_BYTES), 0)
        return self._rate.is_within(client, mono)

    def make_room(self) -> bool:
        """Cut the oldest stranger. Returns: whether there was one."""
        oldest = self.strangers.take_oldest() or self.unnamed.take_oldest()
        if oldest is not None:
            oldest.crowd_out()
        return oldest is not None
