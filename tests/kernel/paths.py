"""The user path and the kernel path side by side, fed with the same effects."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from relay.address import ClientAddress, FiveTuple, ServerAddress, Transport
from relay.effects import LegKey, SetLeg, SetRoute
from relay.forward.kernel import FastPath
from tests.kernel.bench_rig import Route
from tests.kit.frames import End

LEG = LegKey("call", "leg")
SET_LEG = SetLeg(LEG, 8_000_000_000, 1_000_000)
LEASE_S = 30
_LONG_NS = 600_000_000_000


def server_address(end: End) -> ServerAddress:
    """Where the relay listens."""
    return ServerAddress(end.packed, end.port)


def client(end: End, server: End, transport: Transport = Transport.UDP) -> FiveTuple:
    """A client of that listener."""
    return FiveTuple(transport, ClientAddress(end.packed, end.port), server_address(server))


def set_route(route: Route, leg: LegKey = LEG, lives_ns: int = _LONG_NS) -> SetRoute:
    """The effect that makes this route."""
    return SetRoute(
        client(route.source, route.server),
        route.channel,
        client(route.target, route.target_server),
        route.target_channel,
        leg,
        time.monotonic_ns() + lives_ns,
    )


def open_kernel_path(
    listeners: Sequence[End],
    *interfaces: str,
    relayed: Sequence[End] = (),
    clock_ns: Callable[[], int] = time.monotonic_ns,
) -> FastPath:
    """The kernel path with one leg, and no route."""
    addresses, more = ([server_address(end) for end in ends] for ends in (listeners, relayed))
    path = FastPath.open(interfaces, addresses, more, LEASE_S, clock_ns)
    assert path.set_leg(SET_LEG)
    return path


@contextmanager
def kernel_path(
    listeners: Sequence[End], *interfaces: str, relayed: Sequence[End] = ()
) -> Iterator[FastPath]:
    """The same for one `with` block, which leaves nothing in the kernel."""
    path = open_kernel_path(listeners, *interfaces, relayed=relayed)
    try:
        yield path
    finally:
        path.close(leave_running=False)


def leave_behind(listeners: Sequence[End], *effects: SetRoute) -> None:
    """What a daemon leaves in the kernel that had these routes, and was killed."""
    path = open_kernel_path(listeners)
    for effect in effects:
        path.set_route(effect)
    path.close(leave_running=True)
