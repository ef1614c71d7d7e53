"""Clients that hear of candidates in descriptions alone: the API's answers connect them.

The offer goes with the invitation, and the relay takes its candidates out until the call is
accepted; `descriptions` of the answer to accept has them again.
"""

import pytest

from relay.tools.audit.search import find
from tests.kit.polling import wait_until
from tests.lab.party import have_seen, open_with, parties
from tests.lab.relay import FOR_AIORTC, Relay
from tests.lab.topology import CALLEE, CALLER, Lab

CONFIG = FOR_AIORTC

_FRAMES = 100


@pytest.mark.parametrize("is_late", [False, True], ids=["answer-after", "offer-after"])
def test_they_connect_by_what_accept_answers_and_no_candidate_is_added(
    lab: Lab, relay: Relay, is_late: bool
) -> None:
    call = relay.create_call(ring=True)
    with parties(lab) as (caller, callee):
        open_with(call, caller, callee)
        written = caller.ask("offer")["sdp"]
        if is_late:  # the offer is passed on once the call is accepted
            assert relay.accept_call(call)["descriptions"] == {}
            offer = relay.rebuild(call, "caller", written)["sdp"]
        else:
            invitation = relay.rebuild(call, "caller", written)
            assert invitation["held"] > 0
            assert "a=candidate" not in invitation["sdp"]
            offer = relay.accept_call(call)["descriptions"]["caller"]
        answer = relay.rebuild(call, "callee", callee.ask("answer", sdp=offer)["sdp"])["sdp"]
        caller.ask("take_answer", sdp=answer)
        enough = {"audio": _FRAMES, "video": _FRAMES}
        wait_until(lambda: have_seen(caller, callee, **enough), "pictures arrive both ways", 60)
    assert find([offer.encode(), answer.encode()], *CALLER.addresses, *CALLEE.addresses) == []
