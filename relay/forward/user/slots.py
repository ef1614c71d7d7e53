"""The memory of a batch of datagrams, and what the hot loop does with it.

Rules of this file: everything is laid out once. In each slot the source's socket address ends
exactly where the payload begins, so that address and channel number are one slice: the key of a
route. Writing the target's address and channel over that slice makes the slot ready to be sent.

      slot                           payload
      |      |<- socket address ->|<- channel, length, data …
             |<------ key ------------->|
"""

import mmap
import socket
from abc import ABC, abstractmethod
from collections.abc import MutableSequence

SLOTS = 64
PAYLOAD_MAX = 9216
"""Bytes of one datagram; jumbo frames fit, what is larger is dropped."""

PAYLOAD_AT = 32
STRIDE = PAYLOAD_AT + PAYLOAD_MAX
_OPENING = 20  # bytes: STUN's header, RFC 8489 section 5
_NAME_SIZES = {socket.AF_INET: 16, socket.AF_INET6: 28}
_SOURCES = {socket.AF_INET: (4, 8), socket.AF_INET6: (8, 16)}
"""Where in a name is what a host cannot choose: its IPv4 address, its IPv6 /64."""


class Batch(ABC):
    """Buffers for up to 64 datagrams of one socket.

    `data` is the memory of all slots; of slot i, `data[keys[i]]` is the key and `lengths_at[i]` is
    where the two bytes of a ChannelData message's length are; `data[names[i]]` is the socket
    address alone and `payloads_at[i]` is where the datagram is. `lengths[i]` is how much was
    received; `send_lengths[i]` is how much is to be sent. `data[sources[i]]` is the host that it
    came from, and `data[openings[i]]` is who sent it and, where it is STUN, its header.
    """

    lengths: memoryview | MutableSequence[int]
    send_lengths: memoryview | MutableSequence[int]

    def __init__(self, sock: socket.socket) -> None:
        self.name_size = _NAME_SIZES[socket.AddressFamily(sock.family)]
        self.data = mmap.mmap(-1, SLOTS * STRIDE)
        payloads = range(PAYLOAD_AT, SLOTS * STRIDE, STRIDE)
        self.keys = [slice(at - self.name_size, at + 2) for at in payloads]
        self.lengths_at = [at + 2 for at in payloads]
        self.names = [slice(at - self.name_size, at) for at in payloads]
        self.payloads_at = list(payloads)
        start, stop = (at - self.name_size for at in _SOURCES[socket.AddressFamily(sock.family)])
        self.sources = [slice(at + start, at + stop) for at in payloads]
        self.openings = [slice(at - self.name_size, at + _OPENING) for at in payloads]

    @abstractmethod
    def use(self, sock: socket.socket) -> None:
        """Receive and send on this socket from now on, which is of the same family."""

    @abstractmethod
    def receive(self) -> int:
        """Receive what is there, at most `SLOTS` datagrams.

        Returns: how many; 0 where there are none. What is larger than a slot has PAYLOAD_MAX bytes.
        """

    @abstractmethod
    def send(self, start: int, stop: int) -> int:
        """Send slots start..stop, `send_lengths[i]` bytes of each to the address before it.

        What does not fit the path whole leaves as `sockets.send` sends it.
        Returns: how many of them the kernel did not take; those are lost, as on any full queue.
        """

    def name(self, slot: int) -> bytes:
        """The socket address that slot came from."""
        return self.data[self.names[slot]]

    def payload(self, slot: int) -> bytes:
        """A copy of the datagram in that slot."""
        at = slot * STRIDE + PAYLOAD_AT
        return self.data[at : at + self.lengths[slot]]

    @abstractmethod
    def close(self) -> None:
        """Free the memory."""
