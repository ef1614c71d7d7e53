"""A call in ports mode whose daemon dies: the kernel goes on, and the next daemon lets it."""

from tests.lab.relay import Relay
from tests.lab.topology import Lab
from tests.network.phones import CONFIG, meet, phones

__all__ = ["CONFIG"]

PATHS = ("kernel",)


def test_two_phones_talk_on_while_the_daemon_is_killed_and_started_again(
    lab: Lab, relay: Relay
) -> None:
    with phones(lab, relay) as (call, caller, callee):
        meet(caller, callee)
        relay.stop()
        for number in range(20):
            meet(caller, callee, b"%d" % number)
        relay.start()
        assert relay.metrics()["callveil_restarts_adopted_total"] == 1
        assert relay.ask("GET", f"/v1/calls/{call['id']}").status == 404
        for number in range(20):
            meet(caller, callee, b"%d" % number)
        before = relay.metrics()['callveil_packets_total{path="kernel"}']
        meet(caller, callee)
        assert relay.metrics()['callveil_packets_total{path="kernel"}'] == before + 2
