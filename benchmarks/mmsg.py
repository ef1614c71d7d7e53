"""`sendmmsg` and `recvmmsg` over arrays that are built once.

Python's socket module sends one datagram per call. Here a batch costs one call, and nothing is
allocated per packet: the kernel's structures are numpy records that point at each other.
"""

import ctypes
import errno
import socket
from typing import Any

import numpy as np
from numpy.typing import NDArray

_IOVEC = np.dtype([("base", np.uint64), ("length", np.uint64)])
_MMSGHDR = np.dtype(
    {
        # struct mmsghdr of 64-bit Linux: a msghdr of 56 bytes, then msg_len.
        "names": ["iov", "iovlen", "control", "controllen", "flags", "length"],
        "formats": [np.uint64, np.uint64, np.uint64, np.uint64, np.int32, np.uint32],
        "offsets": [16, 24, 32, 40, 48, 56],
        "itemsize": 64,
    }
)
CONTROL_BYTES = 32
"""One control message with a `struct timespec`: 16 bytes of header, 16 of time."""

_libc = ctypes.CDLL(None, use_errno=True)
_sendmmsg = _libc.sendmmsg
_recvmmsg = _libc.recvmmsg
_sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
_recvmmsg.argtypes = (*_sendmmsg.argtypes, ctypes.c_void_p)
_AGAIN = (errno.EAGAIN, errno.EINTR, errno.ENOBUFS)


class Slots:
    """A row of equal buffers with the headers that let the kernel fill or read several at once.

    Args:
        count: how many buffers.
        size: bytes of each; a longer datagram is cut.
        timestamps: keep room for the kernel's receive timestamps.
    """

    def __init__(self, count: int, size: int, *, timestamps: bool = False) -> None:
        self.data: NDArray[np.uint8] = np.zeros((count, size), np.uint8)
        self._control = np.zeros((count if timestamps else 0, CONTROL_BYTES), np.uint8)
        self._iovecs = np.zeros(count, _IOVEC)
        self._iovecs["base"] = _addresses(self.data)
        self._iovecs["length"] = size
        self._headers = np.zeros(count, _MMSGHDR)
        self._headers["iov"] = _addresses(self._iovecs)
        self._headers["iovlen"] = 1
        self._first = self._headers.ctypes.data
        if timestamps:
            self._headers["control"] = _addresses(self._control)
        self.clear()

    def __len__(self) -> int:
        return len(self.data)

    def clear(self) -> None:
        """Make the slots ready for another pass; touches every page, so that no receive does."""
        self.data[:] = 0
        self._headers["controllen"] = CONTROL_BYTES if len(self._control) else 0

    def send(self, descriptor: int, first: int, count: int) -> int:
        """Send slots `first` to `first + count`.

        Returns: how many were taken; 0 when the socket takes none just now.
        """
        sent: int = _sendmmsg(descriptor, self._first + 64 * first, count, socket.MSG_DONTWAIT)
        return sent if sent >= 0 else _none_or_raise()

    def receive(self, descriptor: int, first: int, count: int) -> int:
        """Fill at most `count` slots from `first` on with what is there.

        Returns: how many were filled; 0 when nothing is there.
        """
        address = self._first + 64 * first
        got: int = _recvmmsg(descriptor, address, count, socket.MSG_DONTWAIT, None)
        return got if got >= 0 else _none_or_raise()

    def received_at_ns(self, count: int) -> NDArray[np.int64]:
        """The kernel's timestamps of the first `count` slots, in nanoseconds of Unix time."""
        times = np.ascontiguousarray(self._control[:count, 16:]).view(np.int64)
        nanoseconds: NDArray[np.int64] = times[:, 0] * 1_000_000_000 + times[:, 1]
        return nanoseconds


def _addresses(array: NDArray[Any]) -> NDArray[np.uint64]:
    stride = array.strides[0] if len(array) else 0
    return np.uint64(array.ctypes.data) + np.arange(len(array), dtype=np.uint64) * np.uint64(stride)


def _none_or_raise() -> int:
    code = ctypes.get_errno()
    if code in _AGAIN:
        return 0
    raise OSError(code, "sendmmsg or recvmmsg failed")
