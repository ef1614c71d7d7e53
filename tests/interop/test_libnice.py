"""libnice, the ICE and TURN of GStreamer and Janus: masked, though it may use every candidate."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from relay.tools.audit.search import find
from tests.kit.daemon import Config
from tests.kit.namespaces import Namespace
from tests.kit.polling import wait_until
from tests.kit.requirements import require
from tests.kit.turn import credential_of
from tests.lab.relay import TCP_PORT, TLS_PORT, UDP_PORT, Relay
from tests.lab.topology import CALLEE, CALLER, RELAY

_PEER = str(Path(__file__).with_name("nice_peer.py"))
_PYTHON = "/usr/bin/python3"


class Peer:
    """One party in its namespace."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.sdp = ""
        self.is_ready = False
        self.heard: set[str] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    def do(self, what: str, **more: Any) -> None:
        """Tell it something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **more}) + "\n")
        self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            self.sdp = said.get("sdp", self.sdp)
            self.is_ready |= "ready" in said
            self.heard |= {said["heard"]} if "heard" in said else set()


@pytest.fixture(autouse=True)
def installed() -> None:
    """Skip, or fail under CI, where the system's Python cannot use libnice."""
    check = "import gi; gi.require_version('Nice', '0.1'); from gi.repository import Nice"
    if subprocess.run([_PYTHON, "-c", check], check=False, capture_output=True).returncode != 0:
        require({"libnice": "gir1.2-nice-0.1 python3-gi"})


@contextmanager
def _peer(relay: Relay, where: Namespace) -> Iterator[Peer]:
    pipe = subprocess.PIPE
    process = relay.lab.popen(where, [_PYTHON, _PEER], stdin=pipe, stdout=pipe)
    try:
        yield Peer(process)
    finally:
        process.kill()
        process.wait()


def _rebuilt(relay: Relay, call: Config, party: str, sdp: str) -> str:
    """What the other party may see: every candidate through the API, and the rest as it is."""
    lines = []
    for line in sdp.splitlines():
        if not line.startswith("a=candidate:"):
            lines += [] if line.startswith(("c=", "o=")) else [line]
            continue
        body = {"from": party, "candidate": line[2:], "sdpMLineIndex": 0}
        kept = relay.ask("POST", f"/v1/calls/{call['id']}/candidate", body).body["candidate"]
        lines += [f"a={kept}"] if kept else []
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("transport", "port"),
    [("udp", UDP_PORT), ("tcp", TCP_PORT), ("tcp", TLS_PORT)],
    ids=["udp", "tcp", "plain TCP to the TLS port"],
)
@pytest.mark.parametrize("relay", ["user", "kernel"], indirect=True)
def test_two_parties_talk_through_the_relay(relay: Relay, transport: str, port: int) -> None:
    call = relay.create_call()
    with ExitStack() as stack:
        peers = {}
        for name, where in (("caller", relay.lab.caller), ("callee", relay.lab.callee)):
            peer = peers[name] = stack.enter_context(_peer(relay, where))
            username, password = credential_of(call, name)
            peer.do(
                "gather",
                controlling=name == "caller",
                transport=transport,
                host=RELAY.v4,
                port=port,
                username=username,
                password=password,
            )
        caller, callee = peers["caller"], peers["callee"]
        wait_until(lambda: caller.sdp and callee.sdp, "both have gathered", 60)
        told = [_rebuilt(relay, call, name, peer.sdp) for name, peer in peers.items()]
        assert all("typ relay" in each for each in told), (caller.sdp, told)
        assert find([each.encode() for each in told], *CALLER.addresses, *CALLEE.addresses) == []
        caller.do("connect", sdp=told[1])
        callee.do("connect", sdp=told[0])

        wait_until(lambda: caller.is_ready and callee.is_ready, "both are ready", 60)

        def both_have_heard() -> bool:
            caller.do("say", text="Hello callee")
            callee.do("say", text="Hello caller")
            return caller.heard == {"Hello caller"} and callee.heard == {"Hello callee"}

        wait_until(both_have_heard, "both have heard the other", 60)
