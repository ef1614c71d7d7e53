"""The user path as the daemon has it, without a core, behind the kernel's or alone."""

import asyncio
from collections.abc import Sequence
from typing import Self

from relay.address import FiveTuple
from relay.effects import ClosePort, Effect, OpenPort
from relay.forward.forwarder import Forwarder
from relay.forward.kernel import AbsentPath, FastPath
from relay.forward.meter import Tally
from relay.forward.user.core import IcmpError
from relay.forward.user.udp import UdpListener
from tests.kernel.paths import server_address
from tests.kernel.tap import Tap
from tests.kit.frames import End

_DEADLINE_S = 120


class NoCore:
    """What goes up and has no route in user space either: counted, not answered."""

    def __init__(self) -> None:
        self.asked = 0

    def receive(self, datagram: bytes, client: FiveTuple) -> None:
        """Count it."""
        self.asked += 1

    def receive_error(self, error: IcmpError, client: FiveTuple) -> None:
        """Never: nothing here answers with ICMP."""
        raise AssertionError

    def disconnect(self, client: FiveTuple) -> None:
        """Never: there are no streams."""
        raise AssertionError

    def is_known(self, client: FiveTuple) -> bool:
        """Everybody is."""
        return True


class UserPath:
    """A forwarder with listeners, with relayed ports, and with a kernel path if it is given one.

    It is open for one `async with` block; the kernel path is the caller's.
    """

    def __init__(
        self, listeners: Sequence[End], ports: Sequence[End] = (), kernel: FastPath | None = None
    ) -> None:
        self.tally = Tally()
        self.core = NoCore()
        self.forwarder = Forwarder(self.tally, lambda: 0)
        self.forwarder.kernel = kernel or AbsentPath("off")
        self.forwarder.receive_ports(self.core)
        self._ports = [server_address(end) for end in ports]
        self._listeners = [
            UdpListener(server_address(end), self.core, self.tally) for end in listeners
        ]
        for listener in self._listeners:
            self.forwarder.add(listener)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            listener.start(loop)
        for address in self._ports:
            self.apply(OpenPort(address))
        return self

    async def __aexit__(self, *exc: object) -> None:
        for address in self._ports:
            self.apply(ClosePort(address))
        for listener in self._listeners:
            listener.close(asyncio.get_running_loop())

    def apply(self, effect: Effect) -> None:
        """Do what a core would want done."""
        self.forwarder.handlers[type(effect)](effect)

    async def run(
        self, tap: Tap, trace: Sequence[bytes], targets: Sequence[End], last: tuple[bytes, int]
    ) -> list[bytes]:
        """Send a trace through; what these targets got, in order of bytes.

        Args:
            last: it is over when so many packets that end with these bytes have come.
        """
        got: list[bytes] = []
        for packet in trace:
            tap.send(packet)
            await asyncio.sleep(0)
        end, count = last
        async with asyncio.timeout(_DEADLINE_S):
            while sum(packet.endswith(end) for packet in got) < count:
                await asyncio.sleep(0)
                got += tap.received(*targets)
        return sorted(got)
