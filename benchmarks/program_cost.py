"""What the kernel program costs per packet, by the number of routes in its table.

Rules of this file: the program runs as the daemon loads it, with the kernel's clock, and every
packet takes a route: a run in which one did not is no measurement.
"""

import random
import time
from collections.abc import Sequence

from benchmarks.frames import ETHERNET_AT, Headers
from benchmarks.passing import PAYLOAD_BYTES
from benchmarks.program_rig import OUT, Rig, Route
from benchmarks.topology import RELAY_ADDRESS, Link
from benchmarks.turn_client import CHANNEL
from relay.address import Address
from tests.kit.frames import internet_checksum

_LOOPBACK_MAC = "00:00:00:00:00:00"
_SERVER = Address.parse(RELAY_ADDRESS, 3478)
_FIRST_PORT, _PORTS = 1024, 60_000
_LIFE_NS = 3600 * 10**9
_UDP_AT = 14 + 20
_CHECK_AT = _UDP_AT + 6


class Table:
    """A rig with so many routes, each of a leg of its own, that hand a packet on to each other.

    What a route makes of a packet is the packet of the next route, so that a repeated run meets
    them all. One route stands aside and makes its own packet again.

    Args:
        routes: how many.
    Raises: FastPathError, with what is missing.
    """

    def __init__(self, routes: int) -> None:
        now_ns = time.monotonic_ns()
        self.rig = Rig(now_ns)
        self.rig.set_lease(now_ns + _LIFE_NS)
        circle = list(range(1, routes))
        random.Random(routes).shuffle(circle)  # noqa: S311 - an order, not a secret
        self._first = circle[0] if circle else 0
        following = dict(zip(circle, [*circle[1:], *circle[:1]], strict=True))
        # Installed in the order of their numbers and met in another: neighbours in memory are no
        # neighbours in time.
        for number in range(routes):
            self._set(number, following.get(number, number), now_ns + _LIFE_NS)

    def measure_same(self, packets: int) -> int:
        """Nanoseconds per packet of one and the same route."""
        return self._measure(0, packets)

    def measure_any(self, packets: int) -> int:
        """Nanoseconds per packet where each takes another route, in no order."""
        return self._measure(self._first, packets)

    def close(self) -> None:
        """Give everything back."""
        self.rig.close()

    def _set(self, number: int, following: int, expires_ns: int) -> None:
        source, target = _client(number), _client(following)
        route = Route(source, _SERVER, CHANNEL, _SERVER, target, CHANNEL, expires_ns, leg=number)
        if not self.rig.set_route(route):
            raise ValueError(f"no room for route {number}")

    def _measure(self, number: int, packets: int) -> int:
        before, _ = self.rig.forwarded()
        outcome = self.rig.run(_frame(number), repeat=packets)
        after, _ = self.rig.forwarded()
        if outcome.verdict != OUT or after - before != packets:
            raise ValueError(f"{packets - (after - before)} packets took no route")
        return outcome.duration_ns


def measure(routes: int, packets: int, runs: int) -> tuple[list[int], list[int]]:
    """Measure a table of so many routes.

    Args:
        packets: of each run; at least as many as routes, so that each is met.
        runs: how often; a busy host makes single ones dearer.
    Returns: nanoseconds per packet of each run: of one route, and of all in turn.
    Raises: FastPathError, with what is missing.
    """
    table = Table(routes)
    try:
        pairs = [(table.measure_same(packets), table.measure_any(packets)) for _ in range(runs)]
    finally:
        table.close()
    return [same for same, _ in pairs], [every for _, every in pairs]


def _host(number: int) -> Sequence[int]:
    return 10, number // _PORTS, 0, 2


def _client(number: int) -> Address:
    return Address(bytes(_host(number)), _FIRST_PORT + number % _PORTS)


def _frame(number: int) -> bytes:
    """What a client sends, as it arrives over the loopback interface."""
    subnet = ".".join(map(str, _host(number)[:3]))
    link = Link("any", subnet, _LOOPBACK_MAC, _LOOPBACK_MAC)
    data = CHANNEL.to_bytes(2) + PAYLOAD_BYTES.to_bytes(2) + bytes(PAYLOAD_BYTES)
    frame = Headers(link).frame(_FIRST_PORT + number % _PORTS, data, RELAY_ADDRESS)[ETHERNET_AT:]
    check = internet_checksum(frame[_UDP_AT:])  # the sum of the pseudo-header is in it already
    return frame[:_CHECK_AT] + check.to_bytes(2) + frame[_CHECK_AT + 2 :]
