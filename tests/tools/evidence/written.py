"""What the relay itself writes, searched for addresses: logs, metrics, answers, and its crashes."""

import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from relay.tools.audit.search import find
from tests.kit.polling import wait_until
from tests.lab import topology
from tests.lab.relay import UDP_PORT, Relay
from tests.lab.topology import RELAY, Lab
from tests.tools.evidence import faulty
from tests.tools.evidence.scenarios import Scenario

_ADDRESSES = (*topology.CALLER.addresses, *topology.CALLEE.addresses)
_WRONG_BODIES = (
    {"parties": [{"id": topology.CALLER.public.v4}]},
    {"parties": [{"id": "a", topology.CALLER.public.v6: 1}, {"id": "b"}]},
    topology.CALLEE.public.v4,
)


class Written(NamedTuple):
    """One kind of output: so many pieces of it, with so many addresses in them."""

    what: str
    pieces: int
    addresses: int


def search(what: str, pieces: Sequence[bytes]) -> Written:
    """Look for every address of both parties."""
    return Written(what, len(pieces), len(find(pieces, *_ADDRESSES)))


def of_calls(calls: Sequence[tuple[Scenario, Relay]]) -> list[Written]:
    """What the relays of the calls wrote: log lines at debug level, and answers with metrics.

    The rebuilt description of a party that is not masked is an answer too: the addresses in it are
    its own to tell, the other's are not.
    """
    lines = [line for _, relay in calls for line in relay.log.read_bytes().splitlines()]
    told = [body for scenario, relay in calls if scenario.is_half for body in relay.bodies]
    bodies = [body for scenario, relay in calls if not scenario.is_half for body in relay.bodies]
    answers = search("HTTP answers and metrics", bodies)
    of_caller = len(find(told, *topology.CALLER.addresses))
    return [
        search("log at debug level, lines", lines),
        Written(answers.what, answers.pieces + len(told), answers.addresses + of_caller),
    ]


def of_crashes(lab: Lab, directory: Path) -> list[Written]:
    """A daemon with faults in it: exceptions that hold addresses, then SIGABRT."""
    directory.mkdir(parents=True, exist_ok=True)
    program = (sys.executable, "-X", "faulthandler", str(Path(faulty.__file__)))
    relay = Relay(lab, directory, program=program)
    with lab.caller.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(faulty.FAULT, (RELAY.v4, UDP_PORT))
    wait_until(lambda: "receive_failed" in relay.log_text(), "the fault is logged")
    faulty_id = f"{faulty.FAULTY_PARTY} {topology.CALLER.public.v4}"
    answer = relay.ask("POST", "/v1/calls", {"parties": [{"id": faulty_id}, {"id": "b"}]})
    assert answer.status == 500, answer
    for body in _WRONG_BODIES:
        assert relay.ask("POST", "/v1/calls", body).status == 422
    assert relay.ask("GET", f"/v1/calls/{topology.CALLER.public.v4}").status == 404
    relay.metrics()
    before = len(relay.log.read_bytes().splitlines())
    relay.stop(signal.SIGABRT)
    lines = relay.log.read_bytes().splitlines()
    assert any(b"Traceback" in line or b"RuntimeError" in line for line in lines[:before])
    assert b"Fatal Python error: Aborted" in lines[before:]
    return [
        search("log of exceptions with addresses in them, lines", lines[:before]),
        search("output of a crash by SIGABRT, lines", lines[before:]),
        search("HTTP answers to faults and wrong requests", relay.bodies),
    ]
