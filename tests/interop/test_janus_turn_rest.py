"""Janus asks for its credentials itself, over TURN REST: what it calls a handle names the call."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from relay.address import PeerAddress
from relay.tools.audit.search import find
from tests.interop.janus import Handle, running
from tests.kit.api import TOKEN
from tests.kit.polling import wait_until
from tests.kit.requirements import require
from tests.kit.turn import Credential
from tests.lab.calls import UDP, connect
from tests.lab.party import Party
from tests.lab.relay import FOR_AIORTC, Relay
from tests.lab.topology import CALLER, RELAY

CONFIG = {**FOR_AIORTC, "api": {"listen": "0.0.0.0:8080"}}  # Janus is on another host

_NAT = f"""
  turn_rest_api = "http://{RELAY.v4}:8080/turn"
  turn_rest_api_key = "{TOKEN}"
"""


@pytest.fixture(autouse=True)
def installed() -> None:
    """Skip, or fail under CI, where Janus is not."""
    require({"janus": "janus"})


def _credential(relay: Relay, identifier: str) -> dict[str, object]:
    """What a client of the service gets that attaches handles to Janus."""
    path = "/v1/turn/keys/any/credentials/generate-ice-servers"
    answer = relay.ask("POST", path, {"customIdentifier": identifier})
    assert answer.status == 201, answer
    configuration: dict[str, object] = answer.body
    return configuration


@contextmanager
def _caller(relay: Relay, configuration: dict[str, object]) -> Iterator[Party]:
    caller = Party(relay.lab, relay.lab.caller)
    try:
        caller.ask("open", configuration=configuration)
        yield caller
    finally:
        caller.end()


def _relayed(sdp: str) -> set[PeerAddress]:
    """Where a description says that its writer is reached on the relay."""
    lines = [line.split() for line in sdp.splitlines() if "a=candidate" in line]
    return {PeerAddress.parse(line[4], int(line[5])) for line in lines if line[7] == "relay"}


def test_two_calls_at_one_janus_have_their_echoes_and_do_not_meet(
    relay: Relay, tmp_path: Path
) -> None:
    names = ("weekly-meeting", "board-meeting")
    with (
        running(relay, _NAT, tmp_path),
        _caller(relay, _credential(relay, names[0])) as one,
        _caller(relay, _credential(relay, names[1])) as other,
    ):
        answers, offers = [], []
        for caller, name in zip((one, other), names, strict=True):
            offers.append(caller.ask("offer")["sdp"])
            answers.append(Handle(relay, f"{name}:echo").answer(offers[-1]))
            caller.ask("take_answer", sdp=answers[-1])
            wait_until(lambda: caller.has_seen(audio=50, video=50), "the echo is seen")  # noqa: B023
        calls = relay.ask("GET", "/v1/calls").body["calls"]
        assert [len(call["parties"]) for call in calls] == [2, 2]
        assert find([offer.encode() for offer in offers], *CALLER.addresses) == []
        held = [_relayed(offer + answer) for offer, answer in zip(offers, answers, strict=True)]
        assert all(held)
        for name, others, own in ((names[0], held[1], held[0]), (names[1], held[0], held[1])):
            _check_is_shut_out(relay, name, others - own)


def _check_is_shut_out(relay: Relay, identifier: str, peers: set[PeerAddress]) -> None:
    """One who is in another call may name none of these."""
    servers = _credential(relay, identifier)["iceServers"]
    assert isinstance(servers, list)
    credential = Credential(servers[1]["username"], servers[1]["credential"])
    with connect(relay, relay.lab.caller, UDP, credential) as client:
        assert client.allocate().code == 0
        for peer in peers:
            assert client.bind(0x4001, peer) == 403
            assert client.permit(peer) == 403


def test_a_handle_without_a_name_for_a_call_gets_no_credential(
    relay: Relay, tmp_path: Path
) -> None:
    with (
        running(relay, _NAT, tmp_path),
        _caller(relay, _credential(relay, "weekly-meeting")) as caller,
    ):
        offer = caller.ask("offer")["sdp"]
        for opaque_id in ("", "echo"):
            answer = Handle(relay, opaque_id).answer(offer)
            assert _relayed(answer) == set()
    assert "missing username" in (tmp_path / "log").read_text()
