"""A daemon that is killed, and the next one: packets flow on, and the next one takes over."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from relay.address import Transport
from relay.effects import DropRoute, LegKey, SetLeg
from relay.forward.kernel import FastPath, adoption, layout, pins, program
from relay.forward.kernel.adoption import DEAD_NS
from relay.forward.netlink import Netlink
from tests.kernel.bench_rig import Route
from tests.kernel.cases import B4, CHANNEL, PAYLOAD, ROUTE4, SERVER4, SERVER6, relayed, sent
from tests.kernel.paths import (
    LEASE_S,
    LEG,
    kernel_path,
    leave_behind,
    open_kernel_path,
    server_address,
    set_route,
)
from tests.kernel.tap import Tap
from tests.kit.frames import End
from tests.kit.namespaces import Namespace

_SERVERS = [SERVER4, SERVER6]
_ROUTES = 50


@contextmanager
def holder(namespace: Namespace, routes: int = _ROUTES) -> Iterator[subprocess.Popen[str]]:
    """A daemon in a process of its own; killed at the end, if it still runs."""
    command = namespace.command([sys.executable, "-m", "tests.kernel.holder", str(routes)])
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline().startswith("ready ")
            yield process
        finally:
            process.kill()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


class Flow(threading.Thread):
    """Media from A, packet after packet, until it is stopped."""

    def __init__(self, tap: Tap) -> None:
        super().__init__()
        self._tap = tap
        self._ended = threading.Event()
        self.sent = 0
        self.received: list[bytes] = []

    def run(self) -> None:
        while not self._ended.is_set():
            self._tap.send(sent(ROUTE4, PAYLOAD + self.sent.to_bytes(4)))
            self.sent += 1
            self.received += self._tap.received(B4)

    @contextmanager
    def running(self) -> Iterator["Flow"]:
        self.start()
        try:
            yield self
        finally:
            self._ended.set()
            self.join()

    def lost(self) -> int:
        expected = [relayed(ROUTE4, PAYLOAD + i.to_bytes(4)) for i in range(self.sent)]
        assert len(self.received) <= len(expected)
        return len(expected) - sum(
            one == other for one, other in zip(expected, self.received, strict=False)
        )


def crosses(tap: Tap, route: Route) -> bool:
    """Whether the source's media reaches the target."""
    tap.send(sent(route, PAYLOAD))
    return bool(tap.received(route.target))


def test_killing_the_daemon_and_starting_it_again_loses_no_packet(
    namespace: Namespace, tap: Tap
) -> None:
    flow = Flow(tap)
    with holder(namespace) as first, flow.running():
        kill(first)
        with holder(namespace) as second:
            kill(second)
            path = open_kernel_path(_SERVERS)
            while flow.sent < 2_000:
                path.renew(time.monotonic_ns())
    try:
        assert path.adopted == _ROUTES
        assert flow.lost() == 0
        assert path.leg(LEG) == (flow.sent, flow.sent * (len(PAYLOAD) + 4), 0)
        assert path.counters().packets == flow.sent
    finally:
        path.close(leave_running=False)


def test_adopted_routes_are_set_again_and_the_rest_may_be_ended(
    namespace: Namespace, tap: Tap
) -> None:
    with holder(namespace) as daemon:
        kill(daemon)
    with kernel_path(_SERVERS) as path:
        assert (path.adopted, path.routes) == (_ROUTES, _ROUTES)
        assert path.set_route(set_route(ROUTE4))
        path.drop_adopted()
        assert path.routes == 1
        assert crosses(tap, ROUTE4)
        assert not crosses(tap, replace(ROUTE4, channel=CHANNEL + 1))


@pytest.mark.parametrize("ended", [True, False])
def test_an_adopted_route_gives_way_to_what_its_client_has_now(tap: Tap, ended: bool) -> None:
    leave_behind(_SERVERS, set_route(ROUTE4))
    with kernel_path(_SERVERS) as path:
        assert path.adopted == 1
        route = set_route(ROUTE4)
        if ended:
            path.drop_route(DropRoute(route.source, route.channel))
        else:  # the same client, on the same channel, to somebody whom the kernel does not reach
            there = route.target._replace(transport=Transport.TCP)
            assert not path.set_route(replace(route, target=there))
        assert path.routes == 0
        assert not crosses(tap, ROUTE4)


def test_routes_of_calls_that_nobody_remembers_end_by_themselves(tap: Tap) -> None:
    leave_behind(_SERVERS, set_route(ROUTE4, lives_ns=3_600_000_000_000))
    with kernel_path(_SERVERS) as second:
        assert second.adopted == 1
        assert crosses(tap, ROUTE4)
        second.renew(time.monotonic_ns() + 3_600_000_000_000)
        assert second.routes == 0
        assert not crosses(tap, ROUTE4)


def test_new_leg_gets_no_number_that_an_adopted_route_charges(tap: Tap) -> None:
    leave_behind(_SERVERS, set_route(ROUTE4))
    second = FastPath.open([], [*map(server_address, _SERVERS)], [], 30, time.monotonic_ns)
    try:
        other = LegKey("another call", "leg")
        second.set_leg(SetLeg(other, 8_000_000, 1_000))
        assert crosses(tap, ROUTE4)
        assert second.leg(other) == (0, 0, 0)
        assert second.leg(LEG) is None
        second.set_leg(SetLeg(LEG, 8_000_000, 1_000))
        assert second.leg(LEG) == (1, len(PAYLOAD), 0)
    finally:
        second.close(leave_running=False)


def test_another_layout_is_not_adopted_and_misroutes_nothing(
    namespace: Namespace, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    with holder(namespace) as daemon:
        kill(daemon)
    assert crosses(tap, ROUTE4)
    for module in (adoption, program):
        monkeypatch.setattr(module, "LAYOUT", layout.LAYOUT + 1)
    monkeypatch.setattr(layout, "LAYOUT", layout.LAYOUT + 1)
    with kernel_path(_SERVERS) as path:
        assert (path.adopted, path.routes) == (0, 0)
        assert not crosses(tap, ROUTE4)
        assert path.set_route(set_route(ROUTE4))
        assert crosses(tap, ROUTE4)


def test_dead_daemons_lease_runs_out(tap: Tap) -> None:
    first = open_kernel_path(_SERVERS)
    first.set_route(set_route(ROUTE4))
    first.renew(time.monotonic_ns() - 30_000_000_000)
    first.close(leave_running=True)
    assert not crosses(tap, ROUTE4)
    with kernel_path(_SERVERS):
        assert crosses(tap, ROUTE4)


def test_nothing_is_left_behind(namespace: Namespace, tap: Tap) -> None:
    with kernel_path(_SERVERS) as path:
        path.set_route(set_route(ROUTE4))
    assert not crosses(tap, ROUTE4)
    assert "bpf" not in namespace.run(["tc", "filter", "show", "dev", tap.name, "ingress"]).stdout


@pytest.fixture
def bpf_file_system(
    namespace: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A BPF file system that is not the host's."""
    at = tmp_path / "bpf"
    at.mkdir()
    monkeypatch.setattr(pins, "FILE_SYSTEM", at)
    yield at
    ctypes.CDLL(None).umount(bytes(at))


def test_maps_are_found_by_their_pins_where_the_filter_is_gone(
    namespace: Namespace, tap: Tap, bpf_file_system: Path
) -> None:
    leave_behind(_SERVERS, set_route(ROUTE4))
    (directory,) = bpf_file_system.glob("callveil-*")
    assert {path.name for path in directory.iterdir()} == set(layout.MAPS)
    namespace.run(["tc", "qdisc", "del", "dev", tap.name, "clsact"])
    assert not crosses(tap, ROUTE4)
    with kernel_path(_SERVERS) as second:
        assert second.adopted == 1
        assert crosses(tap, ROUTE4)
    assert list(bpf_file_system.glob("callveil-*")) == []


def test_user_that_the_daemon_becomes_removes_the_pins(
    namespace: Namespace, tap: Tap, bpf_file_system: Path
) -> None:
    path = open_kernel_path(_SERVERS)
    path.give_to(65534)
    (directory,) = bpf_file_system.glob("callveil-*")
    os.seteuid(65534)
    try:
        path.close(leave_running=False)
    finally:
        os.seteuid(0)
        namespace.run(["tc", "qdisc", "del", "dev", tap.name, "clsact"])
    assert list(directory.iterdir()) == []


def test_pins_that_could_not_be_removed_bring_no_call_back(
    tap: Tap, bpf_file_system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_kernel_path(_SERVERS)
    first.set_route(set_route(ROUTE4))
    with monkeypatch.context() as unprivileged:
        unprivileged.setattr(pins.Pins, "remove", pins.Pins.close)
        first.close(leave_running=False)
    assert list(bpf_file_system.glob("callveil-*/routes"))
    with kernel_path(_SERVERS) as second:
        assert second.adopted == 0
        assert not crosses(tap, ROUTE4)


def test_what_dead_relays_left_is_removed(
    namespace: Namespace, tap: Tap, bpf_file_system: Path
) -> None:
    """Listen addresses that no daemon comes back to, or a directory its user could not remove."""
    ended_ns = time.monotonic_ns()
    for port, later_ns in ((1001, 0), (1002, 5_000_000_000)):
        left = open_kernel_path([End(SERVER4.host, port)], clock_ns=lambda: ended_ns)
        left.renew(ended_ns + later_ns)
        left.close(leave_running=True)
    (bpf_file_system / "callveil-empty").mkdir()
    (bpf_file_system / "somebody-else").mkdir()
    before = remains(tap, bpf_file_system)
    # The next one comes later, not these earlier: what is before the machine's start is no time.
    now_ns = ended_ns + LEASE_S * 1_000_000_000 + DEAD_NS
    path = open_kernel_path(_SERVERS, clock_ns=lambda: now_ns)
    try:
        after = remains(tap, bpf_file_system)
        assert (len(before[0]), len(before[1])) == (2, 2)
        assert len(before[0] & after[0]) == len(before[1] & after[1]) == 1
        assert (len(after[0]), len(after[1])) == (2, 2)
        assert not (bpf_file_system / "callveil-empty").exists()
        assert (bpf_file_system / "somebody-else").exists()
    finally:
        path.close(leave_running=False)
        namespace.run(["tc", "qdisc", "del", "dev", tap.name, "clsact"])


def remains(tap: Tap, file_system: Path) -> tuple[set[int], set[Path]]:
    """The filters at the interface, and the relays that have pins."""
    with closing(Netlink()) as netlink:
        filters = netlink.filters(socket.if_nametoindex(tap.name), program.PRIORITY)
    return set(filters), set(file_system.glob("callveil-*/config"))


def test_pins_of_other_maps_by_that_name_are_replaced(
    namespace: Namespace, tap: Tap, bpf_file_system: Path
) -> None:
    leave_behind(_SERVERS)
    namespace.run(["tc", "qdisc", "del", "dev", tap.name, "clsact"])
    (directory,) = bpf_file_system.glob("callveil-*")
    (directory / "routes").unlink()
    with kernel_path(_SERVERS) as second:
        assert second.adopted == 0
        assert (directory / "routes").exists()
