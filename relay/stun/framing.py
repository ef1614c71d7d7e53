"""STUN and ChannelData over a stream: where one message ends and the next begins.

Rules of this file: what comes out does not depend on how the stream was cut; a byte that no valid
stream has at its place raises as soon as it is there; nothing is kept beyond one unfinished frame.
"""

from collections.abc import Iterator

from relay.errors import DropReason, Malformed
from relay.stun import channel_data, message
from relay.stun.addresses import COOKIE
from relay.stun.demux import CHANNELS

LONGEST_FRAME = message.HEADER_SIZE + 0xFFFC
"""Bytes a frame can have on the stream, padding included; a `Framer` always keeps fewer."""

_COOKIE = COOKIE.to_bytes(4)
_HEAD = 8  # bytes in which a frame shows its kind, its length and, if it is STUN, its cookie


class Framer:
    """Cuts one direction of one stream into frames.

    Args:
        longest: a longer frame is TOO_BIG as soon as its length is there; may be changed later.
    """

    __slots__ = ("_fault", "_kept", "longest")

    def __init__(self, longest: int = LONGEST_FRAME) -> None:
        self.longest = longest
        self._kept = bytearray()
        self._fault: DropReason | None = None

    @property
    def kept(self) -> int:
        """Bytes of the unfinished frame, 0..LONGEST_FRAME: what this stream costs in memory."""
        return len(self._kept)

    def receive(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Give the whole frames that the stream has by now, in order.

        Args:
            data: what the stream brought next. Read while iterating: exhaust the iterator before
                the buffer is used again and before the next call.
        Returns:
            STUN messages whose length and cookie are right (`message.parse` checks the rest), and
            ChannelData messages without padding.
        Raises:
            Malformed: BAD_CHANNEL, BAD_LENGTH, TOO_BIG or BAD_COOKIE, after the frames before the
                fault and again at every later call: such a stream cannot be read on. Nothing else.
        Spec: RFC 8489 section 6.2.2, RFC 8656 section 12.5.
        """
        if self._fault is not None:
            raise Malformed(self._fault)
        kept, view = self._kept, memoryview(data)
        while view:
            size, padded = self._measure(bytes(kept[:_HEAD]) + view[: max(0, _HEAD - len(kept))])
            missing = padded - len(kept)
            if missing > len(view):
                kept += view
                return
            if kept:
                kept += view[:missing]
                yield bytes(kept[:size])
                kept.clear()
            else:
                yield bytes(view[:size])
            view = view[missing:]

    def _measure(self, head: bytes) -> tuple[int, int]:
        """Size of the frame that begins so, without and with padding; more than is there if unsure.

        The checks follow the order of the bytes, so that the fault that is found first is the same
        however the stream was cut.
        """
        kind = head[0]
        if kind > CHANNELS[-1]:
            raise self._broken(DropReason.BAD_CHANNEL)
        if len(head) < channel_data.HEADER_SIZE:
            return channel_data.HEADER_SIZE, channel_data.HEADER_SIZE
        length = head[2] << 8 | head[3]
        if kind in CHANNELS:
            size = channel_data.HEADER_SIZE + length
            return size, self._fitting(size + 3 & ~3)
        if length & 3:
            raise self._broken(DropReason.BAD_LENGTH)
        size = self._fitting(message.HEADER_SIZE + length)
        if not _COOKIE.startswith(head[4:_HEAD]):
            raise self._broken(DropReason.BAD_COOKIE)
        return size, size

    def _fitting(self, size: int) -> int:
        if size > self.longest:
            raise self._broken(DropReason.TOO_BIG)
        return size

    def _broken(self, reason: DropReason) -> Malformed:
        self._fault = reason
        self._kept.clear()
        return Malformed(reason)


def pad(datagram: bytes) -> bytes:
    """A message as a stream carries it: ChannelData padded to 4 bytes, STUN as it is.

    Spec: RFC 8656 section 12.5.
    """
    return datagram + bytes(-len(datagram) % 4)
