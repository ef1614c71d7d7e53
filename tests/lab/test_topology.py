"""The laboratory is what its map says, and leaves nothing behind."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.kit import namespaces
from tests.kit.namespaces import Namespace
from tests.kit.polling import PATIENCE_S
from tests.kit.requirements import require
from tests.lab.topology import CALLEE, CALLER, RELAY, SINK, Lab


def _send(source: Namespace, target: Namespace, address: str) -> tuple[str, int]:
    """Send one datagram and return where the target saw it come from."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with (
        source.socket(family, socket.SOCK_DGRAM) as sender,
        target.socket(family, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.settimeout(PATIENCE_S)
        receiver.bind(("", 0))
        sender.sendto(b"hello", (address, receiver.getsockname()[1]))
        data, origin = receiver.recvfrom(100)
    assert data == b"hello"
    return str(origin[0]), int(origin[1])


def test_the_relay_sees_each_party_at_the_public_address_of_its_nat(lab: Lab) -> None:
    for host, party in ((lab.caller, CALLER), (lab.callee, CALLEE)):
        for to, public in zip(RELAY, party.public, strict=True):
            assert _send(host, lab.relay, to)[0] == public


@pytest.mark.parametrize(
    "address", [*SINK, "8.8.8.8", "169.254.169.254", "2620:fe::fe", "10.1.2.3"]
)
def test_the_sink_owns_every_address_that_nobody_else_has(lab: Lab, address: str) -> None:
    expected = RELAY.v6 if ":" in address else RELAY.v4
    assert _send(lab.relay, lab.sink, address)[0] == expected


def test_only_the_relay_keeps_the_parties_apart(lab: Lab) -> None:
    assert _send(lab.caller, lab.callee_nat, CALLEE.public.v4)[0] == CALLER.public.v4
    assert _send(lab.caller, lab.callee_nat, CALLEE.public.v6)[0] == CALLER.public.v6


def test_a_thread_comes_back_from_a_namespace_even_after_an_exception(lab: Lab) -> None:
    before = Path("/proc/thread-self/ns/net").readlink()
    inside = []
    with suppress(KeyError), lab.sink.entered():
        inside.append(Path("/proc/thread-self/ns/net").readlink())
        raise KeyError
    assert inside != [before]
    assert Path("/proc/thread-self/ns/net").readlink() == before


def test_closing_removes_every_namespace_and_process() -> None:
    require()
    with Lab() as made:
        process = made.popen(made.sink, ["sleep", "600"])
        names = [namespace.name for namespace in made.all]
        assert all(Path("/run/netns", name).exists() for name in names)
    assert process.returncode is not None
    assert not any(Path("/run/netns", name).exists() for name in names)


def test_tests_have_a_host_of_their_own_where_the_laboratory_can_be_built(lab: Lab) -> None:
    """Loopback of both families, and not a port or a filter of anybody else."""
    run = subprocess.run(["ip", "-brief", "addr"], capture_output=True, text=True, check=True)
    (interface,) = run.stdout.splitlines()
    assert interface.split() == ["lo", "UNKNOWN", "127.0.0.1/8", "::1/128"]


def test_only_leftovers_of_a_dead_owner_are_swept(lab: Lab) -> None:
    code = "import os; from tests.kit import namespaces as n; print(n.own_name(0, 'sink'))"
    dead = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    reused = f"{namespaces.PREFIX}-{os.getpid()}-1-0-sink"
    foreign = f"{namespaces.PREFIX}x-{os.getpid()}-1-0-sink"
    made = namespaces.make([dead, reused, foreign])
    try:
        leftovers = namespaces.leftovers()
        assert {dead, reused} <= set(leftovers)
        assert foreign not in leftovers
        assert not {namespace.name for namespace in lab.all} & set(leftovers)
        with Lab():
            assert not Path("/run/netns", dead).exists()
            assert Path("/run/netns", foreign).exists()
    finally:
        namespaces.remove([namespace.name for namespace in made])
