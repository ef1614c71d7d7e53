"""What happens to a call in ports mode: its parties move, talk too much, hang up. On both paths."""

import socket

import pytest

from tests.kit.daemon import Config
from tests.kit.frames import End, packet
from tests.kit.polling import wait_until
from tests.lab.relay import Relay
from tests.lab.topology import RELAY, Lab
from tests.network.phones import (
    CONFIG,
    RTP,
    Phone,
    assert_path,
    meet,
    phones,
    placed,
)

__all__ = ["CONFIG"]

_KIB = bytes(1024 - len(RTP))


def test_a_party_whose_nat_gives_it_another_address_is_followed_by_its_checks(
    lab: Lab, relay: Relay
) -> None:
    with phones(lab, relay, ice=True) as (call, caller, callee):
        meet(caller, callee)
        with caller.move() as old:
            with relay.dropping("unknown_source"):
                caller.say(b"from elsewhere, before a check")
            callee.say(b"to where it was")
            assert caller.hear(old) == (b"to where it was", caller.at)
            caller.check()
            meet(caller, callee, b"from elsewhere")
        assert_path(relay, call)


def test_an_ice_restart_ends_what_was_learned_before_it(lab: Lab, relay: Relay) -> None:
    with phones(lab, relay, ice=True) as (call, caller, callee):
        meet(caller, callee)
        with caller.move() as old:
            _restart(relay, call, caller)
            old.sendto(RTP + b"meanwhile", caller.at)
            assert callee.hear() == (b"meanwhile", callee.at)
            caller.check()
            with relay.dropping("unknown_source"):
                old.sendto(RTP + b"from before", caller.at)
            meet(caller, callee, b"from now on")
        assert_path(relay, call)


def _restart(relay: Relay, call: Config, phone: Phone) -> None:
    """The party's description has other ICE credentials than before."""
    phone.ufrag += "again"
    body = {"party": "caller", "ice": phone.ice}
    answer = relay.ask("POST", f"/v1/calls/{call['id']}/endpoint", body)
    assert answer.status == 200
    assert answer.body["endpoint"]["ice"] != phone.endpoint["ice"]
    phone.endpoint = answer.body["endpoint"]


def test_checks_open_no_gate(lab: Lab, relay: Relay) -> None:
    with phones(lab, relay, ice=True, ring=True) as (call, caller, callee):
        with relay.dropping("ringing", count=2):
            for phone in (caller, callee):
                phone.check()
                phone.say(b"still too early")
        assert [party["packets"] for party in relay.statistics(call).values()] == [0, 0]
        relay.accept_call(call)
        meet(caller, callee)
        assert_path(relay, call)


@pytest.mark.parametrize("ice", [False, True], ids=["declared", "ice"])
def test_who_has_hung_up_is_not_reached_by_the_ports_of_that_call(
    lab: Lab, relay: Relay, ice: bool
) -> None:
    with phones(lab, relay, ice=ice) as (call, caller, callee):
        meet(caller, callee)
        assert_path(relay, call)
        relay.end_call(call)
        for phone in (caller, callee):
            phone.say(b"too late")
        # What had crossed would be heard before what the same two say in another call.
        with placed(relay, caller, callee) as another:
            meet(caller, callee)
            assert_path(relay, another)


def test_a_leg_over_its_cap_loses_packets_and_the_other_none(lab: Lab, relay: Relay) -> None:
    with phones(lab, relay, max_bitrate_bps=64_000) as (call, caller, callee):
        assert_path(relay, call)
        before = _drops_by_path(relay, "over_bitrate")

        def talk() -> bool:
            caller.say(_KIB)
            return bool(relay.statistics(call)["caller"]["dropped"] > 5)

        wait_until(talk, "packets over the cap are dropped")
        callee.say(b"heard")
        assert caller.hear() == (b"heard", caller.at)
        after = _drops_by_path(relay, "over_bitrate")
        assert after[relay.path] > before[relay.path]
        del before[relay.path], after[relay.path]
        assert after == before


def _drops_by_path(relay: Relay, reason: str) -> dict[str, float]:
    metrics = relay.metrics()
    name = 'callveil_drops_total{{path="{}",reason="{}"}}'
    return {path: metrics[name.format(path, reason)] for path in ("user", "kernel")}


def test_the_kernel_counts_what_it_forwards(lab: Lab, relay: Relay) -> None:
    name = f'callveil_packets_total{{path="{relay.path}"}}'
    with phones(lab, relay) as (call, caller, callee):
        before = relay.metrics()[name]
        for _ in range(10):
            meet(caller, callee)
        assert relay.metrics()[name] == before + 20
        counted = relay.statistics(call).values()
        assert [(party["packets"], party["bytes"]) for party in counted] == [(10, 170)] * 2
        assert relay.metrics()[f'callveil_routes{{path="{relay.path}"}}'] == 2
    assert relay.metrics()[f'callveil_routes{{path="{relay.path}"}}'] == 0


def test_a_packet_that_claims_to_come_from_a_relayed_port_goes_nowhere(
    lab: Lab, relay: Relay
) -> None:
    with (
        phones(lab, relay) as (_, caller, callee),
        lab.sink.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as forger,
    ):
        dropped = _drops_by_path(relay, "own_source")
        for one, other in ((caller, callee), (callee, caller)):
            spoofed = packet(End(*one.at), End(*other.at), RTP + b"spoofed")
            forger.sendto(spoofed, (RELAY.v4, 0))
        if relay.path == "kernel":  # to the other path's socket the stack gives no such packet
            dropped["kernel"] += 2
        wait_until(lambda: _drops_by_path(relay, "own_source") == dropped, "both have come")
        meet(caller, callee)
