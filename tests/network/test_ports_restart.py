"""A call in ports mode whose daemon ends: the kernel goes on, and the next daemon lets it."""

import signal
from collections.abc import Callable

import pytest

from tests.kit.polling import wait_until
from tests.lab.relay import Relay
from tests.lab.topology import UPLINK, Lab
from tests.network.phones import CONFIG, Phone, meet, phones

__all__ = ["CONFIG"]

PATHS = ("kernel",)


def _kill(relay: Relay) -> None:
    relay.stop(signal.SIGKILL)


def _stop_at_once(relay: Relay) -> None:
    """Tell it to drain, and then not to wait for the calls."""
    relay.signal(signal.SIGTERM)
    wait_until(lambda: "draining" in relay.log_text(), "it drains")
    relay.stop(signal.SIGTERM)
    _assert_stopped_well(relay)


def _assert_stopped_well(relay: Relay) -> None:
    assert "stopped" in relay.log_text()
    assert "Traceback" not in relay.log_text()


@pytest.mark.parametrize("end", [_kill, _stop_at_once])
def test_two_phones_talk_on_while_the_daemon_is_ended_and_started_again(
    lab: Lab, relay: Relay, end: Callable[[Relay], None]
) -> None:
    with phones(lab, relay) as (call, caller, callee):
        meet(caller, callee)
        end(relay)
        _talk(caller, callee)
        relay.start()
        assert relay.metrics()["callveil_restarts_adopted_total"] == 1
        assert relay.ask("GET", f"/v1/calls/{call['id']}").status == 404
        before = relay.metrics()[_FORWARDED]
        _talk(caller, callee)
        assert relay.metrics()[_FORWARDED] == before + 40


_FORWARDED = 'callveil_packets_total{path="kernel"}'


def _talk(caller: Phone, callee: Phone) -> None:
    for number in range(20):
        meet(caller, callee, b"%d" % number)


def test_a_daemon_that_is_interrupted_leaves_nothing_of_its_calls(lab: Lab, relay: Relay) -> None:
    with phones(lab, relay) as (_, caller, callee):
        meet(caller, callee)
        show = ["tc", "filter", "show", "dev", UPLINK, "ingress"]
        assert "bpf" in lab.relay.run(show).stdout
        relay.stop(signal.SIGINT)
        _assert_stopped_well(relay)
        assert "bpf" not in lab.relay.run(show).stdout
        relay.start()
        assert relay.metrics()["callveil_restarts_adopted_total"] == 0
