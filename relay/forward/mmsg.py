"""A batch of datagrams received and sent with one system call each, through libc.

Rules of this file: everything is laid out once. In each slot the source's socket address ends
exactly where the payload begins, so that address and channel number are one slice: the key of a
route. Writing the target's address and channel over that slice makes the slot ready to be sent.

      slot                           payload
      |      |<- socket address ->|<- channel, length, data …
             |<------ key ------------->|
"""

import ctypes
import mmap
import os
import socket
import struct

SLOTS = 64
PAYLOAD_MAX = 9216
"""Bytes of one datagram; jumbo frames fit, what is larger is dropped."""

_PAYLOAD_AT = 32
_STRIDE = _PAYLOAD_AT + PAYLOAD_MAX
_HEADER = struct.Struct("@PI4xPQPQi4xI4x")  # struct mmsghdr, LP64: 64 bytes
_IOVEC = struct.Struct("@PQ")
_HEADER_WORDS, _LENGTH_WORD = 16, 14  # in 32-bit words: mmsghdr, and msg_len within it
_NAME_SIZES = {socket.AF_INET: 16, socket.AF_INET6: 28}
_DONTWAIT = socket.MSG_DONTWAIT

_libc = ctypes.CDLL(None, use_errno=True)


class Batch:
    """Buffers for up to 64 datagrams of one socket.

    `data` is the memory of all slots. `at(i)` is where the key of slot i begins; it is `key_size`
    bytes long.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._fd = sock.fileno()
        name_size = _NAME_SIZES[socket.AddressFamily(sock.family)]
        self.key_size = name_size + 2
        self._name_at = _PAYLOAD_AT - name_size
        self.data = mmap.mmap(-1, SLOTS * _STRIDE)
        self._anchor = ctypes.c_char.from_buffer(self.data)
        base = ctypes.addressof(self._anchor)
        self._tables = [
            ctypes.create_string_buffer(SLOTS * size)
            for size in (_HEADER.size, _IOVEC.size, _HEADER.size, _IOVEC.size)
        ]
        self._lay_out(base, name_size)
        receive, _, send, send_iovecs = self._tables
        self._receive_at = ctypes.addressof(receive)
        self._send_at = ctypes.addressof(send)
        self.lengths = memoryview(receive).cast("B").cast("I")[_LENGTH_WORD::_HEADER_WORDS]
        self.send_lengths = memoryview(send_iovecs).cast("B").cast("Q")[1::2]
        self.keys_at = [i * _STRIDE + self._name_at for i in range(SLOTS)]

    def receive(self) -> int:
        """Receive what is there, at most `SLOTS` datagrams.

        Returns: how many; 0 where there are none. `lengths[i]` is the size of each.
        """
        count: int = _libc.recvmmsg(
            self._fd, ctypes.c_void_p(self._receive_at), SLOTS, _DONTWAIT, None
        )
        return max(count, 0)

    def send(self, start: int, stop: int) -> int:
        """Send slots start..stop, `send_lengths[i]` bytes of each to the address before it.

        Returns: how many of them the kernel did not take; those are lost, as on any full queue.
        """
        lost = 0
        while start < stop:
            at = ctypes.c_void_p(self._send_at + start * _HEADER.size)
            sent = _libc.sendmmsg(self._fd, at, stop - start, _DONTWAIT)
            if sent <= 0:
                # The first of them cannot be sent: full queue, no route, too big. Skip that one.
                lost += 1
                sent = 1
            start += sent
        return lost

    def name(self, slot: int) -> bytes:
        """The socket address that slot came from."""
        at = self.keys_at[slot]
        return self.data[at : at + self.key_size - 2]

    def payload(self, slot: int) -> bytes:
        """A copy of the datagram in that slot."""
        at = slot * _STRIDE + _PAYLOAD_AT
        return self.data[at : at + self.lengths[slot]]

    def close(self) -> None:
        """Free the memory."""
        self.lengths.release()
        self.send_lengths.release()
        del self._anchor
        self.data.close()

    def _lay_out(self, base: int, name_size: int) -> None:
        receive, receive_iovecs, send, send_iovecs = self._tables
        for headers, iovecs in ((receive, receive_iovecs), (send, send_iovecs)):
            iovec_base = ctypes.addressof(iovecs)
            for i in range(SLOTS):
                slot = base + i * _STRIDE
                name, iovec_at = slot + self._name_at, iovec_base + i * _IOVEC.size
                _IOVEC.pack_into(iovecs, i * _IOVEC.size, slot + _PAYLOAD_AT, PAYLOAD_MAX)
                _HEADER.pack_into(
                    headers, i * _HEADER.size, name, name_size, iovec_at, 1, 0, 0, 0, 0
                )


def is_available() -> bool:
    """Whether this system has recvmmsg and sendmmsg laid out as here."""
    return os.uname().sysname == "Linux" and ctypes.sizeof(ctypes.c_void_p) == 8
