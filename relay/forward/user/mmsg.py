"""A batch of datagrams received and sent with one system call each, through libc."""

import ctypes
import errno
import os
import socket
import struct

from relay.forward.user import sockets
from relay.forward.user.slots import PAYLOAD_AT, PAYLOAD_MAX, SLOTS, STRIDE, Batch

_HEADER = struct.Struct("@PI4xPQPQi4xI4x")  # struct mmsghdr, LP64: 64 bytes
_IOVEC = struct.Struct("@PQ")
_DONTWAIT = int(socket.MSG_DONTWAIT)  # an enumeration's member takes longer to pass on
_HEADER_WORDS, _LENGTH_WORD = 16, 14  # in 32-bit words: mmsghdr, and msg_len within it


class MmsgBatch(Batch):
    """What recvmmsg and sendmmsg are told: a header and an I/O vector per slot and direction."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._socket, self._fd = sock, sock.fileno()
        libc = ctypes.CDLL(None, use_errno=True)
        # Told once what they take: converting arguments anew costs as much as a packet.
        number, pointer = ctypes.c_int, ctypes.c_void_p
        self._recvmmsg, self._sendmmsg = libc.recvmmsg, libc.sendmmsg
        self._recvmmsg.argtypes = (number, pointer, ctypes.c_uint, number, pointer)
        self._sendmmsg.argtypes = (number, pointer, ctypes.c_uint, number)
        self._anchor = ctypes.c_char.from_buffer(self.data)
        self._tables = [
            ctypes.create_string_buffer(SLOTS * size)
            for size in (_HEADER.size, _IOVEC.size, _HEADER.size, _IOVEC.size)
        ]
        self._lay_out(ctypes.addressof(self._anchor))
        receive, _, send, send_iovecs = self._tables
        self._receive_at = ctypes.addressof(receive)
        self._send_at = ctypes.addressof(send)
        self.lengths = memoryview(receive).cast("B").cast("I")[_LENGTH_WORD::_HEADER_WORDS]
        self.send_lengths = memoryview(send_iovecs).cast("B").cast("Q")[1::2]

    def use(self, sock: socket.socket) -> None:
        """Use this socket's file descriptor from now on; that of a closed socket fails."""
        self._socket, self._fd = sock, sock.fileno()

    def receive(self) -> int:
        """Receive a batch with one recvmmsg."""
        count = self._recvmmsg(self._fd, self._receive_at, SLOTS, _DONTWAIT, None)
        return count if count > 0 else 0

    def send(self, start: int, stop: int) -> int:
        """Send with one sendmmsg, and one more after each datagram that the kernel refuses."""
        lost = 0
        while start < stop:
            at = self._send_at + start * _HEADER.size
            sent = self._sendmmsg(self._fd, at, stop - start, _DONTWAIT)
            if sent <= 0:
                # The first of them cannot be sent: too big for the path, full queue, no route.
                # Or the kernel reports an ICMP error about another first.
                lost += ctypes.get_errno() == errno.EAGAIN or not self._send_alone(start)
                sent = 1
            start += sent
        return lost

    def _send_alone(self, slot: int) -> bool:
        at = self.payloads_at[slot]
        datagram = self.data[at : at + self.send_lengths[slot]]
        return sockets.send(self._socket, datagram, sockets.unpack_name(self.name(slot)))

    def close(self) -> None:
        """Free the memory."""
        del self._anchor
        self.data.close()

    def _lay_out(self, base: int) -> None:
        receive, receive_iovecs, send, send_iovecs = self._tables
        for headers, iovecs in ((receive, receive_iovecs), (send, send_iovecs)):
            iovec_base = ctypes.addressof(iovecs)
            for i in range(SLOTS):
                payload, iovec_at = base + i * STRIDE + PAYLOAD_AT, i * _IOVEC.size
                name = payload - self.name_size
                _IOVEC.pack_into(iovecs, iovec_at, payload, PAYLOAD_MAX)
                header = (name, self.name_size, iovec_base + iovec_at, 1, 0, 0, 0, 0)
                _HEADER.pack_into(headers, i * _HEADER.size, *header)


def is_available() -> bool:
    """Whether this system has recvmmsg and sendmmsg laid out as here."""
    return os.uname().sysname == "Linux" and ctypes.sizeof(ctypes.c_void_p) == 8
