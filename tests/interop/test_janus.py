"""Janus, a media server on libnice, as the callee: its echo of a WebRTC client."""

from pathlib import Path

import pytest

from relay.tools.audit.search import find
from tests.interop.janus import Handle, running
from tests.kit.daemon import Config
from tests.kit.polling import wait_until
from tests.kit.requirements import require
from tests.kit.turn import credential_of
from tests.lab.party import Party
from tests.lab.relay import FOR_AIORTC, UDP_PORT, Relay
from tests.lab.topology import CALLEE, CALLER, RELAY

CONFIG = FOR_AIORTC

_NAT = """
  turn_server = "{relay}"
  turn_port = {port}
  turn_type = "udp"
  turn_user = "{username}"
  turn_pwd = "{password}"
"""


@pytest.fixture(autouse=True)
def installed() -> None:
    """Skip, or fail under CI, where Janus is not."""
    require({"janus": "janus"})


def _nat(call: Config) -> str:
    """Where it is told to allocate."""
    username, password = credential_of(call, "callee")
    return _NAT.format(relay=RELAY.v4, port=UDP_PORT, username=username, password=password)


@pytest.mark.parametrize("relay", ["user", "kernel"], indirect=True)
def test_its_echo_comes_through_the_relay_and_it_learns_no_address(
    relay: Relay, tmp_path: Path
) -> None:
    call = relay.create_call()

    with running(relay, _nat(call), tmp_path):
        janus = Handle(relay)
        caller = Party(relay.lab, relay.lab.caller)
        try:
            caller.ask("open", configuration=call["parties"]["caller"]["rtc_configuration"])
            offer = relay.rebuild(call, "caller", caller.ask("offer")["sdp"])["sdp"]
            answer = relay.rebuild(call, "callee", janus.answer(offer))["sdp"]
            assert "a=candidate" in answer
            caller.ask("take_answer", sdp=answer)
            wait_until(lambda: caller.has_seen(audio=50, video=50), "the echo is seen")
        finally:
            caller.end()
    assert find([offer.encode(), answer.encode()], *CALLER.addresses, *CALLEE.addresses) == []
