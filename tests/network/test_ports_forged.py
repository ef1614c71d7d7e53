"""Somebody who knows a party's ICE credentials names another host as the source of its checks.

The relay asks that host, which does not answer; it is sent nothing else, on either path.
"""

import socket
from contextlib import closing
from pathlib import Path

from relay.stun.message import Class
from relay.tools.audit.packets import Packet
from tests.kit import wire
from tests.kit.frames import End, packet
from tests.kit.polling import wait_until
from tests.lab.capture import capturing
from tests.lab.relay import Relay
from tests.lab.topology import CALLEE, CALLER, RELAY, Lab
from tests.network.phones import CONFIG, NAMES, Phone, assert_path, create, meet, phones

__all__ = ["CONFIG"]

_VICTIM = End("198.19.7.9", 161)  # the sink's, as every address that nobody else has
_CHECKS = 200
_MAY_BE_ASKED, _MAY_BE_ANSWERED = 3, 8


def _forge(lab: Lab, relay: Relay, phone: Phone) -> None:
    """Right checks of this party, with a nomination, that seem to come from the victim."""
    before = _refused(relay)
    with lab.sink.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as forger:
        for _ in range(_CHECKS):
            forged = packet(_VICTIM, End(*phone.at), phone.right_check())
            forger.sendto(forged, (RELAY.v4, 0))
    wait_until(
        lambda: _refused(relay) == before + _CHECKS - _MAY_BE_ANSWERED,
        "the relay has seen them all, and goes on asking",
    )


def _refused(relay: Relay) -> int:
    """Checks that were not answered: for want of consent, or of so many too many were."""
    return relay.drops("no_consent") + relay.drops("request_rate")


def _told(packets: list[Packet]) -> list[wire.Stun]:
    """What the victim was sent: STUN and nothing else."""
    return [wire.parse(p.payload) for p in packets if p.destination == _VICTIM.host and p.payload]


def test_a_forged_source_is_asked_and_never_sent_the_call(
    lab: Lab, relay: Relay, tmp_path: Path
) -> None:
    with (
        capturing(lab, tmp_path, ["sink"]) as captures,
        phones(lab, relay, ice=True) as (call, caller, callee),
    ):
        meet(caller, callee)
        _forge(lab, relay, caller)
        for number in range(50):
            meet(caller, callee, b"%d" % number)
        wait_until(
            lambda: _requests(captures["sink"].packets()) == _MAY_BE_ASKED, "it has been asked"
        )
        meet(caller, callee, b"still there")
        assert_path(relay, call)
        told = _told(captures["sink"].stop())
    assert len(told) == _MAY_BE_ASKED + _MAY_BE_ANSWERED


def test_a_forged_source_is_no_partys_even_where_none_has_been_heard_from(
    lab: Lab, relay: Relay, tmp_path: Path
) -> None:
    caller = Phone(lab.caller, CALLER.public.v4, "caller")
    callee = Phone(lab.callee, CALLEE.public.v4, "callee")
    with closing(caller.sock), closing(callee.sock), capturing(lab, tmp_path, ["sink"]) as captures:
        call = create(relay, caller.access, callee.access, ring=False)
        for name, phone in zip(NAMES, (caller, callee), strict=True):
            phone.endpoint = call["parties"][name]["endpoint"]
        callee.check()
        _forge(lab, relay, caller)
        assert [party["connected"] for party in relay.statistics(call).values()] == [False, True]
        with relay.dropping("unknown_target", count=50):
            for _ in range(50):
                callee.say(b"to whom?")
        told = _told(captures["sink"].stop())
        assert _MAY_BE_ANSWERED < len(told) <= _MAY_BE_ASKED + _MAY_BE_ANSWERED
        caller.check()
        meet(caller, callee)
        assert_path(relay, call)
        relay.end_call(call)


def _requests(packets: list[Packet]) -> int:
    return sum(each.cls == Class.REQUEST for each in _told(packets))
