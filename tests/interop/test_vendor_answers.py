"""A call of two aiortc clients over nothing but answers in Cloudflare's shape."""

from tests.kit.api import Json
from tests.kit.polling import wait_until
from tests.lab.party import have_seen, parties
from tests.lab.relay import FOR_AIORTC, Relay

CONFIG = FOR_AIORTC

_PATH = "/v1/turn/keys/any/credentials"


def _answer(relay: Relay, path: str = "generate-ice-servers") -> Json:
    """What the service that a client belongs to is answered, and passes on as it is."""
    asked = {"ttl": 600, "customIdentifier": "weekly-meeting"}
    answer = relay.ask("POST", f"{_PATH}/{path}", asked)
    assert answer.status == 201, answer
    assert isinstance(answer.body, dict)
    return answer.body


def test_two_who_are_asked_for_with_one_identifier_see_each_other(relay: Relay) -> None:
    older = _answer(relay, "generate")
    older["iceServers"] = [older["iceServers"]]
    with parties(relay.lab) as (caller, callee):
        caller.ask("open", configuration=_answer(relay))
        callee.ask("open", configuration=older)
        offer = caller.ask("offer")["sdp"]
        answer = callee.ask("answer", sdp=offer)["sdp"]
        caller.ask("take_answer", sdp=answer)
        wait_until(lambda: have_seen(caller, callee, audio=50, video=50), "both are seen")
        (call,) = relay.ask("GET", "/v1/calls").body["calls"]
        assert len(call["parties"]) == 2
        assert all(party["packets"] for party in call["parties"].values())
        for sdp in (offer, answer):
            kinds = {line.split()[7] for line in sdp.splitlines() if "a=candidate" in line}
            assert kinds == {"relay"}
