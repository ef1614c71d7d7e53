"""A batch received and sent datagram by datagram: for systems without recvmmsg, such as macOS."""

import socket

from relay.forward.user import sockets
from relay.forward.user.slots import PAYLOAD_AT, PAYLOAD_MAX, SLOTS, STRIDE, Batch


class PlainBatch(Batch):
    """The socket module's calls, one per datagram."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._socket = sock
        self.lengths = [0] * SLOTS
        self.send_lengths = [0] * SLOTS
        memory = memoryview(self.data)
        starts = range(PAYLOAD_AT, SLOTS * STRIDE, STRIDE)
        self._payloads = [memory[at : at + PAYLOAD_MAX] for at in starts]
        memory.release()

    def use(self, sock: socket.socket) -> None:
        """Use this socket from now on."""
        self._socket = sock

    def receive(self) -> int:
        """Receive with one recvfrom per datagram, until none is left."""
        for slot, payload in enumerate(self._payloads):
            try:
                self.lengths[slot], name = self._socket.recvfrom_into(payload)
            except OSError:
                return slot
            at = slot * STRIDE + PAYLOAD_AT
            self.data[at - self.name_size : at] = sockets.pack_name(name)
        return SLOTS

    def send(self, start: int, stop: int) -> int:
        """Send with one sendto per datagram."""
        lost = 0
        for slot in range(start, stop):
            payload = self._payloads[slot][: self.send_lengths[slot]]
            lost += not sockets.send(self._socket, payload, sockets.unpack_name(self.name(slot)))
        return lost

    def close(self) -> None:
        """Free the memory."""
        for payload in self._payloads:
            payload.release()
        self.data.close()
