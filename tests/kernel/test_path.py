"""`FastPath` as the daemon uses it: effects in, counts out."""

import errno
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from relay.address import Transport
from relay.effects import DropLeg, DropRoute, LegKey, SetLeg
from relay.errors import DropReason, FastPathError
from relay.forward.kernel import FastPath, libbpf, program
from tests.kernel.cases import (
    B4,
    B6,
    PAYLOAD,
    ROUTE4,
    ROUTE6,
    ROUTES,
    SERVER4,
    SERVER6,
    relayed,
    sent,
)
from tests.kernel.paths import LEG, kernel_path, open_kernel_path, set_route
from tests.kernel.tap import Tap
from tests.kit.frames import End
from tests.kit.namespaces import Namespace

_SERVERS = [SERVER4, SERVER6]


def crosses(tap: Tap) -> bool:
    """Whether A's media reaches B."""
    tap.send(sent(ROUTE4, PAYLOAD))
    return bool(tap.received(B4))


def follow_all(path: FastPath) -> None:
    while path.follow():
        pass


def test_route_forwards_until_it_is_dropped(tap: Tap, path: FastPath) -> None:
    assert not crosses(tap)
    effect = set_route(ROUTE4)
    assert path.set_route(effect)
    assert crosses(tap)
    assert path.has_route(LEG)
    assert path.routes == 1
    path.drop_route(DropRoute(effect.source, effect.channel))
    assert not crosses(tap)
    assert not path.has_route(LEG)
    assert path.routes == 0


def test_route_ends_with_its_expiry(tap: Tap, path: FastPath) -> None:
    assert path.set_route(set_route(ROUTE4, lives_ns=-1))
    assert not crosses(tap)
    assert path.set_route(set_route(ROUTE4))
    assert crosses(tap)


def test_route_can_be_pointed_elsewhere(tap: Tap, path: FastPath) -> None:
    path.set_route(set_route(ROUTE4))
    path.set_route(set_route(ROUTES["v4-v6"]))
    tap.send(sent(ROUTE4, PAYLOAD))
    assert tap.received(B4, B6) == [relayed(ROUTES["v4-v6"], PAYLOAD)]
    assert path.routes == 1


@pytest.mark.parametrize("end", ["source", "target"])
@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])
def test_route_that_moves_to_a_stream_leaves_the_kernel(
    tap: Tap, path: FastPath, end: str, transport: Transport
) -> None:
    effect = set_route(ROUTE4)
    assert path.set_route(effect)
    moved = getattr(effect, end)._replace(transport=transport)
    assert not path.set_route(replace(effect, **{end: moved}))
    assert crosses(tap) == (end == "source")  # a TCP client's route is not the UDP client's


def test_lease_that_is_not_renewed_ends_everything(tap: Tap, path: FastPath) -> None:
    path.set_route(set_route(ROUTE4))
    path.renew(time.monotonic_ns() - 31_000_000_000)
    assert not crosses(tap)
    path.renew(time.monotonic_ns())
    assert crosses(tap)


def test_leg_has_counts_from_its_first_effect_to_its_last(tap: Tap, path: FastPath) -> None:
    assert path.leg(LegKey("no", "leg")) is None
    path.set_route(set_route(ROUTE4))
    assert crosses(tap)
    assert path.leg(LEG) == (1, len(PAYLOAD), 0)
    path.drop_leg(DropLeg(LEG))
    assert path.leg(LEG) is None
    assert not crosses(tap)
    assert path.routes == 0


def test_route_of_an_unknown_leg_is_not_taken(path: FastPath) -> None:
    assert not path.set_route(set_route(ROUTE4, LegKey("no", "leg")))
    assert path.routes == 0


def test_leg_over_its_cap_is_counted(tap: Tap, path: FastPath) -> None:
    path.set_leg(SetLeg(LEG, 8_000_000_000, 1))
    path.set_route(set_route(ROUTE4))
    assert not crosses(tap)  # one packet per second: half a second of burst is less than one
    counts = path.leg(LEG)
    assert counts
    assert counts.dropped == 1


def test_client_on_a_link_local_address_is_left_to_the_user_path(path: FastPath) -> None:
    nearby = End("fe80::7", 40001)
    assert not path.set_route(set_route(replace(ROUTE6, source=nearby)))
    assert not path.set_route(set_route(replace(ROUTE6, target=nearby)))


def test_relays_own_address_is_no_client(path: FastPath) -> None:
    assert not path.set_route(set_route(replace(ROUTE4, source=SERVER4)))


def test_target_that_no_interface_leads_to_is_left_to_the_user_path(
    namespace: Namespace, path: FastPath
) -> None:
    namespace.set_up([f"route add blackhole {B4.host}"])
    try:
        assert not path.set_route(set_route(ROUTE4))
        assert path.routes == 0
    finally:
        namespace.set_up([f"route del blackhole {B4.host}"])
    follow_all(path)
    assert path.routes == 1  # it was wanted all along


def test_a_closed_path_follows_nothing(namespace: Namespace) -> None:
    """As when the loop was told to call it once more and the daemon stops meanwhile."""
    path = open_kernel_path([SERVER4])
    path.set_route(set_route(ROUTE4))
    path.close(leave_running=False)
    assert not path.follow()


def test_route_follows_the_routing_table(namespace: Namespace, tap: Tap, path: FastPath) -> None:
    path.set_route(set_route(ROUTE4))
    other = Tap(namespace, "cvf-other", [])
    try:
        other.know(B4)
        namespace.set_up([f"route add {B4.host} dev cvf-other"])
        follow_all(path)
        tap.send(sent(ROUTE4, PAYLOAD))
        assert tap.received(B4) == []
        assert other.received(B4) == [relayed(ROUTE4, PAYLOAD)]
    finally:
        other.close()
    follow_all(path)
    assert crosses(tap)


def test_interface_that_gets_the_listen_address_is_filtered(
    namespace: Namespace, tap: Tap, other: Tap
) -> None:
    with kernel_path([SERVER4]) as path:
        path.set_route(set_route(ROUTE4))
        other.send(sent(ROUTE4, PAYLOAD))
        assert tap.received(B4) == []
        namespace.set_up(
            [
                "addr add 192.0.2.99/32 dev cvf-tap",  # or its routes go with the last address
                f"addr del {SERVER4.host}/32 dev cvf-tap",
                f"addr add {SERVER4.host}/32 dev cvf-other",
            ]
        )
        follow_all(path)
        other.send(sent(ROUTE4, PAYLOAD))
        assert tap.received(B4) == [relayed(ROUTE4, PAYLOAD)]
        assert not crosses(tap)  # no longer filtered


def test_routes_are_followed_even_where_a_new_interface_may_not_be_filtered(
    namespace: Namespace, tap: Tap, other: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    with kernel_path([SERVER4]) as path:
        path.set_route(set_route(ROUTE4))
        other.know(B4)
        namespace.set_up(
            [
                "addr add 192.0.2.99/32 dev cvf-tap",
                f"addr del {SERVER4.host}/32 dev cvf-tap",
                f"addr add {SERVER4.host}/32 dev cvf-other",
                f"route add {B4.host} dev cvf-other",
            ]
        )
        monkeypatch.setattr(libbpf, "attach", refuse)
        with pytest.raises(FastPathError, match="Operation not permitted"):
            follow_all(path)
        assert not path.follow()
        tap.send(sent(ROUTE4, PAYLOAD))
        assert other.received(B4) == [relayed(ROUTE4, PAYLOAD)]


def test_two_relays_on_one_interface_do_not_meet(tap: Tap) -> None:
    other_port = End(SERVER4.host, 3479)
    first = open_kernel_path([SERVER4])
    with kernel_path([other_port]) as second:
        moved = replace(ROUTE4, server=other_port, target_server=other_port)
        assert first.set_route(set_route(ROUTE4))
        assert second.set_route(set_route(moved))
        for route in (ROUTE4, moved):
            tap.send(sent(route, PAYLOAD))
            assert tap.received(B4) == [relayed(route, PAYLOAD)]
        assert (first.adopted, second.adopted) == (0, 0)
        assert (first.counters().packets, second.counters().packets) == (1, 1)
        first.close(leave_running=False)
        tap.send(sent(moved, PAYLOAD))
        assert tap.received(B4) == [relayed(moved, PAYLOAD)]
        assert not crosses(tap)


def test_interface_that_does_not_exist_is_named(namespace: Namespace) -> None:
    with pytest.raises(FastPathError, match="no interface cvf-none"):
        open_kernel_path([SERVER4], "cvf-none")


def test_only_the_interfaces_asked_for_are_filtered(tap: Tap, other: Tap) -> None:
    with kernel_path([SERVER4], "cvf-other") as path:
        path.set_route(set_route(ROUTE4))
        assert not crosses(tap)
        other.send(sent(ROUTE4, PAYLOAD))
        assert tap.received(B4) == [relayed(ROUTE4, PAYLOAD)]


def test_missing_object_says_why(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reason = tmp_path / "absent.txt"
    monkeypatch.setattr(program, "OBJECT", tmp_path / "absent.o")
    monkeypatch.setattr(program, "REASON", reason)
    with pytest.raises(FastPathError, match="install callveil again"):
        open_kernel_path([SERVER4])
    reason.write_text("not compiled: no compiler\n")
    with pytest.raises(FastPathError, match=r"^not compiled: no compiler$"):
        open_kernel_path([SERVER4])


def test_missing_library_is_named(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libbpf, "LIBRARY", "libbpf.so.none")
    monkeypatch.setattr(libbpf, "load_library", libbpf.load_library.__wrapped__)
    with pytest.raises(FastPathError, match="apt-get install libbpf1"):
        open_kernel_path([SERVER4])


def test_other_systems_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(FastPathError, match="Linux only"):
        open_kernel_path([SERVER4])


def test_object_that_is_none_is_refused(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nonsense = tmp_path / "nonsense.o"
    nonsense.write_bytes(b"not an ELF object")
    monkeypatch.setattr(program, "OBJECT", nonsense)
    with pytest.raises(FastPathError, match=r"nonsense\.o cannot be read"):
        open_kernel_path([SERVER4])


def test_counters_are_those_of_the_user_paths_tally(tap: Tap, path: FastPath) -> None:
    path.set_leg(SetLeg(LEG, 8, 1))
    path.set_route(set_route(ROUTE4))
    assert not crosses(tap)
    tap.send(sent(replace(ROUTE4, source=SERVER4), PAYLOAD))
    tally = path.counters()
    drops = {reason: count for reason, count in zip(DropReason, tally.drops, strict=True) if count}
    assert drops == {DropReason.OVER_BITRATE: 1, DropReason.OWN_SOURCE: 1}
    assert (tally.packets, tally.bytes) == (0, 0)


def test_when_the_kernel_does_not_answer_routes_are_the_user_paths(
    tap: Tap, namespace: Namespace
) -> None:
    with kernel_path(_SERVERS) as path:
        assert path.set_route(set_route(ROUTE4))
        path._interfaces._netlink.close()
        assert not path.set_route(set_route(ROUTE4))
        assert path.routes == 0
        assert not crosses(tap)
        namespace.set_up([f"addr add 192.0.2.99/32 dev {tap.name}"])
        with pytest.raises(FastPathError):
            follow_all(path)
