"""Clients that hear of candidates in descriptions alone: the API's answers connect them.

The offer goes with the invitation, and the relay takes its candidates out until the call is
accepted; `descriptions` of the answer to accept has them again.
"""

import pytest

from relay.tools.audit.search import find
from tests.kit.daemon import Config
from tests.kit.polling import wait_until
from tests.lab.party import Party, parties
from tests.lab.relay import Relay
from tests.lab.topology import CALLEE, CALLER, RELAY, Lab

# aiortc refuses a TURN URI with an IPv6 address as malformed; it is given what it can read.
CONFIG: Config = {
    "listen": [f"udp://{RELAY.v4}:3478", f"tcp://{RELAY.v4}:3478"],
    "relay": {"addresses": [RELAY.v4]},
}

_FRAMES = 100


def _rebuilt(relay: Relay, call: Config, party: str, sdp: str) -> Config:
    answer = relay.ask("POST", f"/v1/calls/{call['id']}/description", {"from": party, "sdp": sdp})
    assert answer.status == 200
    body: Config = answer.body
    return body


@pytest.mark.parametrize("is_late", [False, True], ids=["answer-after", "offer-after"])
def test_they_connect_by_what_accept_answers_and_no_candidate_is_added(
    lab: Lab, relay: Relay, is_late: bool
) -> None:
    call = relay.create_call(ring=True)
    path = f"/v1/calls/{call['id']}/accept"
    with parties(lab) as (caller, callee):
        for party, name in ((caller, "caller"), (callee, "callee")):
            party.ask("open", configuration=call["parties"][name]["rtc_configuration"])
        written = caller.ask("offer")["sdp"]
        if is_late:  # the offer is passed on once the call is accepted
            assert relay.ask("POST", path).body["descriptions"] == {}
            offer = _rebuilt(relay, call, "caller", written)["sdp"]
        else:
            invitation = _rebuilt(relay, call, "caller", written)
            assert invitation["held"] > 0
            assert "a=candidate" not in invitation["sdp"]
            offer = relay.ask("POST", path).body["descriptions"]["caller"]
        answer = _rebuilt(relay, call, "callee", callee.ask("answer", sdp=offer)["sdp"])["sdp"]
        caller.ask("take_answer", sdp=answer)
        wait_until(lambda: _see_each_other(caller, callee), "pictures arrive both ways", 60)
    assert find([offer.encode(), answer.encode()], *CALLER.addresses, *CALLEE.addresses) == []


def _see_each_other(*everybody: Party) -> bool:
    return all(party.has_seen(audio=_FRAMES, video=_FRAMES) for party in everybody)
