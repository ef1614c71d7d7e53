"""Relayed ports in `FastPath`: opened and closed, guarded as the relay's own, taken over or not."""

import errno
import time
from dataclasses import replace

from relay.address import ClientAddress, PeerAddress, ServerAddress
from relay.clock import Now
from relay.effects import NO_CHANNEL, ClosePort, DropRoute, Effect, LegKey, OpenPort, Send, SetLeg
from relay.errors import DropReason
from relay.forward.kernel import FastPath, layout
from relay.forward.kernel.maps import HashMap
from relay.ice.consent import CONSENT_S
from tests.ice.stage import NOMINATING, SETTINGS, Leg, Stage
from tests.kernel.bench_rig import Route
from tests.kernel.cases import (
    A4,
    B4,
    PAYLOAD,
    PEER_A4,
    PORT_A4,
    PORT_B4,
    PORT_ROUTE4,
    ROUTE4,
    SERVER4,
    SERVER6,
    relayed,
    sent,
)
from tests.kernel.paths import (
    LEG,
    SET_LEG,
    kernel_path,
    leave_behind,
    open_kernel_path,
    server_address,
    set_route,
)
from tests.kernel.tap import Tap
from tests.kernel.user_path import UserPath
from tests.kit.frames import End
from tests.kit.namespaces import Namespace

_SERVERS = [SERVER4, SERVER6]
_BACK = Route(B4, PORT_B4, NO_CHANNEL, A4, PORT_A4, NO_CHANNEL)


def crosses(tap: Tap, route: Route = PORT_ROUTE4) -> bool:
    """Whether what the source says reaches the target, as it has to look."""
    tap.send(sent(route, PAYLOAD))
    got = tap.received(route.target)
    assert got in ([], [relayed(route, PAYLOAD)])
    return bool(got)


def spoofs_dropped(tap: Tap, path: FastPath, port: End) -> bool:
    """Whether a packet that claims to come from there is dropped in the kernel."""
    before = path.counters().drops[DropReason.OWN_SOURCE]
    tap.send(sent(replace(ROUTE4, source=port), PAYLOAD))
    return path.counters().drops[DropReason.OWN_SOURCE] > before


def own(path: FastPath) -> dict[bytes, int]:
    """The map `listeners`."""
    hashed: HashMap = path._program.listeners()
    try:
        return dict(hashed.items())
    finally:
        hashed.close()


def test_route_between_ports_forwards_until_it_is_dropped(tap: Tap, path: FastPath) -> None:
    assert not crosses(tap)
    effect = set_route(PORT_ROUTE4)
    assert path.set_route(effect)
    assert path.set_route(set_route(_BACK))
    assert crosses(tap)
    assert crosses(tap, _BACK)
    assert path.has_route(LEG)
    assert path.leg(LEG) == (2, 2 * len(PAYLOAD), 0)
    path.drop_route(DropRoute(effect.source, NO_CHANNEL))
    assert not crosses(tap)
    assert crosses(tap, _BACK)


def test_party_is_followed_to_another_address(tap: Tap, path: FastPath) -> None:
    """What a NAT rebinding is to the kernel: a new source, and another target for the other."""
    moved = replace(PORT_ROUTE4, source=End(A4.host, A4.port + 1))
    path.set_route(set_route(PORT_ROUTE4))
    path.set_route(set_route(_BACK))
    path.set_route(set_route(moved))
    path.set_route(set_route(replace(_BACK, target=moved.source)))
    path.drop_route(DropRoute(set_route(PORT_ROUTE4).source, NO_CHANNEL))
    assert not crosses(tap)
    assert crosses(tap, moved)
    assert crosses(tap, replace(_BACK, target=moved.source))
    assert path.routes == 2


def test_route_from_a_port_to_indications_stays_out_and_ends_the_one_before(
    tap: Tap, path: FastPath
) -> None:
    mixed = replace(PORT_ROUTE4, target_channel=PEER_A4)
    assert not path.set_route(set_route(mixed))
    assert path.set_route(set_route(PORT_ROUTE4))
    assert crosses(tap, PORT_ROUTE4)
    assert not path.set_route(set_route(mixed))
    assert not crosses(tap, PORT_ROUTE4)
    assert path.routes == 0


def test_open_port_is_no_source_and_a_closed_one_is_nothing_of_ours(
    tap: Tap, path: FastPath
) -> None:
    assert not spoofs_dropped(tap, path, PORT_A4)
    path.open_port(server_address(PORT_A4))
    assert spoofs_dropped(tap, path, PORT_A4)
    assert not spoofs_dropped(tap, path, PORT_B4)
    assert not path.set_route(set_route(replace(_BACK, source=PORT_A4)))
    path.close_port(server_address(PORT_A4))
    path.close_port(server_address(PORT_A4))
    assert not spoofs_dropped(tap, path, PORT_A4)
    assert path.set_route(set_route(replace(_BACK, source=PORT_A4)))


def test_listener_stays_guarded_whatever_ports_do(tap: Tap, path: FastPath) -> None:
    path.open_port(server_address(SERVER4))
    path.close_port(server_address(SERVER4))
    assert spoofs_dropped(tap, path, SERVER4)


def test_open_ports_stay_guarded_when_the_hosts_addresses_change(
    namespace: Namespace, tap: Tap
) -> None:
    with kernel_path(_SERVERS) as path:
        path.open_port(server_address(PORT_A4))
        namespace.set_up(["addr add 192.0.2.99/32 dev cvf-tap"])
        while path.follow():
            pass
        assert spoofs_dropped(tap, path, SERVER4)
        assert spoofs_dropped(tap, path, PORT_A4)


def test_every_port_of_the_relay_may_be_open_and_none_is_left(path: FastPath) -> None:
    before = own(path)
    ports = [ServerAddress(SERVER4.packed, number) for number in range(1024, 65536)]
    for port in ports:
        path.open_port(port)
    opened = set(map(layout.listener_key, ports))
    assert own(path).keys() == before.keys() | opened
    for port in ports:
        path.close_port(port)
    assert own(path) == before


def test_interface_of_relayed_ports_is_filtered_where_no_listener_is(
    namespace: Namespace, tap: Tap, other: Tap
) -> None:
    elsewhere = End("192.0.2.33", 0)
    namespace.set_up([f"addr add {elsewhere.host}/32 dev cvf-other"])
    route = replace(PORT_ROUTE4, server=End(elsewhere.host, 50000))
    for relayed_on, expected in (([], False), ([elsewhere], True)):
        with kernel_path(_SERVERS, relayed=relayed_on) as path:
            assert path.set_route(set_route(route))
            other.send(sent(route, PAYLOAD))
            assert bool(tap.received(B4)) is expected


def test_routes_of_a_daemon_before_run_on_until_their_port_is_opened_anew(tap: Tap) -> None:
    first = open_kernel_path(_SERVERS)
    for port in (PORT_A4, PORT_B4):
        first.open_port(server_address(port))
    for route in (PORT_ROUTE4, _BACK, ROUTE4):
        assert first.set_route(set_route(route))
    first.close(leave_running=True)
    second = FastPath.open([], [*map(server_address, _SERVERS)], [], 30, time.monotonic_ns)
    try:
        assert second.adopted == 3
        assert crosses(tap)
        assert not spoofs_dropped(tap, second, PORT_A4)  # its ports were the first one's
        second.open_port(server_address(PORT_A4))
        assert second.routes == 2
        assert not crosses(tap)
        assert crosses(tap, _BACK)
        assert crosses(tap, ROUTE4)
        second.open_port(server_address(PORT_B4))
        other = LegKey("another call", "leg")
        assert second.set_leg(SetLeg(other, 8_000_000, 1_000))
        assert second.set_route(set_route(PORT_ROUTE4, other))
        second.open_port(server_address(PORT_A4))
        assert crosses(tap)  # a route of our own is no adopted one
        second.drop_adopted()
        assert second.routes == 1
    finally:
        second.close(leave_running=False)


def test_route_of_a_daemon_before_that_is_set_again_is_ours(tap: Tap) -> None:
    leave_behind(_SERVERS, set_route(PORT_ROUTE4))
    with kernel_path(_SERVERS) as second:
        assert second.set_route(set_route(PORT_ROUTE4))
        second.open_port(server_address(PORT_A4))
        assert crosses(tap)


async def test_nothing_of_a_closed_port_stays_even_if_its_routes_were_not_dropped(
    tap: Tap, path: FastPath
) -> None:
    async with UserPath([], [], path) as user:
        user.apply(SET_LEG)
        for port in (PORT_A4, PORT_B4):
            user.apply(OpenPort(server_address(port)))
        for route in (PORT_ROUTE4, _BACK):
            user.apply(set_route(route))
        assert spoofs_dropped(tap, path, PORT_A4)
        assert crosses(tap)
        user.apply(ClosePort(server_address(PORT_A4)))
        assert not crosses(tap)
        assert not spoofs_dropped(tap, path, PORT_A4)
        assert path.routes == 1
        user.apply(ClosePort(server_address(PORT_B4)))
        assert (path.routes, user.forwarder.routes) == (0, 0)
    assert path.leg(LEG) == (1, len(PAYLOAD), 0)


class KernelStage(Stage):
    """The core of relayed ports, whose effects both paths apply."""

    def __init__(self, user: UserPath, mono: float) -> None:
        here = PeerAddress.parse(SERVER4.host, 0), ServerAddress.parse(SERVER4.host, 0)
        super().__init__(replace(SETTINGS, addresses=(here,)))
        self.now = Now(mono, 0.0)
        self._user = user

    def apply(self, effects: list[Effect]) -> list[Effect]:
        """Do what the forwarder does; no answer is sent, no cap holds, the rest is the daemon's."""
        for effect in effects:
            if isinstance(effect, SetLeg):
                self._user.apply(replace(SET_LEG, leg=effect.leg))
            elif type(effect) in self._user.forwarder.handlers and not isinstance(effect, Send):
                self._user.apply(effect)
        return super().apply(effects)


def between(stage: KernelStage) -> tuple[Leg, Leg, Route]:
    """A party at A4 that has answered the relay's check, one at B4 that has been asked, and the
    route from the first to the second.
    """
    alice, bob = stage.pair()
    alice.is_heard_at(ClientAddress(A4.packed, A4.port), NOMINATING)
    bob.receive(bob.check(NOMINATING), ClientAddress(B4.packed, B4.port))
    ends = End(SERVER4.host, alice.port.port), End(SERVER4.host, bob.port.port)
    return alice, bob, Route(A4, ends[0], NO_CHANNEL, B4, ends[1], NO_CHANNEL)


async def test_only_an_address_that_has_answered_has_a_route_from_it_or_to_it(
    tap: Tap, path: FastPath
) -> None:
    async with UserPath([], [], path) as user:
        stage = KernelStage(user, time.monotonic())
        alice, bob, route = between(stage)
        assert (path.routes, user.forwarder.routes) == (0, 0)
        assert not crosses(tap, route)
        at = ClientAddress(B4.packed, B4.port)
        bob.receive(bob.answer(stage.asked[bob.from_(at)]), at)
        assert crosses(tap, route)
        forged = End(A4.host, A4.port + 1)
        alice.receive(alice.check(NOMINATING), ClientAddress(forged.packed, forged.port))
        assert (path.routes, user.forwarder.routes) == (2, 2)
        assert not crosses(tap, replace(route, source=forged))
        back = Route(B4, route.target_server, NO_CHANNEL, A4, route.server, NO_CHANNEL)
        assert crosses(tap, back)
        stage.end()


async def test_route_to_who_has_not_consented_for_thirty_seconds_forwards_nothing(
    tap: Tap, path: FastPath
) -> None:
    """Though nobody takes it away: its daemon may be dead."""
    async with UserPath([], [], path) as user:
        stage = KernelStage(user, time.monotonic() - CONSENT_S)
        _, bob, route = between(stage)
        at = ClientAddress(B4.packed, B4.port)
        bob.receive(bob.answer(stage.asked[bob.from_(at)]), at)
        assert path.routes == 2
        assert not crosses(tap, route)
        stage.end()


async def test_port_that_cannot_be_opened_is_not_guarded(tap: Tap, path: FastPath) -> None:
    async with UserPath([PORT_A4], [], path) as user:
        failed: list[int] = []
        user.forwarder.port_failed = lambda _, number: failed.append(number)
        user.apply(OpenPort(server_address(PORT_A4)))
        assert failed == [errno.EADDRINUSE]
        assert not spoofs_dropped(tap, path, PORT_A4)
